package health

import (
	"testing"

	"crossring/ringcheck"
)

func TestNameless(t *testing.T) {
	other := ringcheck.Mismatch{Kind: ringcheck.KindDatacenter, Node: "a", Want: "us-east", Got: "us-west"}
	unknown := ringcheck.Mismatch{Kind: ringcheck.KindDatacenter, Node: "b", Want: "us-east", Got: "UNKNOWN-DC"}
	rack := ringcheck.Mismatch{Kind: ringcheck.KindRack, Node: "b", Want: "1a", Got: "UNKNOWN-RACK"}
	if got := nameless(ringcheck.Ring{Mismatches: []ringcheck.Mismatch{other, rack}}); got != "" {
		t.Errorf("%q has the wrong name, not none", got)
	}
	if got := nameless(ringcheck.Ring{Mismatches: []ringcheck.Mismatch{other, rack, unknown}}); got != "b" {
		t.Errorf("got %q, want b", got)
	}
}
