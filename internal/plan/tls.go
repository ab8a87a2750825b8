package plan

import (
	"cmp"

	"crossring/internal/release"
	"crossring/internal/spec"
	"crossring/internal/topology"
)

// tlsPlan is what the spec's block says, with the kind of key that the release
// can use in its suites.
func tlsPlan(t *spec.TLS, rel release.Release) *topology.TLSPlan {
	if t == nil || !*t.Internode && !*t.Client {
		return nil
	}
	return &topology.TLSPlan{Internode: *t.Internode, Client: *t.Client, Key: cmp.Or(t.Key, rel.TLSKey), Days: t.Days, Name: t.Name}
}
