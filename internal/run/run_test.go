package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/cluster/clustertest"
	"crossring/internal/state"

	"crossring/internal/journal"
	"crossring/internal/topology"
)

// A cluster that another crossring made, with another patch release, is open to this
// one; one that can't be opened says why, and is asked about before hosts go.
func TestMadeByAnother(t *testing.T) {
	w := clustertest.Quiet()
	w.StateDir = t.TempDir()
	write := func(name, version string, ec2 bool) {
		dir := state.Dir(w.StateDir, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		inv := topology.Inventory{Plan: topology.Plan{Name: name, Version: version, Provider: "local"}, Nodes: []topology.Node{{Name: "us-east-1-1"}}, Local: &topology.Local{Dir: dir}}
		if ec2 {
			inv.Plan.Provider, inv.Local = "ec2", nil
			inv.EC2, inv.Remote = &topology.EC2{Run: "r"}, &topology.Remote{Dir: dir}
		}
		if err := journal.WriteInventory(filepath.Join(dir, "inventory.json"), inv); err != nil {
			t.Fatal(err)
		}
	}
	write("older", "5.0.1", false)
	c, err := w.Open("older")
	if err != nil || c.Rel.Series != "5.0" || c.Rel.Version != "5.0.1" {
		t.Errorf("older: %s of %s, %v", c.Rel.Version, c.Rel.Series, err)
	}
	write("newer", "9.9.1", false)
	write("hosts", "9.9.1", true)
	if err := os.MkdirAll(state.Dir(w.StateDir, "half"), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := List(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range l.Clusters {
		want := map[string]string{"newer": "9.9.1", "hosts": "9.9.1", "half": "half made: crossring down half", "older": ""}[e.Name]
		if !strings.Contains(e.Problem, want) || e.Name != "half" && strings.Contains(e.Problem, "half made") {
			t.Errorf("%s: %q, want %q", e.Name, e.Problem, want)
		}
	}
	asked := 0
	for _, name := range []string{"older", "newer", "half", "hosts"} {
		err := ConfirmDown(w, name, func(string) (bool, error) { asked++; return false, nil })
		if (err != nil) != (name == "hosts") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}
