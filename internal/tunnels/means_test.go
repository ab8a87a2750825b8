package tunnels

import (
	"testing"

	"crossring/internal/cluster"
)

// What an unset variable of a script leaves means no tunnel.
func TestReferencesThatMeanNoTunnel(t *testing.T) {
	w := cluster.World{StateDir: t.TempDir()}
	for _, ref := range []string{"gk:", ":", ":1", "", "../x:1"} {
		if means(w, ref, Info{ID: "1", Cluster: "gk", Node: "a-1"}) {
			t.Errorf("%q means a tunnel of gk", ref)
		}
	}
	if !means(w, "gk", Info{ID: "1", Cluster: "gk", Node: "a-1"}) {
		t.Error("gk means none of its tunnels")
	}
}
