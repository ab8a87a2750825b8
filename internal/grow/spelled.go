package grow

import (
	"cmp"
	"maps"

	"crossring/internal/spec"
	"crossring/internal/topology"
)

// spelledOut gives two specs that are to be compared the same keys where only one of
// them has a key that a plan would fill in: the other one gets what its plan came to.
// So to write a default out, or to leave it out, is no difference.
func spelledOut(have spec.Spec, made topology.Plan, want spec.Spec, planned topology.Plan) (spec.Spec, spec.Spec) {
	if (have.HeapMB == 0) != (want.HeapMB == 0) {
		have.HeapMB, want.HeapMB = cmp.Or(have.HeapMB, made.HeapMB), cmp.Or(want.HeapMB, planned.HeapMB)
	}
	if have.Cassandra != want.Cassandra && isSeries(have, made) != isSeries(want, planned) {
		have.Cassandra, want.Cassandra = made.Version, planned.Version
	}
	if !maps.Equal(have.Keyspace.Replication, want.Keyspace.Replication) {
		have.Keyspace.Replication, want.Keyspace.Replication = made.Keyspace.Replication, planned.Keyspace.Replication
	}
	if have.TLS != nil && want.TLS != nil && (have.TLS.Key == "") != (want.TLS.Key == "") {
		h, w := *have.TLS, *want.TLS
		if made.TLS != nil {
			h.Key = cmp.Or(h.Key, made.TLS.Key)
		}
		if planned.TLS != nil {
			w.Key = cmp.Or(w.Key, planned.TLS.Key)
		}
		have.TLS, want.TLS = &h, &w
	}
	switch {
	case want.RTT == nil:
		want.RTT = have.RTT // what stands stays as far apart as it was made, which once was 80 ms everywhere
	case sameRoundTrips(made, planned):
		have.RTT = want.RTT
	case have.RTT == nil:
		have.RTT = made.RTTPairs
	}
	return have, want
}

// sameRoundTrips says whether all regions of two plans are as far apart.
func sameRoundTrips(a, b topology.Plan) bool {
	for _, n := range a.Nodes {
		for _, m := range a.Nodes {
			if n.Region != m.Region && a.RTT(n.Region, m.Region) != b.RTT(n.Region, m.Region) {
				return false
			}
		}
	}
	return true
}

// isSeries says whether a spec names a series of Cassandra, and not one release of it.
func isSeries(s spec.Spec, p topology.Plan) bool { return s.Cassandra != p.Version }
