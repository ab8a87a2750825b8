package run

import (
	"testing"

	"crossring/internal/cluster"
	"crossring/internal/fail"
)

// Whoever works on nodes refuses what names none before anything is done.
func TestVerbsWithoutANode(t *testing.T) {
	w := cluster.World{StateDir: t.TempDir()}
	for _, ref := range []string{"gk:", ":", ":1", "", "../x:1"} {
		if _, err := Stop(t.Context(), w, ref); fail.CodeOf(err) != fail.ExitUsage {
			t.Errorf("stop %q: %v, want a usage error", ref, err)
		}
	}
}
