package local

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"crossring/internal/topology"
)

// planOf is a plan with so many nodes in each of its regions.
func planOf(name string, nodes ...int) topology.Plan {
	p := topology.Plan{
		Schema: topology.Schema, Name: name, RTTMillis: new(float64(10)),
		Disks: topology.Disks{Data: "fs1", Commitlog: "fs2", SavedCaches: "fs2"},
	}
	for r, n := range nodes {
		for k := range n {
			p.Nodes = append(p.Nodes, topology.Node{
				Name: fmt.Sprintf("r%d-%d", r+1, k+1), Index: len(p.Nodes) + 1,
				Region: fmt.Sprintf("r%d", r+1), Zone: fmt.Sprintf("r%da", r+1), Ports: topology.DefaultPorts(),
			})
		}
	}
	return p
}

func TestAssign(t *testing.T) {
	nodes, err := Assign(planOf("x", 1, 2), 7, "/s/x")
	if err != nil {
		t.Fatal(err)
	}
	n := nodes[2]
	want := planOf("x", 1, 2).Nodes[2]
	want.PrivateAddress, want.PublicAddress = "127.7.2.2", "127.7.102.2"
	want.Ports.Metadata = MetadataPort
	want.Layout = topology.Layout{
		Root: "/s/x/nodes/r2-2", Conf: "/s/x/nodes/r2-2/conf",
		Data: "/s/x/nodes/r2-2/fs1/cassandra/data", Commitlog: "/s/x/nodes/r2-2/fs2/cassandra/commitlog",
		SavedCaches: "/s/x/nodes/r2-2/fs2/cassandra/saved_caches",
		Hints:       "/s/x/nodes/r2-2/fs2/cassandra/hints", CDC: "/s/x/nodes/r2-2/fs2/cassandra/cdc_raw",
		Log: "/s/x/nodes/r2-2/log", Tmp: "/s/x/nodes/r2-2/tmp", Home: "/s/x/nodes/r2-2/home",
	}
	if fmt.Sprint(n) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", n, want)
	}
	for name, tt := range map[string]struct {
		nodes []int
		ok    bool
	}{
		"the most nodes":   {[]int{254, 254}, true},
		"too many nodes":   {[]int{1, 255}, false},
		"the most regions": {slices.Repeat([]int{1}, 100), true},
		"too many regions": {slices.Repeat([]int{1}, 101), false},
	} {
		if _, err := Assign(planOf("x", tt.nodes...), 7, "/s"); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// However the nodes of the regions are mixed, every address is the node's own, in
// the cluster's slot, and told by its third byte as private or public and of which
// region.
func TestPlaceGivesEachAddressOnce(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 30 {
		var counts []int
		for range 1 + rng.IntN(topology.LocalRegions) {
			counts = append(counts, 1+rng.IntN(20))
		}
		plan := planOf("x", counts...)
		rng.Shuffle(len(plan.Nodes), func(i, j int) { plan.Nodes[i], plan.Nodes[j] = plan.Nodes[j], plan.Nodes[i] })
		slot := FirstSlot + rng.IntN(lastSlot-FirstSlot+1)
		nodes, err := Assign(plan, slot, "/s")
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		third := map[string]byte{}
		for i, n := range nodes {
			private, public := netip.MustParseAddr(n.PrivateAddress).As4(), netip.MustParseAddr(n.PublicAddress).As4()
			if seen[n.PrivateAddress] || seen[n.PublicAddress] || seen[n.Layout.Root] || n.Name != plan.Nodes[i].Name {
				t.Fatalf("seed %d: %s has what another has: %+v", seed, n.Name, n)
			}
			seen[n.PrivateAddress], seen[n.PublicAddress], seen[n.Layout.Root] = true, true, true
			if private[0] != 127 || private[1] != byte(slot) || private[3] == 0 || private[3] == 255 ||
				public != [4]byte{127, byte(slot), private[2] + 100, private[3]} {
				t.Fatalf("seed %d: %s in slot %d: %v and %v", seed, n.Name, slot, private, public)
			}
			if was, ok := third[n.Region]; ok && was != private[2] {
				t.Fatalf("seed %d: region %s has %d and %d", seed, n.Region, was, private[2])
			}
			third[n.Region] = private[2]
		}
	}
}

func TestChooseSlot(t *testing.T) {
	plan, dir := planOf("x", 1, 1), t.TempDir()
	first, nodes, held, err := chooseSlot(plan, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if got := netip.MustParseAddr(nodes[0].PrivateAddress).As4()[1]; int(got) != first {
		t.Errorf("slot %d and address %s", first, nodes[0].PrivateAddress)
	}
	second, _, other, err := chooseSlot(plan, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if second == first {
		t.Error("a slot that is held was given away")
	}
	if _, err := holdSlot(first); !errors.Is(err, errSlotHeld) {
		t.Errorf("holding a slot that is held: %v", err)
	}
	// One that is let go is the first choice again, unless something listens in it.
	held.Close()
	l, err := net.Listen("tcp", nodes[1].PublicAddress+":0")
	if err != nil {
		t.Fatal(err)
	}
	third, _, another, err := chooseSlot(plan, dir)
	if err != nil {
		t.Fatal(err)
	}
	another.Close()
	if third == first {
		t.Error("a slot with a listener in it was given away")
	}
	l.Close()
	fourth, _, again, err := chooseSlot(plan, dir)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if fourth != first {
		t.Errorf("slot %d, want %d again", fourth, first)
	}
}

func TestCheckPorts(t *testing.T) {
	_, nodes, held, err := chooseSlot(planOf("x", 1, 1), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := checkPorts(nodes, true); err != nil {
		t.Fatal(err)
	}
	var listeners []net.Listener
	var addresses []string
	for _, a := range []string{
		net.JoinHostPort(nodes[0].PrivateAddress, fmt.Sprint(nodes[0].Ports.Native)),
		net.JoinHostPort(nodes[1].PublicAddress, fmt.Sprint(nodes[1].Ports.Storage)),
	} {
		l, err := net.Listen("tcp", a)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		listeners, addresses = append(listeners, l), append(addresses, a)
	}
	for keepers, want := range map[bool][]string{true: addresses, false: addresses[:1]} {
		var taken *PortTakenError
		if err := checkPorts(nodes, keepers); !errors.As(err, &taken) {
			t.Fatalf("with the keeper's %t: %v", keepers, err)
		}
		var got []string
		for _, a := range taken.Taken {
			got = append(got, a.Address)
			if a.PID != os.Getpid() || a.Command != os.Args[0] {
				t.Errorf("%s is taken by %d, %s; want this process", a.Address, a.PID, a.Command)
			}
		}
		if !slices.Equal(got, want) || taken.ExitCode() != 8 {
			t.Errorf("with the keeper's %t: %v, want %v", keepers, got, want)
		}
	}
	for _, l := range listeners {
		l.Close()
	}
	if err := checkPorts(nodes, true); err != nil {
		t.Errorf("free again, but %v", err)
	}
}

func TestKeeperLock(t *testing.T) {
	dir := t.TempDir()
	for _, held := range []bool{false, true, false} {
		lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if held {
			if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
				t.Fatal(err)
			}
		}
		if free, err := keeperLockFree(dir); err != nil || free == held {
			t.Errorf("held %t: free %t, %v", held, free, err)
		}
		lock.Close()
	}
	if _, err := keeperLockFree(filepath.Join(dir, "not there")); err == nil {
		t.Error("no error for a directory that is not there")
	}
}

func TestTailFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	long := strings.Repeat("x", 70<<10)
	for name, tt := range map[string]struct {
		text  string
		lines int
		want  []string
	}{
		"empty":               {"", 5, nil},
		"blank":               {"\n\n", 5, nil},
		"all":                 {"a\nb\n", 5, []string{"a", "b"}},
		"the last":            {"a\nb\nc\n", 2, []string{"b", "c"}},
		"no newline at end":   {"a\nb", 1, []string{"b"}},
		"blank lines between": {"a\n\nb\n", 2, []string{"", "b"}},
		"a longer one first":  {long + "\nb\n", 1, []string{"b"}},
		"beyond the window":   {"a\n" + long + "\n", 5, []string{long[:64<<10-1]}},
	} {
		if err := os.WriteFile(path, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := TailFile(path, tt.lines); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %.50q, %v; want %.50q", name, got, err, tt.want)
		}
	}
	if _, err := TailFile(path+"x", 1); !os.IsNotExist(err) {
		t.Errorf("a file that is not there: %v", err)
	}
}
