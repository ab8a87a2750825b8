package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossring/internal/cluster/clustertest"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/health"
	"crossring/internal/load"
	"crossring/internal/trust"

	"crossring/internal/journal"
	"crossring/internal/release/releasetest"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/local"
	"crossring/provision/local/procs"
	"crossring/ringcheck"
)

const patience = time.Minute

// TestMain lets the test binary be a keeper, as the program is, and a server that a
// keeper starts: a process that listens as one does until it is ended.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == local.KeeperCommand:
		os.Exit(local.Keeper(os.Args[2:]))
	case len(os.Args) > 3 && strings.HasPrefix(os.Args[1], "-Dcrossring.id="):
		l, err := net.Listen("tcp", filepath.Base(os.Args[len(os.Args)-1])+":9042")
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		defer l.Close()
		never := make(chan os.Signal, 1)
		signal.Notify(never, syscall.SIGUSR1)
		<-never
	}
	os.Exit(m.Run())
}

// standIn is a local cluster with a keeper, and stand-ins for its servers.
type standIn struct {
	cluster.World
	name string
	inv  topology.Inventory
	dir  string
}

func newStandIn(t *testing.T) standIn {
	t.Helper()
	w := clustertest.Quiet()
	w.StateDir, w.Exe = t.TempDir(), os.Args[0]
	p := topology.Plan{
		Schema: topology.Schema, Name: "traces", Provider: "local", Version: releasetest.Newest(), RTTMillis: new(float64(10)),
		Disks: topology.Disks{Data: "fs1", Commitlog: "fs2", SavedCaches: "fs2"},
	}
	for i, region := range []string{"us-east-1", "us-west-2"} {
		p.Nodes = append(p.Nodes, topology.Node{Name: region + "-1", Index: i + 1, Region: region, Zone: region + "a", Ports: topology.DefaultPorts()})
	}
	provider := w.Provider(os.Args[0])
	inv, err := provider.Make(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	c := standIn{World: w, name: p.Name, inv: inv, dir: inv.Local.Dir}
	t.Cleanup(func() {
		if _, err := provider.EndTraces(context.Background(), c.name); err != nil { // the test's context has ended
			t.Error(err)
		}
	})
	for _, n := range inv.Nodes {
		if err := (local.Host{Inventory: inv, Node: n, Main: n.PrivateAddress}).Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if len(c.listeners(t)) >= 2+2*len(inv.Nodes) { // the servers, the WAN and the metadata
			break
		}
		if time.Now().After(end) {
			t.Fatalf("only %v listen", c.listeners(t))
		}
	}
	// What a cluster of this computer may have besides.
	for name, text := range map[string]string{
		cluster.SpecFile: `{"version":"crossring/v1","provider":"local"}`, state.Ready: "", state.Keyspace: "", "agent.password": "secret\n",
		cluster.ChangeFile: `{"schema":"crossring/v1"}`, cluster.ChangeJournal: "", trust.RotationFile: `{"schema":"crossring/v1"}`, trust.RotationJournal: "",
		"ca/ca.pem": "x", cluster.TLSDir + "/client.pem": "x", "nodes/us-east-1-1/conf/jvm.options": "-Xmx1m", "keeper.log": "",
	} {
		path := filepath.Join(c.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err == nil {
			_, err = f.WriteString(text)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c standIn) listeners(t *testing.T) []string {
	t.Helper()
	socks, err := procs.Sockets()
	if err != nil {
		t.Fatal(err)
	}
	slot := netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(c.inv.Local.Slot), 0, 0}), 16)
	var all []string
	for _, s := range socks {
		if !s.Listening || !slot.Contains(s.Local.Addr()) {
			continue
		}
		// Another test's cluster may take a slot at the very moment when it is free.
		if owner, ok := procs.Owner(s.Inode); ok && !c.isOf(owner) {
			continue
		}
		all = append(all, s.Local.String())
	}
	return all
}

func (c standIn) isOf(p procs.Proc) bool {
	return slices.ContainsFunc(p.Args, func(a string) bool { return strings.HasSuffix(a, "id="+c.inv.Local.ID) })
}

// processes are found by the id alone, so by nothing that down goes by where it is lost.
func (c standIn) processes(t *testing.T) []int {
	t.Helper()
	found, err := procs.Select(c.isOf)
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, p := range found {
		pids = append(pids, p.PID)
	}
	return pids
}

// checkDown takes the cluster down, and holds it to: all of it is gone, or the exit code
// is 5 or 7 and nothing of it is.
func (c standIn) checkDown(t *testing.T, refused bool) {
	t.Helper()
	before := len(c.processes(t))
	_, err := Down(t.Context(), c.World, c.name, DownRequest{Gather: GatherNever})
	left, listen := c.processes(t), c.listeners(t)
	_, statErr := os.Lstat(c.dir)
	switch {
	case refused:
		if fail.CodeOf(err) != fail.ExitPrerequisite || len(left) != before || statErr != nil {
			t.Errorf("want it refused, with exit code 7 and as it was: %v, exit %d, %d of %d processes", err, fail.CodeOf(err), len(left), before)
		}
	case err != nil:
		t.Errorf("down: %v, exit %d; left: %v, %v", err, fail.CodeOf(err), left, listen)
	case len(left) > 0 || len(listen) > 0 || !errors.Is(statErr, fs.ErrNotExist):
		t.Errorf("down says that it is done, and left: processes %v, listeners %v, directory %v", left, listen, statErr)
	}
}

// TestDownOfDamagedClusters loses and damages every file of a cluster, one at a time and
// all at once, and takes it down.
func TestDownOfDamagedClusters(t *testing.T) {
	damages := map[string]func(path string) error{
		"lost":      os.Remove,
		"truncated": func(path string) error { return halve(path) },
	}
	for name, text := range map[string]string{"empty": "", "random": "\x00\x8f\x17PK\x03\x04\xff", "{}": "{}", "null": "null", "[1]": "[1]",
		"newer": `{"schema":"crossring/v9","plan":{"name":"traces"}}` + "\n"} {
		damages[name] = func(path string) error { return os.WriteFile(path, []byte(text), 0o644) }
	}
	files := []string{
		"inventory.json", "inventory.copy.json", "both", "all", cluster.SpecFile, "journal", "keeper.sock", "keeper.lock", "keeper.log", state.Ready, state.Keyspace, "agent.password",
		cluster.ChangeFile, cluster.ChangeJournal, trust.RotationFile, trust.RotationJournal, "ca/ca.pem", cluster.TLSDir + "/client.pem", "nodes/us-east-1-1/conf/jvm.options",
	}
	t.Run("every file is tried", func(t *testing.T) {
		c := newStandIn(t)
		err := filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
			rel, relErr := filepath.Rel(c.dir, path)
			if err == nil && !d.IsDir() && !slices.Contains(files, rel) && !strings.HasSuffix(rel, "stdout.log") {
				t.Errorf("%s is not among the files that are damaged", rel)
			}
			return errors.Join(err, relErr)
		})
		if err != nil {
			t.Error(err)
		}
		c.checkDown(t, false)
	})
	for i, file := range files {
		for what, damage := range damages {
			if file == "keeper.sock" && what != "lost" {
				continue // a socket has no bytes
			}
			// All of them in make test-long; else all for the inventory, one for each other file.
			if one := []string{"lost", "random"}[i%2]; file != "both" && what != one && os.Getenv("CROSSRING_LONG") == "" {
				continue
			}
			t.Run(file+" "+what, func(t *testing.T) {
				t.Parallel()
				c := newStandIn(t)
				some := []string{file}
				switch file {
				case "both":
					some = []string{"inventory.json", "inventory.copy.json"}
				case "all":
					some = slices.DeleteFunc(slices.Clone(files), func(f string) bool { return f == "both" || f == "all" || f == "keeper.sock" })
				}
				for _, f := range some {
					if err := damage(filepath.Join(c.dir, f)); err != nil {
						t.Fatal(err)
					}
				}
				// A second copy that is newer does not matter while the first is whole.
				c.checkDown(t, what == "newer" && slices.Contains([]string{"inventory.json", "both", "all"}, file))
			})
		}
	}
}

func halve(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()/2)
}

// A directory that was moved, renamed away or removed under a running cluster takes
// nothing along.
func TestDownOfAMovedCluster(t *testing.T) {
	t.Run("moved", func(t *testing.T) {
		for _, inventory := range []bool{true, false} {
			c := newStandIn(t)
			to := filepath.Join(t.TempDir(), "moved")
			if err := os.Rename(c.StateDir, to); err != nil {
				t.Fatal(err)
			}
			c.StateDir, c.dir = to, filepath.Join(to, "clusters", c.name)
			if !inventory {
				for _, f := range []string{"inventory.json", "inventory.copy.json"} {
					if err := os.Remove(filepath.Join(c.dir, f)); err != nil {
						t.Fatal(err)
					}
				}
			}
			c.checkDown(t, false)
		}
	})
	t.Run("removed", func(t *testing.T) {
		c := newStandIn(t)
		if err := os.RemoveAll(c.dir); err != nil {
			t.Fatal(err)
		}
		l, err := List(t.Context(), c.World)
		if err != nil || len(l.Clusters) != 1 || !strings.Contains(l.Clusters[0].Problem, "crossring down "+c.name) {
			t.Errorf("ls: %+v, %v", l, err)
		}
		c.checkDown(t, false)
		var none *cluster.NoClusterError
		if _, err := Down(t.Context(), c.World, c.name, DownRequest{Gather: GatherNever}); !errors.As(err, &none) {
			t.Errorf("of one that is gone: %v", err)
		}
	})
	t.Run("by another name", func(t *testing.T) {
		c := newStandIn(t)
		link := filepath.Join(t.TempDir(), "link")
		if err := errors.Join(os.Symlink(c.StateDir, link), os.Remove(filepath.Join(c.dir, "inventory.json")), os.Remove(filepath.Join(c.dir, "inventory.copy.json"))); err != nil {
			t.Fatal(err)
		}
		c.StateDir = link
		c.checkDown(t, false)
	})
}

// What can't be ended is named, and the directory stays: it is what tells of it.
func TestDownNamesWhatResists(t *testing.T) {
	c := newStandIn(t)
	for _, f := range []string{"inventory.json", "inventory.copy.json"} {
		if err := os.Remove(filepath.Join(c.dir, f)); err != nil {
			t.Fatal(err)
		}
	}
	// Somebody who is no keeper holds the keeper's lock of a cluster whose keeper is gone.
	if _, err := c.Provider("").EndTraces(t.Context(), c.name); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(c.dir, "keeper.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	_, err = Down(t.Context(), c.World, c.name, DownRequest{Gather: GatherNever})
	if fail.CodeOf(err) != fail.ExitLeftover || !strings.Contains(err.Error(), fmt.Sprintf("process %d, which holds", os.Getpid())) {
		t.Errorf("%v, exit %d", err, fail.CodeOf(err))
	}
	if _, err := os.Stat(c.dir); err != nil {
		t.Error(err)
	}
}

// What commands say of a cluster whose inventory is damaged leads out.
func TestCommandsOnADamagedInventory(t *testing.T) {
	c := newStandIn(t)
	path := filepath.Join(c.dir, "inventory.json")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	c.Say = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	// One copy is enough, and it is said that it is the only one.
	if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := health.Fault(t.Context(), c.World, c.name, local.Fault{}); err != nil || len(said) != 1 || !strings.Contains(said[0], "inventory.json is damaged") || !strings.Contains(said[0], "crossring up traces") {
		t.Errorf("with a second copy: %v; said %q", err, said)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "inventory.copy.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for what, f := range map[string]func() error{
		"ring":  func() error { _, err := health.Ring(t.Context(), c.World, c.name); return err },
		"fault": func() error { _, err := health.Fault(t.Context(), c.World, c.name, local.Fault{}); return err },
		"stop":  func() error { _, err := Stop(t.Context(), c.World, c.name); return err },
		"up":    func() error { _, err := Up(t.Context(), c.World, UpRequest{Name: c.name}); return err },
	} {
		err := f()
		var damaged *journal.DamagedError
		if !errors.As(err, &damaged) || damaged.Hint() != "crossring down "+c.name || fail.CodeOf(err) > fail.ExitFailure {
			t.Errorf("%s: %v, exit %d", what, err, fail.CodeOf(err))
		}
	}
	l, err := List(t.Context(), c.World)
	if err != nil || len(l.Clusters) != 1 || l.Clusters[0].Provider != "local" || !strings.Contains(l.Clusters[0].Problem, "crossring down "+c.name) {
		t.Errorf("ls: %+v, %v", l, err)
	}
	// A newer one: nothing is done to it by any of them.
	newer := bytes.ReplaceAll(whole, []byte("crossring/v1"), []byte("crossring/v2"))
	if err := os.WriteFile(path, newer, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Up(t.Context(), c.World, UpRequest{Name: c.name}); fail.CodeOf(err) != fail.ExitPrerequisite || !journal.IsNewer(err) {
		t.Errorf("up of a newer one: %v", err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, newer) {
		t.Errorf("it was touched: %v", err)
	}
}

// A run notes which faults were in force while its phases ran, whatever became of them.
func TestFaultsOfARun(t *testing.T) {
	c := newStandIn(t)
	opened, err := c.Open(c.name)
	if err != nil {
		t.Fatal(err)
	}
	fault := func(kind string, rtt time.Duration) {
		t.Helper()
		f := local.Fault{Kind: kind, A: "us-east-1", B: "us-west-2", RTT: rtt}
		if _, err := health.Fault(t.Context(), c.World, c.name, f); err != nil {
			t.Fatal(err)
		}
	}
	names := func(dir string) string {
		var all []string
		for _, f := range load.FaultsOfRun(c.World, dir) {
			s := f.String()
			if f.Until == nil {
				s += " still"
			}
			all = append(all, s)
		}
		return strings.Join(all, ", ")
	}
	fault("reset", 0)
	fault("heal", 0) // over before it begins
	fault("latency", 200*time.Millisecond)
	dir := t.TempDir()
	done := load.WatchFaults(c.World, opened, dir, "write")
	if got := names(dir); got != "latency us-east-1 - us-west-2 200 ms still" {
		t.Errorf("at the beginning: %q", got)
	}
	fault("partition", 0)
	fault("heal", 0)
	done()
	fault("reset", 0) // between the phases
	fault("heal", 0)
	done = load.WatchFaults(c.World, opened, dir, "read")
	done()
	fault("partition", 0) // after them
	if got := names(dir); got != "partition us-east-1 - us-west-2, latency us-east-1 - us-west-2 200 ms still" {
		t.Errorf("at the end: %q", got)
	}
	// What can't be read is not none.
	if err := os.WriteFile(filepath.Join(c.dir, "faults.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	load.WatchFaults(c.World, opened, other, "write")()
	if doc, err := load.ReadRunFaults(other); err != nil || doc == nil || doc.Faults != nil {
		t.Errorf("of a log that is damaged: %+v, %v", doc, err)
	}
}

// The hint of a ring that is not as planned is what helps.
func TestRingHints(t *testing.T) {
	inv := topology.Inventory{Plan: topology.Plan{Name: "lab", RTTMillis: new(float64(80))}, Nodes: []topology.Node{{Name: "a-1", Index: 1}, {Name: "b-1", Index: 2}}}
	c := cluster.Cluster{Dir: "/state/clusters/lab", Inv: inv}
	server := func(node string) ringcheck.Mismatch { return ringcheck.Mismatch{Kind: health.KindServer, Node: node} }
	ms := 200.0
	for want, ring := range map[string]ringcheck.Ring{
		"":                             {Faults: []topology.NetworkFault{{Kind: topology.FaultLatency, A: "a", B: "b", RTTMillis: &ms}}},
		"crossring fault heal lab a b": {Faults: []topology.NetworkFault{{Kind: topology.FaultPartition, A: "a", B: "b"}}},
		"crossring fault accept lab a": {Faults: []topology.NetworkFault{{Kind: topology.FaultRefuse, A: "a"}}},
		"crossring start lab:2":        {Mismatches: []ringcheck.Mismatch{server("b-1")}},
		"crossring start lab":          {Mismatches: []ringcheck.Mismatch{server("a-1"), server("b-1")}},
		"df -h /state/clusters/lab   # then crossring up lab": {Mismatches: []ringcheck.Mismatch{server("b-1"), {Kind: health.KindDisk, Node: "b-1"}}},
	} {
		if got := health.RingHint(c, ring); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// extend of a cluster without an end says the error alone.
func TestExtendWithoutAnEnd(t *testing.T) {
	c := newStandIn(t)
	res, err := Extend(t.Context(), c.World, c.name, time.Hour)
	data, jsonErr := json.Marshal(res)
	if fail.CodeOf(err) != fail.ExitUsage || jsonErr != nil || !strings.Contains(string(data), `"expires_at":null`) {
		t.Errorf("%v, %s", err, data)
	}
}
