package run

import (
	"crossring/internal/spec"
	"crossring/internal/topology"
)

// spelledOut gives two specs that are to be compared the same keys where only one of
// them has a key that a plan would fill in: the other one gets what its plan came to.
// So to write a default out, or to leave it out, is no difference.
func spelledOut(have spec.Spec, made topology.Plan, want spec.Spec, planned topology.Plan) (spec.Spec, spec.Spec) {
	if (have.HeapMB == 0) != (want.HeapMB == 0) {
		fill(&have.HeapMB, made.HeapMB)
		fill(&want.HeapMB, planned.HeapMB)
	}
	if (len(have.Keyspace.Replication) == 0) != (len(want.Keyspace.Replication) == 0) {
		if len(have.Keyspace.Replication) == 0 {
			have.Keyspace.Replication = made.Keyspace.Replication
		} else {
			want.Keyspace.Replication = planned.Keyspace.Replication
		}
	}
	if have.TLS != nil && want.TLS != nil && (have.TLS.Key == "") != (want.TLS.Key == "") {
		h, w := *have.TLS, *want.TLS
		if made.TLS != nil {
			fill(&h.Key, made.TLS.Key)
		}
		if planned.TLS != nil {
			fill(&w.Key, planned.TLS.Key)
		}
		have.TLS, want.TLS = &h, &w
	}
	return have, want
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
