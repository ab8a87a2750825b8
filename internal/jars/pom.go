package jars

import (
	"bytes"
	_ "embed"
	"fmt"
	"text/template"

	"crossring/internal/release"
)

// pomTemplate is the pom of every release. Native code for systems where no node
// runs stays out, by artifact and by classifier.
//
//go:embed poms/cassandra.xml.tmpl
var pomTemplate string

//go:embed poms/jolokia.xml
var agentPom []byte

// Sets lists what can be asked of Resolve: every version, and the agent alone.
func Sets() []string {
	var sets []string
	for _, rel := range release.All() {
		sets = append(sets, rel.Patches...)
	}
	return append(sets, agentSet)
}

// Pom is what mvn is given for one of Sets.
func Pom(set string) ([]byte, error) {
	if set == agentSet {
		return agentPom, nil
	}
	rel, err := release.Find(set)
	if err != nil {
		return nil, err
	}
	t, err := template.New("pom").Parse(pomTemplate)
	if err != nil {
		return nil, fmt.Errorf("writing the pom of %s: %w", title(set), err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, rel); err != nil {
		return nil, fmt.Errorf("writing the pom of %s: %w", title(set), err)
	}
	return b.Bytes(), nil
}
