package spec

import (
	"strings"
	"testing"
)

// The blocks of ccm and containers, right and wrong.
func TestPlaces(t *testing.T) {
	const head = "version: crossring/v1\nname: n\nregions: [{region: us-east-1}]\n"
	for _, tt := range []struct{ text, problem string }{
		{"provider: ccm", ""},
		{"provider: ccm\nccm: {command: /a/ccm, cluster: my_Cluster-1, config_dir: /a}", ""},
		{"provider: local\nccm: {cluster: other}", ""}, // as with ec2, a block may wait for its provider
		{"provider: ccm\nccm: {cluster: a/b}", "ccm.cluster"},
		{"provider: ccm\nccm: {config_dir: /a}", "ccm.config_dir"},
		{"provider: ccm\nccm: {cluster: a, source: cql}", ""},
		{"provider: ccm\nccm: {cluster: a, source: jmx}", ""},
		{"provider: ccm\nccm: {cluster: a, source: gossip}", "ccm.source"},
		{"provider: ccm\nccm: {source: cql}", "ccm.source: is for ccm.cluster"},
		{"provider: ccm\nccm: {name: a}", "ccm.name: unknown key"},
		{"provider: containers", ""},
		{"provider: containers\ncontainers: {image: 'localhost:5000/a/b:1@sha256:0', docker_host: 'unix:///run/s'}", ""},
		{"provider: containers\ncontainers: {image: '-rm'}", "containers.image"},
		{"provider: containers\ncontainers: {docker_host: /run/docker.sock}", "containers.docker_host"},
		{"provider: containers\ncontainers: {docker_host: ssh://elsewhere}", "containers.docker_host"},
	} {
		s, err := Parse("f", []byte(head+tt.text+"\n"))
		switch {
		case tt.problem == "" && err != nil:
			t.Errorf("%q: %v", tt.text, err)
		case tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)):
			t.Errorf("%q: %v, want %q", tt.text, err, tt.problem)
		case s.Provider == "ccm" && (s.CCM == nil || s.CCM.Command == ""):
			t.Errorf("%q: no default command", tt.text)
		}
	}
}
