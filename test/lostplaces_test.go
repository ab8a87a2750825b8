package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/fail"
	"crossring/internal/state"
	"crossring/provision/local/procs"
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

// A cluster by ccm whose inventory is lost goes with its servers; one of the same name, of
// another state directory, stays.
func TestLostInventoryOfCCM(t *testing.T) {
	needLong(t)
	beside(t, 2, ccmAddresses)
	ccm := venv(t, ccmVersion)
	other := newHome(t)
	text := ccmSpec("lostccm", newest, ccm, []int{1, 1}, "")
	other.must(t, "up", "--until", "provision", "-f", other.spec(t, text))
	t.Cleanup(func() { other.clear("lostccm") })
	h := newHome(t)
	c := h.up(t, "lostccm", text)
	inv, _ := h.inventory(t, c.name)
	var servers []procs.Proc
	for _, n := range inv.Nodes {
		p, err := procs.Read(h.ccmPID(t, inv, n))
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, p)
	}
	h.loseInventory(t, c.name)
	h.must(t, "down", c.name)
	for _, was := range servers {
		if p, err := procs.Read(was.PID); err == nil && p.Start == was.Start && !procs.Ending(p) {
			t.Errorf("server %d goes on", was.PID)
		}
	}
	h.checkForgotten(t, c.name)
	if kept, ok := other.inventory(t, c.name); !ok || kept.CCM == nil {
		t.Fatalf("the other cluster of that name: %+v", kept)
	} else if _, err := os.Stat(kept.CCM.ConfigDir); err != nil {
		t.Error(err)
	}
}

// Containers of a cluster whose inventory is lost go, by their labels; those of one of the same
// name, of another state directory, stay.
func TestLostInventoryOfContainers(t *testing.T) {
	needLong(t)
	beside(t, 4, podmanEngine)
	p := startPodman(t)
	image := p.image(t, newest)
	text := containerSpec("lostboxes", newest, image, p.url)
	other := newHome(t)
	other.must(t, "up", "--until", "provision", "-f", other.spec(t, text))
	t.Cleanup(func() { other.clear("lostboxes") })
	theirs := p.left(t, "lostboxes")
	if theirs == "" {
		t.Fatal("the other cluster has neither containers nor networks")
	}
	h := newHome(t)
	h.must(t, "up", "--until", "start", "-f", h.spec(t, text))
	t.Cleanup(func() { h.clear("lostboxes") })
	if p.left(t, "lostboxes") == theirs {
		t.Fatal("no container was made")
	}
	h.loseInventory(t, "lostboxes")
	h.must(t, "down", "lostboxes")
	h.checkForgotten(t, "lostboxes")
	if left := p.left(t, "lostboxes"); left != theirs {
		t.Errorf("left are\n%swant\n%s", left, theirs)
	}
	other.must(t, "down", "lostboxes")
	if left := p.left(t, "lostboxes"); left != "" {
		t.Errorf("left: %s", left)
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
