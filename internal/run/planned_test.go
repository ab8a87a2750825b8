package run

import (
	"strings"
	"testing"

	"crossring/internal/cluster"
	"crossring/internal/cluster/clustertest"

	"crossring/internal/fail"
	"crossring/internal/spec"
	"crossring/internal/until"
)

// A name that certificates can't have is said with the plan, before anything is made.
func TestNodeDN(t *testing.T) {
	for name, want := range map[string]string{
		"CN={node},OU={region},O={cluster},C=DE": "", "hello": "tls.name", "CN={foo}": "tls.name", "OU={region}": "tls.name",
	} {
		s, err := spec.Parse("x", []byte("version: crossring/v1\nname: a\nregions: [{region: us-east-1}]\ntls: {name: \""+name+"\"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		w := clustertest.Quiet()
		_, err = cluster.Plan(s)
		if (err == nil) != (want == "") || err != nil && (fail.CodeOf(err) != fail.ExitUsage || !strings.Contains(err.Error(), "x:4: "+want)) {
			t.Errorf("%s: %v", name, err)
		}
		if _, upErr := Up(t.Context(), w, UpRequest{Spec: &s, Until: until.Plan}); (upErr == nil) != (err == nil) {
			t.Errorf("%s: up says %v", name, upErr)
		}
	}
}
