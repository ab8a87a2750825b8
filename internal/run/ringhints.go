package run

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"crossring/internal/plain"
	"crossring/internal/topology"
	"crossring/provision/local"
	"crossring/ringcheck"
)

// Kinds of mismatches that are not the nodes' own word.
const (
	kindKeeper = "keeper" // of a local cluster: nothing connects the regions
	kindServer = "server" // a server that does not run
	kindDisk   = "disk"   // no room for what servers write
)

// sayFaults says which faults of the network are in force, and what ends each.
func (w World) sayFaults(c cluster, faults []topology.NetworkFault) {
	for _, f := range faults {
		w.Say("in force: %s, since %s; to end it: %s", f, f.Since.Local().Format(time.DateTime), w.Command(f.Undo(c.inv.Plan.Name, c.inv.Plan.RTTMillis)...))
	}
}

// cuts are the faults that keep nodes from seeing each other.
func cuts(faults []topology.NetworkFault) []topology.NetworkFault {
	return slices.DeleteFunc(slices.Clone(faults), func(f topology.NetworkFault) bool { return f.Kind == topology.FaultLatency })
}

// silentNodes looks at the servers of the nodes that did not answer: whether they run,
// and whether they ended for want of room.
func silentNodes(ctx context.Context, c cluster, ring ringcheck.Ring) []ringcheck.Mismatch {
	ctx, cancel := context.WithTimeout(ctx, listWait)
	defer cancel()
	found := []ringcheck.Mismatch{}
	for _, m := range ring.Mismatches {
		n, err := c.inv.Node(m.Node)
		if m.Kind != ringcheck.KindUnreachable || err != nil {
			continue
		}
		host := c.host(n)
		p, err := host.State(ctx)
		if err != nil || p.Running {
			continue
		}
		found = append(found, ringcheck.Mismatch{Kind: kindServer, Node: n.Name, Want: "running", Got: p.String(),
			Message: fmt.Sprintf("the server of %s does not run (%s)", n.Name, p)})
		if tail, err := host.Tail(ctx, 200); err == nil && slices.ContainsFunc(tail, noSpace) {
			found = append(found, ringcheck.Mismatch{Kind: kindDisk, Node: n.Name, Want: "room", Got: "none",
				Message: fmt.Sprintf("the disk of %s was full: the end of its log says so", n.Name)})
		}
	}
	return found
}

// noSpace says whether a line of a log is of a disk that is full.
func noSpace(line string) bool {
	return strings.Contains(line, "No space left on device") || strings.Contains(line, "FSWriteError") && strings.Contains(line, "space")
}

// leastRoom is what a server needs to go on: two segments of its commit log.
const leastRoom = 64 << 20

// roomLeft says what is the matter with the disk of a cluster on this computer; nil is
// nothing, or that it can't be known.
func (c cluster) roomLeft() *fullDiskError {
	if !c.place.OwnDisks(c.inv) {
		return nil
	}
	free, err := local.Free(c.dir)
	if err != nil || free >= leastRoom {
		return nil
	}
	return &fullDiskError{Dir: c.dir, Free: free}
}

// fullDiskError says that the disk of a running cluster is full.
type fullDiskError struct {
	Dir  string
	Free uint64 // bytes
	Err  error  // what failed for it; nil when nothing has yet
}

func (e *fullDiskError) Error() string {
	s := fmt.Sprintf("the disk of %s is full: %d MB are free, and servers end when they can't write", e.Dir, e.Free>>20)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *fullDiskError) Unwrap() error { return e.Err }

// Hint is the command that shows how full it is.
func (e *fullDiskError) Hint() string { return plain.Command("df", "-h", e.Dir) }

// becauseFull is an error of the load with its likely cause, where that is a full disk.
func (c cluster) becauseFull(err error) error {
	full := c.roomLeft()
	if err == nil || full == nil {
		return err
	}
	full.Err = err
	return full
}

// ringHint is the command that helps with a ring that is not as planned; "" where only
// the logs can tell.
func (c cluster) ringHint(ring ringcheck.Ring) string {
	name := c.inv.Plan.Name
	var stopped []string
	for _, m := range ring.Mismatches {
		switch m.Kind {
		case kindDisk:
			return plain.Command("df", "-h", c.dir) + "   # then crossring up " + name
		case kindServer:
			stopped = append(stopped, m.Node)
		}
	}
	if node := nameless(ring); node != "" {
		return "crossring restart " + name + ":" + node
	}
	if cut := cuts(ring.Faults); len(cut) > 0 {
		return plain.Command(append([]string{"crossring"}, cut[0].Undo(name, c.inv.Plan.RTTMillis)...)...)
	}
	switch len(stopped) {
	case 0:
		return ""
	case 1:
		n, err := c.inv.Node(stopped[0])
		if err != nil {
			return ""
		}
		return plain.Command("crossring", "start", fmt.Sprintf("%s:%d", name, n.Index))
	}
	return "crossring start " + name
}

// sayStands says of a command that was interrupted what it leaves: it stays, and costs.
func (w World) sayStands(ctx context.Context, name string) {
	c, err := w.open(name)
	if err != nil {
		return // nothing was made, or nothing is known of it
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), listWait)
	defer cancel()
	running := 0
	for _, n := range c.inv.Nodes {
		if p, err := c.host(n).State(ctx); err == nil && p.Running {
			running++
		}
	}
	w.Say("what was made of %s stays, and %d of its %d servers run: %s goes on, %s removes it", name, running, len(c.inv.Nodes), w.Command("up", name), w.Command("down", name))
}
