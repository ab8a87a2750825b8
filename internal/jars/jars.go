// Package jars turns a Cassandra version into a class path. The jars come by
// Maven coordinates, through the ordinary mvn client and a pom that ships in
// this package, into a cache keyed by version; every file is held against a
// lock of checksums. Or they come from an unpacked official tarball.
package jars

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"crossring/internal/release"
)

// A cold fetch takes about half a minute on a good line; this is for bad ones.
const fetchTimeout = 20 * time.Minute

// Request says what is wanted and where it may be put.
type Request struct {
	// Version is a series ("5.0") or a full version ("5.0.5") that has a lock.
	// With Home it may be empty.
	Version string
	// CacheDir holds one directory for each version. It is created.
	CacheDir string
	// Home is an unpacked official tarball. Its lib/*.jar are used as they are,
	// and only what it lacks (the Jolokia agent) comes from the cache.
	Home string
	// Offline keeps mvn off the network.
	Offline bool
	// MavenArgs are further arguments of mvn, before the goal.
	MavenArgs []string
	// Log gets what mvn was asked; nil is silence.
	Log *slog.Logger
	// Progress gets a line for each step that takes time; nil is silence.
	Progress func(string)
}

// Jars are the files of one Cassandra version, all paths absolute.
type Jars struct {
	Version   string   // full, x.y.z; with Home, the tarball's own
	Dir       string   // directory that holds the server's jars
	ClassPath []string // the server's jars, sorted, without the Jolokia agent
	Jamm      string   // agent that measures objects
	Jolokia   string   // agent that answers JMX over HTTP
}

// Ensure returns the jars of a version, from the cache if it is whole, else by
// filling it. Two processes may ask at once: one fills, the other waits.
//
// Errors that a caller may want to tell apart: *release.UnknownError,
// *MissingToolError, *JavaError, *NoNetworkError, *MismatchError, *HomeError.
func Ensure(ctx context.Context, req Request) (Jars, error) {
	if req.Log == nil {
		req.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if req.Progress == nil {
		req.Progress = func(string) {}
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	if req.Home != "" {
		return fromHome(ctx, req)
	}
	rel, err := release.Find(req.Version)
	if err != nil {
		return Jars{}, err
	}
	dir, err := ensureSet(ctx, req, rel.Version)
	if err != nil {
		return Jars{}, fmt.Errorf("preparing jars of cassandra %s: %w", rel.Version, err)
	}
	return collect(rel.Version, dir)
}

// collect sorts the jars of a directory into what they are for.
func collect(version, dir string) (Jars, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.jar")) // sorted
	if err != nil {
		return Jars{}, fmt.Errorf("listing jars in %s: %w", dir, err)
	}
	jars := Jars{Version: version, Dir: dir}
	for _, file := range files {
		name := filepath.Base(file)
		if isJolokia(name) {
			jars.Jolokia = file
			continue
		}
		if strings.HasPrefix(name, "jamm-") {
			jars.Jamm = file
		}
		jars.ClassPath = append(jars.ClassPath, file)
	}
	if len(jars.ClassPath) == 0 {
		return Jars{}, fmt.Errorf("no jars in %s", dir)
	}
	return jars, nil
}

// isJolokia knows the agent by its names: jolokia-agent-jvm-*-javaagent.jar on
// the 2.x line, jolokia-jvm-*-agent.jar on 1.x.
func isJolokia(name string) bool {
	return strings.HasPrefix(name, "jolokia-") && strings.HasSuffix(name, "agent.jar")
}

// ensureSet returns the directory of a whole and verified set of jars.
func ensureSet(ctx context.Context, req Request, set string) (string, error) {
	want, err := readLock(set)
	if err != nil {
		return "", err
	}
	return ensureLocked(ctx, req, want)
}

// ensureLocked is ensureSet for a lock at hand.
func ensureLocked(ctx context.Context, req Request, want lock) (string, error) {
	cache, err := filepath.Abs(req.CacheDir)
	if err != nil {
		return "", fmt.Errorf("finding the jar cache: %w", err)
	}
	dir := filepath.Join(cache, want.set)
	if whole(dir, want) {
		return dir, nil
	}

	// One lock for all versions: mvn's own repository does not stand two
	// writers either.
	unlock, err := lockCache(ctx, cache, func() {
		req.Progress("waiting for another process that fills the jar cache")
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	if whole(dir, want) {
		return dir, nil
	}
	if err := want.verify(dir); err == nil {
		return dir, writeManifest(dir, want)
	} else if bad := (*MismatchError)(nil); errors.As(err, &bad) && len(bad.Missing) < len(want.sums) {
		req.Log.Warn("jar cache is damaged, filling it again", "error", err)
		req.Progress("the cached jars of " + title(want.set) + " are damaged, fetching them again")
	}
	return dir, fill(ctx, req, dir, want)
}

// title is a set of jars as people call it.
func title(set string) string {
	if set == agentSet {
		return "the Jolokia agent"
	}
	return "cassandra " + set
}
