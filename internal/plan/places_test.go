package plan

import (
	"strings"
	"testing"

	"crossring/internal/release/releasetest"
	"crossring/internal/spec"
)

// What the providers ccm and containers add to a plan, and what they can't do.
func TestPlaces(t *testing.T) {
	one := []spec.Region{{Region: "us-east-1"}}
	p, err := Build(spec.Spec{Name: "a", Provider: "ccm", Regions: one, CCM: &spec.CCM{Cluster: "theirs", ConfigDir: "/c"}})
	if err != nil || p.CCM == nil || p.CCM.Command != "ccm" || p.CCM.Cluster != "theirs" || p.CCM.ConfigDir != "/c" || p.Containers != nil {
		t.Errorf("%+v, %v", p.CCM, err)
	}
	p, err = Build(spec.Spec{Name: "a", Provider: "containers", Regions: one, CCM: &spec.CCM{}})
	if err != nil || p.Containers == nil || p.Containers.Image != "docker.io/library/cassandra:"+releasetest.Newest() || p.CCM != nil {
		t.Errorf("%+v, %v", p.Containers, err)
	}
	on := true
	for _, tt := range []struct {
		spec spec.Spec
		want string
	}{
		{spec.Spec{Provider: "containers", Cassandra: "3.11"}, "containers.image"},
		{spec.Spec{Cassandra: "2.2", TLS: &spec.TLS{Internode: &on, Client: &on, Key: "ecdsa-p256"}}, "tls.key: "},
		{spec.Spec{Provider: "ccm", CCM: &spec.CCM{Cluster: "theirs"}, TLS: &spec.TLS{Internode: &on, Client: &on}}, "tls: "},
	} {
		tt.spec.Name, tt.spec.Regions = "a", one
		if _, err := Build(tt.spec); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.spec, err, tt.want)
		}
	}
	if _, err := Build(spec.Spec{Name: "a", Provider: "containers", Cassandra: "3.11", Regions: one, Containers: &spec.Containers{Image: "x"}}); err != nil {
		t.Error(err)
	}
}
