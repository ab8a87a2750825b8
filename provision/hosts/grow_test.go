package hosts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossring/internal/deploy/prepare"
	"crossring/internal/deploy/sshhost/sshdtest"
	"crossring/internal/state"
	"crossring/internal/topology"
)

// claim marks a machine as a cluster's, as preparing it does.
func claim(t *testing.T, n topology.Node, id string) {
	t.Helper()
	there := prepare.StateDir(n)
	if err := os.MkdirAll(there, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(there, "cluster"), []byte(id+" ring\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A cluster of one node in each region, and a file with four machines.
func TestAddReplaceRemove(t *testing.T) {
	p, want, servers, roots := provider(t)
	for range 2 {
		servers = append(servers, sshdtest.Start(t, "127.0.0.1"))
		roots = append(roots, filepath.Join(t.TempDir(), "more"))
	}
	regions := []string{"us-east-1", "us-west-2", "us-east-1", "us-west-2"}
	write := func(which ...int) {
		text := "version: crossring/v1\nhosts:\n"
		for _, i := range which {
			text += "- {address: 127.0.0.1, port: " + strconv.Itoa(servers[i].Port) + ", user: " + servers[i].User + ", identity_file: " + servers[i].Identity +
				", region: " + regions[i] + ", public: 127.252.0." + strconv.Itoa(i+1) + ", root: " + roots[i] + "}\n"
		}
		if err := os.WriteFile(want.Hosts, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(0, 1, 2, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	more := want
	more.Nodes = plan().Nodes
	for i := range more.Nodes {
		more.Nodes[i].Ports = topology.Ports{}
	}
	want.Nodes = []topology.Node{more.Nodes[0], more.Nodes[2]}
	inv, err := p.Make(ctx, want)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(state.Dir(p.StateDir, "ring"), state.InventoryFile)
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	at := func(inv topology.Inventory, name string) string {
		n, err := inv.Node(name)
		if err != nil {
			t.Fatal(err)
		}
		return n.PublicAddress
	}

	// What there is no machine for is said before anything is done, and so is a machine
	// that another cluster uses.
	tooMany := more
	tooMany.Nodes = append(append([]topology.Node{}, more.Nodes...), topology.Node{Name: "us-east-1-3", Region: "us-east-1", Zone: "us-east-1a"})
	var problem *Problem
	if err := p.CheckResize(ctx, inv, tooMany); !errors.As(err, &problem) || !strings.Contains(err.Error(), "no free machine for us-east-1-3") {
		t.Errorf("%v", err)
	}
	third := topology.Node{Host: &topology.Host{Root: roots[2]}}
	claim(t, third, "another-id")
	if err := p.CheckResize(ctx, inv, more); err == nil || !strings.Contains(err.Error(), "us-east-1-2 (127.0.0.1): its machine is used by another cluster") {
		t.Errorf("%v", err)
	}
	if _, err := p.AddNode(ctx, inv, more.Nodes[1]); err == nil || !strings.Contains(err.Error(), "another cluster") {
		t.Errorf("%v", err)
	}
	if err := os.RemoveAll(roots[2]); err != nil {
		t.Fatal(err)
	}
	if err := p.CheckResize(ctx, inv, more); err != nil {
		t.Error(err)
	}

	for range 2 { // the second time it has its place
		if inv, err = p.AddNode(ctx, inv, more.Nodes[1]); err != nil {
			t.Fatal(err)
		}
		if len(inv.Nodes) != 3 || inv.Nodes[1].Name != "us-east-1-2" || at(inv, "us-east-1-2") != "127.252.0.3" || len(inv.Plan.Nodes) != 3 || inv.Plan.Nodes[1].Host != nil {
			t.Fatalf("%+v", inv.Nodes)
		}
	}
	again, err := p.Make(ctx, want)
	if err != nil || len(again.Nodes) != 3 {
		t.Errorf("made again: %+v, %v", again.Nodes, err)
	}
	if info, err := os.Stat(path); err != nil || !info.ModTime().Equal(old) {
		t.Errorf("the cluster's age is lost: %v, %v", info, err)
	}

	// A dead node on a machine that is well: that is cleared.
	dead, _ := inv.Node("us-west-2-1")
	claim(t, dead, inv.Remote.ID)
	if inv, err = p.ReplaceNode(ctx, inv, dead); err != nil || at(inv, "us-west-2-1") != "127.252.0.2" {
		t.Fatalf("%+v, %v", inv.Nodes, err)
	}
	if _, err := os.Stat(prepare.StateDir(dead)); !os.IsNotExist(err) {
		t.Errorf("the machine was not cleared: %v", err)
	}
	// With its machine: nothing is taken for granted until the file says so.
	claim(t, dead, inv.Remote.ID)
	servers[1].Stop()
	var gone *DeadMachineError
	if err := p.CheckResize(ctx, inv, inv.Plan, dead); !errors.As(err, &gone) {
		t.Errorf("%v", err)
	}
	if _, err := p.ReplaceNode(ctx, inv, dead); !errors.As(err, &gone) || !strings.Contains(gone.Hint(), "take it out") {
		t.Errorf("%v", err)
	}
	write(0, 2, 3)
	if err := p.CheckResize(ctx, inv, inv.Plan, dead); err != nil {
		t.Error(err)
	}
	for range 2 {
		if inv, err = p.ReplaceNode(ctx, inv, dead); err != nil || at(inv, "us-west-2-1") != "127.252.0.4" {
			t.Fatalf("%+v, %v", inv.Nodes, err)
		}
	}

	// And one that goes frees its machine.
	n, _ := inv.Node("us-east-1-2")
	claim(t, n, inv.Remote.ID)
	for range 2 {
		if inv, err = p.RemoveNode(ctx, inv, "us-east-1-2"); err != nil || len(inv.Nodes) != 2 || len(inv.Plan.Nodes) != 2 {
			t.Fatalf("%+v, %v", inv.Nodes, err)
		}
	}
	if _, err := os.Stat(prepare.StateDir(n)); !os.IsNotExist(err) {
		t.Errorf("the machine was not cleared: %v", err)
	}
	if inv, err = p.AddNode(ctx, inv, more.Nodes[1]); err != nil || at(inv, "us-east-1-2") != "127.252.0.3" {
		t.Errorf("%+v, %v", inv.Nodes, err)
	}
	if err := p.Unmake(ctx, inv); err != nil {
		t.Error(err)
	}
}
