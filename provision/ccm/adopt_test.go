package ccm

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossring/internal/release/releasetest"
	"crossring/internal/state"
	"crossring/internal/topology"
)

// theirs writes what ccm 3.1.5 leaves of a cluster of RandomPartitioner with the
// datacenters dc1 and dc2 of so many nodes.
func theirs(t *testing.T, counts ...int) string {
	t.Helper()
	config := t.TempDir()
	dir := filepath.Join(config, "theirs")
	var names []string
	topo, i := "default=dc1:r1\n", 0
	for dc, n := range counts {
		for range n {
			i++
			name := fmt.Sprintf("node%d", i)
			names = append(names, name)
			topo += fmt.Sprintf("127.0.0.%d=dc%d:r1\n", i, dc+1)
			write(t, filepath.Join(dir, name, "node.conf"), fmt.Sprintf("name: %s\nstatus: UP\njmx_port: '7%d00'\ndata_center: dc%d\n", name, i, dc+1))
			write(t, filepath.Join(dir, name, "conf", "cassandra.yaml"), fmt.Sprintf(`cluster_name: theirs
partitioner: org.apache.cassandra.dht.RandomPartitioner
endpoint_snitch: org.apache.cassandra.locator.PropertyFileSnitch
num_tokens: 1
initial_token: %d5070591730234615865843651857942052864
listen_address: 127.0.0.%d
rpc_address: 127.0.0.%d
`, i, i, i))
		}
	}
	for _, name := range names {
		write(t, filepath.Join(dir, name, "conf", "cassandra-topology.properties"), topo)
	}
	write(t, filepath.Join(dir, "cluster.conf"), "name: theirs\ncassandra_version: "+releasetest.Newest()+"\nnodes: ["+strings.Join(names, ", ")+"]\n")
	return config
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// wanted is a plan of two regions of so many nodes.
func wanted(config string, counts ...int) topology.Plan {
	p := topology.Plan{
		Name: "mine", Provider: "ccm", Version: releasetest.Newest(), Partitioner: "RandomPartitioner", NumTokens: 1,
		CCM:      &topology.CCMPlan{Cluster: "theirs", ConfigDir: config},
		Keyspace: topology.Keyspace{Replication: map[string]int{}},
		Stress:   topology.Stress{Load: topology.Load{WriteDC: "us-east", ReadDC: "us-west-2"}},
	}
	for i, n := range counts {
		dc := []string{"us-east", "us-west-2", "eu-west"}[i]
		p.Keyspace.Replication[dc] = i + 1
		for k := range n {
			p.Nodes = append(p.Nodes, topology.Node{Name: fmt.Sprintf("%s-%d", dc, k+1), Datacenter: dc, Tokens: []string{"0"}})
		}
	}
	return p
}

func provider(t *testing.T) Provider {
	t.Helper()
	return Provider{StateDir: t.TempDir(), Home: t.TempDir(), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Say: t.Logf}
}

// Names, racks, tokens and addresses of a cluster that is taken over are its own.
func TestAdopt(t *testing.T) {
	inv, err := provider(t).adopt(wanted(theirs(t, 11, 1), 11, 1), "/ccm")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int]topology.Node{
		1:  {Name: "us-east-2", Datacenter: "dc1", Tokens: []string{"25070591730234615865843651857942052864"}, PrivateAddress: "127.0.0.2"},
		9:  {Name: "us-east-10", Datacenter: "dc1", Tokens: []string{"105070591730234615865843651857942052864"}, PrivateAddress: "127.0.0.10"},
		11: {Name: "us-west-2-1", Datacenter: "dc2", Tokens: []string{"125070591730234615865843651857942052864"}, PrivateAddress: "127.0.0.12"},
	} {
		got := inv.Nodes[i]
		if got.Name != want.Name || got.Datacenter != want.Datacenter || got.Rack != "r1" || !slices.Equal(got.Tokens, want.Tokens) ||
			got.PrivateAddress != want.PrivateAddress || got.PublicAddress != want.PrivateAddress || inv.CCM.Names[got.Name] != fmt.Sprintf("node%d", i+1) {
			t.Errorf("node %d is %+v, want %+v", i, got, want)
		}
	}
	p := inv.Plan
	if p.Keyspace.Replication["dc1"] != 1 || p.Keyspace.Replication["dc2"] != 2 || p.Stress.WriteDC != "dc1" || p.Stress.ReadDC != "dc2" || p.ClusterName != "theirs" {
		t.Errorf("%+v", p)
	}
	if err := whole(inv); err != nil {
		t.Error(err)
	}
}

// What is wrong with a cluster is said all at once.
func TestAdoptRefuses(t *testing.T) {
	problems := func(err error) []string {
		var misfit *MisfitError
		var broken *BrokenError
		switch {
		case errors.As(err, &misfit):
			return misfit.Problems
		case errors.As(err, &broken):
			return broken.Problems
		}
		t.Fatalf("%v", err)
		return nil
	}
	p := provider(t)
	plan := wanted(theirs(t, 2, 1), 1, 1)
	plan.Version, plan.Partitioner, plan.NumTokens = releasetest.Of("4.1"), "Murmur3Partitioner", 4
	_, err := p.adopt(plan, "/ccm")
	if got := problems(err); len(got) != 8 { // the version, three partitioners, three counts of tokens, one of nodes
		t.Errorf("%d problems: %v", len(got), err)
	}
	_, err = p.adopt(wanted(theirs(t, 1, 1), 1, 1, 1), "/ccm")
	if got := problems(err); len(got) != 1 || !strings.Contains(got[0], "2 datacenters (dc1, dc2), not 3") {
		t.Errorf("%v", err)
	}
	config := theirs(t, 1, 1)
	if err := errors.Join(os.Remove(filepath.Join(config, "theirs", "node1", "node.conf")), os.Remove(filepath.Join(config, "theirs", "node2", "conf", "cassandra.yaml"))); err != nil {
		t.Fatal(err)
	}
	_, err = p.adopt(wanted(config, 1, 1), "/ccm")
	if got := problems(err); len(got) != 2 {
		t.Errorf("%v", err)
	}
	var none *NoClusterError
	if _, err := p.adopt(wanted(t.TempDir(), 1, 1), "/ccm"); !errors.As(err, &none) || none.ExitCode() != 2 {
		t.Errorf("%v", err)
	}
}

// A cluster to which ccm has added a node since, or that has lost one, is not whole.
func TestWhole(t *testing.T) {
	config := theirs(t, 1, 1)
	inv, err := provider(t).adopt(wanted(config, 1, 1), "/ccm")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"nodes: [node1]\n":               "node2 is not in its cluster.conf",
		"nodes: [node1, node2, node3]\n": "node3 was added to it since",
		"nodes: [\n":                     "cluster.conf",
	} {
		write(t, filepath.Join(config, "theirs", "cluster.conf"), text)
		var broken *BrokenError
		if err := whole(inv); !errors.As(err, &broken) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// Clusters of one state directory have networks of their own, also while none runs.
func TestPlace(t *testing.T) {
	p := provider(t)
	seen := map[string]bool{}
	for i := range 5 {
		plan := wanted("", 2, 2)
		plan.Name = fmt.Sprintf("c%d", i)
		inv, err := p.place(plan, "/ccm")
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range inv.Nodes {
			key := n.PrivateAddress
			if seen[key] || seen[fmt.Sprint(n.Ports.JMX)] {
				t.Errorf("%s and its port %d occur twice", key, n.Ports.JMX)
			}
			seen[key], seen[fmt.Sprint(n.Ports.JMX)] = true, true
		}
		if err := state.WriteInventory(state.Dir(p.StateDir, plan.Name), inv); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.place(wanted("", topology.CCMNodes, 1), "/ccm"); err == nil {
		t.Error("more nodes than there are addresses for were placed")
	}
}

// A server that is another user's is running, and is neither stopped nor given an agent,
// and so is one that takes none; nobody waits for an agent that can't come.
func TestAttachRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("starting a process of another user needs root's rights")
	}
	config := theirs(t, 1, 1)
	inv, err := provider(t).adopt(wanted(config, 1, 1), "/ccm")
	if err != nil {
		t.Fatal(err)
	}
	start := func(h Host, uid uint32, args ...string) int {
		t.Helper()
		argv := append([]string{"-c", "read end", "server", h.logArg()}, args...)
		cmd := exec.Command("/bin/sh", argv...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			stdin.Close()
			_ = cmd.Wait() // it ends with the end of its input, with a status of its own
		})
		write(t, h.pidFile(), fmt.Sprint(cmd.Process.Pid))
		return cmd.Process.Pid
	}
	const nobody = 65534
	foreign, shut := Host{Inventory: inv, Node: inv.Nodes[0]}, Host{Inventory: inv, Node: inv.Nodes[1]}
	pid := start(foreign, nobody)
	if p, err := foreign.State(t.Context()); err != nil || !p.Running || p.PID != pid {
		t.Errorf("another user's server: %+v, %v", p, err)
	}
	var theirs *ForeignError
	for what, err := range map[string]error{"attach": foreign.Attach(t.Context(), "/none"), "stop": foreign.Stop(t.Context(), time.Minute)} {
		if !errors.As(err, &theirs) || theirs.PID != pid {
			t.Errorf("%s: %v", what, err)
		}
	}
	pid = start(shut, 0, noAttach)
	if p, err := shut.State(t.Context()); err != nil || p.PID != pid {
		t.Errorf("%+v, %v", p, err)
	}
	if err := shut.Attach(t.Context(), "/none"); err == nil || !strings.Contains(err.Error(), noAttach) {
		t.Errorf("attach: %v", err)
	}
	for _, h := range []Host{foreign, shut} {
		if err := h.Detach(t.Context()); err != nil {
			t.Errorf("detach: %v", err)
		}
	}
	// Those of a cluster that is crossring's own are its user's, or nobody's.
	own := *inv.CCM
	own.Adopted = false
	foreign.Inventory.CCM = &own
	if p, err := foreign.State(t.Context()); err != nil || p.Running {
		t.Errorf("%+v, %v", p, err)
	}
	if !attachable([]string{noAttach, "-XX:-DisableAttachMechanism"}) {
		t.Error("the last option does not count")
	}
}
