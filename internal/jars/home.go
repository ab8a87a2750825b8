package jars

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"crossring/internal/release"
)

// fromHome takes the jars of an unpacked official tarball. The tarball may be
// another patch release of the series asked for; Jars.Version says which.
func fromHome(ctx context.Context, req Request) (Jars, error) {
	home, err := filepath.Abs(req.Home)
	if err != nil {
		return Jars{}, fmt.Errorf("finding the cassandra home: %w", err)
	}
	lib := filepath.Join(home, "lib")
	version, err := homeVersion(home)
	if err != nil {
		return Jars{}, err
	}
	if req.Version != "" {
		rel, err := release.Find(req.Version)
		if err != nil {
			return Jars{}, err
		}
		if !strings.HasPrefix(version, rel.Series+".") {
			return Jars{}, &HomeError{Home: home, Reason: fmt.Sprintf("it has cassandra %s, and %s was asked for", version, rel.Version)}
		}
	}
	jars, err := collect(version, lib)
	if err != nil {
		return Jars{}, err
	}
	if jars.Jamm == "" {
		return Jars{}, &HomeError{Home: home, Reason: "no jamm-*.jar in lib"}
	}
	if jars.Jolokia == "" {
		dir, err := ensureSet(ctx, req, agentSet)
		if err != nil {
			return Jars{}, fmt.Errorf("preparing the Jolokia agent: %w", err)
		}
		agent, err := filepath.Glob(filepath.Join(dir, "jolokia-*.jar"))
		if err != nil || len(agent) != 1 {
			return Jars{}, fmt.Errorf("finding the Jolokia agent in %s: %d files (%v)", dir, len(agent), err)
		}
		jars.Jolokia = agent[0]
	}
	return jars, nil
}

// homeVersion reads the version from the name of the server's own jar.
func homeVersion(home string) (string, error) {
	found, err := filepath.Glob(filepath.Join(home, "lib", "apache-cassandra-[0-9]*.jar"))
	if err != nil {
		return "", fmt.Errorf("looking for cassandra in %s: %w", home, err)
	}
	if len(found) != 1 {
		return "", &HomeError{Home: home, Reason: fmt.Sprintf("one lib/apache-cassandra-VERSION.jar expected, %d found; it must be an unpacked binary tarball", len(found))}
	}
	name := strings.TrimPrefix(filepath.Base(found[0]), "apache-cassandra-")
	return strings.TrimSuffix(name, ".jar"), nil
}
