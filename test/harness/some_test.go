package harness

import (
	"fmt"
	"slices"
	"testing"
)

// All have their turn within a few commits, and a commit always has the same.
func TestSome(t *testing.T) {
	all := func() []int { return []int{0, 1, 2, 3} }
	seen := map[int]bool{}
	for commit := range 12 {
		name := fmt.Sprint("commit ", commit)
		got := Some(all(), 2, name)
		if len(got) != 2 || got[0] == got[1] || !slices.Equal(got, Some(all(), 2, name)) {
			t.Errorf("%s: %v, then %v", name, got, Some(all(), 2, name))
		}
		for _, i := range got {
			seen[i] = true
		}
	}
	if len(seen) != 4 {
		t.Errorf("within a dozen commits only %v", seen)
	}
	if got := Some(all(), 9, "any"); len(got) != 4 {
		t.Errorf("of four nine are %v", got)
	}
}
