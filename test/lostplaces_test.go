package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/fail"
	"crossring/internal/state"
)

// loseInventory removes both copies of a cluster's inventory.
func (h home) loseInventory(t *testing.T, name string) {
	t.Helper()
	dir := state.Dir(h.state, name)
	for _, file := range []string{"inventory.json", "inventory.copy.json"} {
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
	}
}

// checkForgotten looks that nothing of a cluster is left in the state directory.
func (h home) checkForgotten(t *testing.T, name string) {
	t.Helper()
	if _, err := os.Lstat(state.Dir(h.state, name)); !os.IsNotExist(err) {
		t.Errorf("the directory of %s is left: %v", name, err)
	}
	if r := h.must(t, "ls"); strings.Contains(r.stdout, name) {
		t.Errorf("%s is listed: %s", name, r)
	}
}

// Machines of a cluster both of whose inventories are lost are named and left as they are: what
// is on them can't be told from what another cluster put there.
func TestLostInventoryOfHosts(t *testing.T) {
	beside(t, 0, hostAddresses)
	list := machines(t)
	h := newHome(t)
	h.must(t, "up", "--until", "deploy", "-f", writeHosts(t, oldest, list))
	t.Cleanup(func() { os.RemoveAll(state.Dir(h.state, "machines")) })
	before := files(t, list[0].root)
	h.loseInventory(t, "machines")
	r := h.want(t, fail.ExitLeftover, "down", "machines")
	checkSays(t, r, "can't be told from what another cluster did", "rm -r "+state.Dir(h.state, "machines"))
	for _, m := range list {
		checkSays(t, r, m.Address)
	}
	if after := files(t, list[0].root); len(before) == 0 || strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("what is on the machine changed:\n%v\n%v", before, after)
	}
	// Nothing is made beside it, and it goes once somebody has seen to the machines.
	r = h.run(t.Context(), "up", "--until", "deploy", "-f", writeHosts(t, oldest, list))
	if r.code == 0 {
		t.Errorf("a cluster is made on machines that another one holds: %s", r)
	}
	if err := os.RemoveAll(state.Dir(h.state, "machines")); err != nil {
		t.Fatal(err)
	}
	h.checkForgotten(t, "machines")
}
