package local

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossring/internal/state"
	"crossring/internal/topology"
)

// listens says whether somebody listens there.
func listens(address string, port int) bool {
	c, err := net.DialTimeout("tcp", net.JoinHostPort(address, strconv.Itoa(port)), 5*time.Second)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// names are the nodes of the inventory on disk.
func names(t *testing.T, p Provider) []string {
	t.Helper()
	inv, err := state.Inventory(p.StateDir, "made")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for i, n := range inv.Nodes {
		list = append(list, n.Name)
		if m := inv.Plan.Nodes[i]; m.Name != n.Name || m.PrivateAddress != "" {
			t.Errorf("node %d of the plan is %s at %q, of the inventory %s", i, m.Name, m.PrivateAddress, n.Name)
		}
	}
	return list
}

// What has no room is said before anything is done, for all nodes of a change.
func TestCheckResize(t *testing.T) {
	p, inv := made(t, t.TempDir())
	wanted := func(names ...string) topology.Plan {
		plan := inv.Plan
		for _, name := range names {
			plan.Nodes = append(slices.Clone(plan.Nodes), topology.Node{Name: name, Region: "r1", Zone: "r1a", Ports: topology.DefaultPorts()})
		}
		return plan
	}
	if err := p.CheckResize(t.Context(), inv, wanted()); err != nil {
		t.Errorf("nothing new: %v", err)
	}
	if err := p.CheckResize(t.Context(), inv, wanted("r1-7", "r1-254")); err != nil {
		t.Errorf("two new nodes: %v", err)
	}
	if err := p.CheckResize(t.Context(), inv, wanted("r1-7", "r1-255")); err == nil || !strings.Contains(err.Error(), "place r1-255: the local provider has addresses for the nodes 1 to 254") {
		t.Errorf("no address: %v", err)
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127."+strconv.Itoa(inv.Local.Slot)+".1.9", "9042"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var taken *PortTakenError
	if err := p.CheckResize(t.Context(), inv, wanted("r1-7", "r1-9")); !errors.As(err, &taken) || len(taken.Taken) != 1 {
		t.Errorf("a port that is taken: %v", err)
	}
	if got, err := state.Inventory(p.StateDir, "made"); err != nil || len(got.Nodes) != len(inv.Nodes) {
		t.Errorf("the inventory has %d nodes (%v)", len(got.Nodes), err)
	}
}

func TestNodesOfARunningCluster(t *testing.T) {
	p, inv := made(t, t.TempDir())
	before, err := state.Made(p.StateDir, "made")
	if err != nil {
		t.Fatal(err)
	}
	fresh := topology.Node{Name: "r1-3", Index: 3, Region: "r1", Zone: "r1a", Tokens: []string{"5"}, Ports: topology.DefaultPorts()}
	left := filepath.Join(nodeDir(inv.Local.Dir, "r1-3"), "left")
	if err := os.MkdirAll(left, 0o755); err != nil { // of an earlier node of that name
		t.Fatal(err)
	}
	for range 2 { // a second time changes nothing
		if inv, err = p.AddNode(t.Context(), inv, fresh); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("the new node has what an earlier one left")
	}
	n := inv.Nodes[1]
	slot := strconv.Itoa(inv.Local.Slot)
	if n.Name != "r1-3" || n.PrivateAddress != "127."+slot+".1.3" || n.PublicAddress != "127."+slot+".101.3" {
		t.Errorf("the new node is %s at %s and %s", n.Name, n.PrivateAddress, n.PublicAddress)
	}
	if got, want := names(t, p), []string{"r1-1", "r1-3", "r2-1"}; !slices.Equal(got, want) {
		t.Errorf("nodes %q, want %q", got, want)
	}
	if made, err := state.Made(p.StateDir, "made"); err != nil || !made.Equal(before) {
		t.Errorf("the cluster was made at %s, before at %s, %v", made, before, err)
	}
	if !listens(n.PublicAddress, n.Ports.Storage) {
		t.Error("nobody listens on the new node's public address")
	}
	resp, err := http.Get("http://" + net.JoinHostPort(n.PrivateAddress, strconv.Itoa(n.Ports.Metadata)) + "/latest/meta-data/placement/availability-zone")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()

	// A keeper that comes later knows it, too.
	st, err := p.Status(t.Context(), inv)
	if err != nil {
		t.Fatal(err)
	}
	kill(t, st.PID)
	if _, err := p.Make(t.Context(), inv.Plan); err != nil {
		t.Fatal(err)
	}
	if !listens(n.PublicAddress, n.Ports.Storage) {
		t.Error("the next keeper does not listen for the new node")
	}

	start(t, inv, 1, "idle")
	if err := (Host{Inventory: inv, Node: n}).Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if inv, err = p.RemoveNode(t.Context(), inv, "r1-3"); err != nil {
			t.Fatal(err)
		}
	}
	if listens(n.PublicAddress, n.Ports.Storage) || listens(n.PrivateAddress, n.Ports.Metadata) {
		t.Error("somebody listens for a node that is gone")
	}
	if _, err := os.Stat(n.Layout.Root); !os.IsNotExist(err) {
		t.Errorf("the directory of a node that is gone: %v", err)
	}
	if got, want := names(t, p), []string{"r1-1", "r2-1"}; !slices.Equal(got, want) {
		t.Errorf("nodes %q, want %q", got, want)
	}
	if st, err = p.Status(t.Context(), inv); err != nil || len(st.Nodes) != 0 {
		t.Errorf("the keeper knows %+v, %v", st.Nodes, err)
	}
	if _, err := p.AddNode(t.Context(), inv, topology.Node{Name: "r1-300", Region: "r1"}); err == nil {
		t.Error("a node without an address is taken")
	}
	if _, err := p.AddNode(t.Context(), inv, topology.Node{Name: "r9-1", Region: "r9"}); err == nil {
		t.Error("a node of another region is taken")
	}
}

func TestNewNodesPortIsTaken(t *testing.T) {
	p, inv := made(t, t.TempDir())
	l, err := net.Listen("tcp", "127."+strconv.Itoa(inv.Local.Slot)+".1.2:9042")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := topology.Node{Name: "r1-2", Region: "r1", Zone: "r1a", Ports: topology.DefaultPorts()}
	var taken *PortTakenError
	if _, err := p.AddNode(t.Context(), inv, n); !errors.As(err, &taken) || len(taken.Taken) != 1 {
		t.Errorf("got %v, want the one port that is taken", err)
	}
	if got := names(t, p); len(got) != 2 {
		t.Errorf("nodes %q", got)
	}
}
