package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sizedOnHosts is the spec of two regions of some nodes, on machines of an inventory
// file.
func sizedOnHosts(name, version, file string, east, west int) string {
	return sized(name, version, east, west) + "provider: hosts\nhosts: " + file + "\n"
}

// onHosts is a cluster of one node in each region, with rows in both, on the first two
// of some machines.
func onHosts(t *testing.T, file string, list []machine, regions []string, rows int) (c cluster, runDir string) {
	t.Helper()
	writeFile(t, file, inventoryFile(list, regions))
	c = newHome(t).up(t, "machines", sizedOnHosts("machines", newest, file, 1, 1))
	return c, c.fill(t, rows)
}

// A node more on a machine that was free, and one less, whose machine is free again.
func TestGrowOnHosts(t *testing.T) {
	needLong(t)
	beside(t, 4, hostAddresses)
	const rows = 20_000
	file, list := filepath.Join(t.TempDir(), "hosts.yaml"), []machine{newMachine(t, 0), newMachine(t, 1), newMachine(t, 2)}
	c, runDir := onHosts(t, file, list, []string{"us-east-1", "us-west-2", "us-east-1"}, rows)
	text := func(east int) string { return sizedOnHosts(c.name, newest, file, east, 1) }

	// There is no machine for a third node, and nothing is begun.
	checkSays(t, c.want(t, 2, "up", "-f", c.spec(t, text(3))), "there is no free machine for us-east-1-3 in us-east-1a")
	before := processes(t, c.home)
	p := c.becomes(t, text(2))
	if want := []string{"join us-east-1-2", "cleanup us-east-1-1"}; !slices.Equal(stepIDs(p), want) {
		t.Errorf("the steps are %q, want %q", stepIDs(p), want)
	}
	if after := processes(t, c.home); len(after) != 3 || !slices.Contains(after, before[0]) || !slices.Contains(after, before[1]) {
		t.Errorf("servers %v became %v", before, after)
	}
	c.isAt(t, "us-east-1-2", list[2])
	c.hasAll(t, runDir, rows, "us-east", "us-west-2")
	same := processes(t, c.home)
	c.must(t, "up", "-f", c.spec(t, text(2)))
	if after := processes(t, c.home); !slices.Equal(same, after) {
		t.Errorf("a second up made %v of %v", after, same)
	}

	c.becomes(t, text(1))
	c.hasAll(t, runDir, rows, "us-east", "us-west-2")
	if _, err := os.Stat(list[2].root); !os.IsNotExist(err) {
		t.Errorf("the machine of the node that went has %s: %v", list[2].root, err)
	}

	c.must(t, "down", c.name)
	for _, m := range list {
		if _, err := os.Stat(m.root); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", m.root, err)
		}
	}
}

// A dead node comes back, first on its machine and then on another one.
func TestReplaceOnHosts(t *testing.T) {
	needLong(t)
	beside(t, 4, hostAddresses)
	const rows = 5000
	file, list := filepath.Join(t.TempDir(), "hosts.yaml"), []machine{newMachine(t, 0), newMachine(t, 1), newMachine(t, 2)}
	regions := []string{"us-east-1", "us-west-2", "us-west-2"}
	c, runDir := onHosts(t, file, list, regions, rows)
	name := c.name

	c.isDead(t, "us-west-2-1")
	c.must(t, "up", name, "--replace-node", "us-west-2-1")
	c.isAt(t, "us-west-2-1", list[1])
	c.hasAll(t, runDir, rows, "us-east", "us-west-2")

	// Dead with its machine, which somebody takes out of the file.
	c.isDead(t, "us-west-2-1")
	list[1].Cut(t)
	checkSays(t, c.run(t.Context(), "up", name, "--replace-node", "us-west-2-1"), "us-west-2-1", "$EDITOR "+file)
	writeFile(t, file, inventoryFile([]machine{list[0], list[2]}, []string{regions[0], regions[2]}))
	c.must(t, "up", name, "--replace-node", "us-west-2-1")
	c.isAt(t, "us-west-2-1", list[2])
	c.must(t, "ring", name)
	c.hasAll(t, runDir, rows, "us-east", "us-west-2")
	c.must(t, "restart", name+":us-east-1-1") // with the seed's new address
	c.awaitWhole(t)

	c.must(t, "down", name)
	for _, m := range []machine{list[0], list[2]} {
		if _, err := os.Stat(m.root); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", m.root, err)
		}
	}
}

// isAt looks where a node is, and that all seeds are among those of every node's file.
func (c cluster) isAt(t *testing.T, node string, m machine) {
	t.Helper()
	inv, _ := c.inventory(t, c.name)
	n, err := inv.Node(node)
	if err != nil || n.PublicAddress != m.address || n.Host == nil || n.Host.Port != m.Port {
		t.Errorf("%s is %+v, %v", node, n, err)
	}
	for _, n := range inv.Nodes {
		yaml, err := os.ReadFile(filepath.Join(n.Layout.Conf, "cassandra.yaml"))
		if seeds := `seeds: "` + strings.Join(inv.Seeds(), ",") + `"`; err != nil || !strings.Contains(string(yaml), seeds) {
			t.Errorf("%s is not in cassandra.yaml of %s: %v", seeds, n.Name, err)
		}
	}
}

// isDead kills a node's server and empties its disk.
func (c cluster) isDead(t *testing.T, node string) {
	t.Helper()
	for _, p := range processes(t, c.home) {
		if name, pid, _ := strings.Cut(p, " "); name == node {
			var n int
			if _, err := fmt.Sscan(pid, &n); err != nil {
				t.Fatal(err)
			}
			kill9(t, n)
		}
	}
	inv, _ := c.inventory(t, c.name)
	n, err := inv.Node(node)
	if err == nil {
		err = os.RemoveAll(n.Layout.Data)
	}
	if err != nil {
		t.Fatal(err)
	}
}
