// Package local makes a cluster of real Cassandra processes on this computer:
// loopback addresses that stand for private and public ones, a network with the
// distance of a WAN between the regions, EC2's instance metadata for the real
// snitch, and one keeper process that holds all of it while the command that
// asked for it comes and goes. Linux only: it lives from /proc and from the whole
// of 127.0.0.0/8 being there.
package local

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/topology"
)

// Provider makes local clusters below a state directory.
type Provider struct {
	StateDir string
	// Exe is the program that becomes the keeper: Exe keeper --id=… DIR.
	Exe  string
	Java string // the java command that the nodes run on
	Log  *slog.Logger
	// Say takes a line for a person; nil drops it.
	Say func(format string, args ...any)
}

func (p Provider) say(line string) {
	if p.Say != nil {
		p.Say("%s", line)
	}
}

// MetadataPort is where the keeper answers for the EC2 metadata address, on each
// node's private address.
const MetadataPort = 8254

// Instead is what to type where this provider can't work: elsewhere than on Linux it
// reads and writes inventories, and everything else is a *procs.NotLinuxError.
const Instead = "crossring plan -f FILE --provider ec2   # then provider: ec2, or hosts for machines you have, in the spec"

// KeeperCommand is the hidden command that turns the program into a keeper.
const KeeperCommand = "keeper"

// slots: the second octet of a cluster's addresses. 0 is localhost's, and the
// end is left to others.
const (
	FirstSlot = 2 // the first that is tried
	lastSlot  = 250
)

// Assign gives the nodes of a plan their addresses, ports and directories: node n
// of region r in slot s has the private address 127.s.r.n and the public one
// 127.s.(100+r).n. Pure.
func Assign(plan topology.Plan, slot int, dir string) ([]topology.Node, error) {
	regions := map[string]int{}
	inRegion := map[string]int{}
	nodes := make([]topology.Node, len(plan.Nodes))
	for i, n := range plan.Nodes {
		if _, ok := regions[n.Region]; !ok {
			regions[n.Region] = len(regions) + 1
		}
		inRegion[n.Region]++
		r, k := regions[n.Region], inRegion[n.Region]
		if r > topology.LocalRegions || k > topology.LocalNodes {
			return nil, fmt.Errorf("place %s: the local provider has addresses for %d regions of %d nodes", n.Name, topology.LocalRegions, topology.LocalNodes)
		}
		n.PrivateAddress = netip.AddrFrom4([4]byte{127, byte(slot), byte(r), byte(k)}).String()
		n.PublicAddress = netip.AddrFrom4([4]byte{127, byte(slot), byte(100 + r), byte(k)}).String()
		n.Ports.Metadata = MetadataPort
		n.Layout = layout(nodeDir(dir, n.Name), plan.Disks)
		nodes[i] = n
	}
	return nodes, nil
}

func nodeDir(dir, name string) string { return filepath.Join(dir, "nodes", name) }

func layout(root string, d topology.Disks) topology.Layout {
	return topology.Layout{
		Root:        root,
		Conf:        filepath.Join(root, "conf"),
		Data:        filepath.Join(root, d.Data, "cassandra", "data"),
		Commitlog:   filepath.Join(root, d.Commitlog, "cassandra", "commitlog"),
		SavedCaches: filepath.Join(root, d.SavedCaches, "cassandra", "saved_caches"),
		Hints:       filepath.Join(root, d.Commitlog, "cassandra", "hints"),
		CDC:         filepath.Join(root, d.Commitlog, "cassandra", "cdc_raw"),
		Log:         filepath.Join(root, "log"),
		Tmp:         filepath.Join(root, "tmp"),
		Home:        filepath.Join(root, "home"),
	}
}

// PortTakenError says which addresses are in use by others, and by whom where
// that can be seen. Nothing was started.
type PortTakenError struct {
	Taken []Taken
}

// Taken is one address in use.
type Taken struct {
	Address string
	PID     int    // 0 if it can't be seen
	Command string // "" if it can't be seen
}

func (e *PortTakenError) Error() string {
	var parts []string
	for _, t := range e.Taken {
		s := t.Address
		if t.PID != 0 {
			s += fmt.Sprintf(" (pid %d, %s)", t.PID, t.Command)
		}
		parts = append(parts, s)
	}
	return "ports already in use: " + strings.Join(parts, ", ")
}

// dying says that no living process was seen to hold any of them: it may be on its way
// out, and its command line gone before its sockets.
func (e *PortTakenError) dying() bool {
	return !slices.ContainsFunc(e.Taken, func(t Taken) bool { return t.Command != "" })
}

// Hint is a command that shows more.
func (e *PortTakenError) Hint() string { return "ss -ltnp | grep -E ':(7000|9042|8778|8254) '" }

// ExitCode is that of something busy.
func (e *PortTakenError) ExitCode() int { return fail.ExitBusy }

// NoSpaceError says that the state directory's filesystem is too full.
type NoSpaceError struct {
	Dir        string
	Need, Free uint64 // bytes
}

func (e *NoSpaceError) Error() string {
	return fmt.Sprintf("not enough space in %s: %d MB free, at least %d MB needed", e.Dir, e.Free>>20, e.Need>>20)
}

// Hint names the way out.
func (e *NoSpaceError) Hint() string {
	return plain.Command("df", "-h", e.Dir) + "   # or choose another place with --state DIR"
}

// LeftError says what Unmake could not remove.
type LeftError struct {
	Cluster string
	What    []string
}

func (e *LeftError) Error() string {
	return fmt.Sprintf("cluster %s: could not remove %s", e.Cluster, strings.Join(e.What, ", "))
}

// ExitCode is that of something left behind.
func (e *LeftError) ExitCode() int { return fail.ExitLeftover }

// DeniedError says that a cluster is another user's: its keeper lives, or not, and may
// not be asked.
type DeniedError struct {
	Cluster string
	Err     error
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("cluster %s is another user's: %v", e.Cluster, e.Err)
}

func (e *DeniedError) Unwrap() error { return e.Err }

// Permanent says that asking again does not help.
func (e *DeniedError) Permanent() bool { return true }

// ExitCode is that of a wrong command line: it names somebody else's state directory.
func (e *DeniedError) ExitCode() int { return 2 }

// Hint names the way out.
func (e *DeniedError) Hint() string { return "choose another place with --state DIR" }

// KeeperGoneError says that the keeper of a cluster does not answer: its nodes
// may run on, but nothing connects the regions.
type KeeperGoneError struct {
	Cluster string
	Err     error
}

func (e *KeeperGoneError) Error() string {
	return fmt.Sprintf("the keeper of cluster %s does not answer: %v", e.Cluster, e.Err)
}

func (e *KeeperGoneError) Unwrap() error { return e.Err }

// Permanent says that it won't answer later either: nothing but a command starts
// a keeper.
func (e *KeeperGoneError) Permanent() bool { return true }

// Hint is the command that puts a new keeper in its place.
func (e *KeeperGoneError) Hint() string { return "crossring up " + e.Cluster }
