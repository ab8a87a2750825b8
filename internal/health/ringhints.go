package health

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/plain"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// Kinds of mismatches that are not the nodes' own word.
const (
	kindKeeper = "keeper" // of a local cluster: nothing connects the regions
	KindServer = "server" // a server that does not run
	KindDisk   = "disk"   // no room for what servers write
)

// sayFaults says which faults of the network are in force, and what ends each.
func sayFaults(w cluster.World, c cluster.Cluster, faults []topology.NetworkFault) {
	for _, f := range faults {
		w.Say("in force: %s, since %s; to end it: %s", f, f.Since.Local().Format(time.DateTime), w.Command(f.Undo(c.Inv.Plan.Name, c.Inv.Plan.RTT(f.A, f.B))...))
	}
}

// cuts are the faults that keep nodes from seeing each other.
func cuts(faults []topology.NetworkFault) []topology.NetworkFault {
	return slices.DeleteFunc(slices.Clone(faults), func(f topology.NetworkFault) bool {
		kind, known := topology.FaultKindOf(f.Kind)
		return known && !kind.Cuts
	})
}

// silentNodes looks at the servers of the nodes that did not answer: whether they run,
// and whether they ended for want of room.
func silentNodes(ctx context.Context, c cluster.Cluster, ring ringcheck.Ring) []ringcheck.Mismatch {
	ctx, cancel := context.WithTimeout(ctx, cluster.ListWait)
	defer cancel()
	found := []ringcheck.Mismatch{}
	for _, m := range ring.Mismatches {
		n, err := c.Inv.Node(m.Node)
		if m.Kind != ringcheck.KindUnreachable || err != nil {
			continue
		}
		host := c.Host(n)
		p, err := host.State(ctx)
		if err != nil || p.Running {
			continue
		}
		found = append(found, ringcheck.Mismatch{Kind: KindServer, Node: n.Name, Want: "running", Got: p.String(),
			Message: fmt.Sprintf("the server of %s does not run (%s)", n.Name, p)})
		if tail, err := host.Tail(ctx, 200); err == nil && slices.ContainsFunc(tail, noSpace) {
			found = append(found, ringcheck.Mismatch{Kind: KindDisk, Node: n.Name, Want: "room", Got: "none",
				Message: fmt.Sprintf("the disk of %s was full: the end of its log says so", n.Name)})
		}
	}
	return found
}

// noSpace says whether a line of a log is of a disk that is full.
func noSpace(line string) bool {
	return strings.Contains(line, "No space left on device") || strings.Contains(line, "FSWriteError") && strings.Contains(line, "space")
}

// RingHint is the command that helps with a ring that is not as planned; "" where only
// the logs can tell.
func RingHint(c cluster.Cluster, ring ringcheck.Ring) string {
	name := c.Inv.Plan.Name
	var stopped []string
	for _, m := range ring.Mismatches {
		switch m.Kind {
		case KindDisk:
			return plain.Command("df", "-h", c.Dir) + "   # then crossring up " + name
		case KindServer:
			stopped = append(stopped, m.Node)
		}
	}
	if node := nameless(ring); node != "" {
		return "crossring restart " + name + ":" + node
	}
	if cut := cuts(ring.Faults); len(cut) > 0 {
		return plain.Command(append([]string{"crossring"}, cut[0].Undo(name, c.Inv.Plan.RTT(cut[0].A, cut[0].B))...)...)
	}
	switch len(stopped) {
	case 0:
		return ""
	case 1:
		n, err := c.Inv.Node(stopped[0])
		if err != nil {
			return ""
		}
		return plain.Command("crossring", "start", fmt.Sprintf("%s:%d", name, n.Index))
	}
	return "crossring start " + name
}

// SayStands says of a command that was interrupted what it leaves: it stays, and costs.
func SayStands(ctx context.Context, w cluster.World, name string) {
	c, err := w.Open(name)
	if err != nil {
		return // nothing was made, or nothing is known of it
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cluster.ListWait)
	defer cancel()
	running := 0
	for _, n := range c.Inv.Nodes {
		if p, err := c.Host(n).State(ctx); err == nil && p.Running {
			running++
		}
	}
	w.Say("what was made of %s stays, and %d of its %d servers run: %s goes on, %s removes it", name, running, len(c.Inv.Nodes), w.Command("up", name), w.Command("down", name))
}
