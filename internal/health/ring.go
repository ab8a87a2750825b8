package health

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/internal/trust"
	"crossring/provision/local"
	"crossring/ringcheck"
)

// Ring asks every node of a cluster what the ring is. The error carries
// ExitRing when it is not as planned; the ring is returned all the same.
func Ring(ctx context.Context, w cluster.World, name string) (ringcheck.Ring, error) {
	if err := cluster.CheckName(name); err != nil {
		return ringcheck.Ring{}, err
	}
	c, err := w.Open(name)
	if err != nil {
		return ringcheck.Ring{}, err
	}
	ring, err := Look(ctx, w, c)
	ring.Certificates = trust.Certificates(w, c)
	return ring, err
}

// Look is Ring of a cluster that is open.
func Look(ctx context.Context, w cluster.World, c cluster.Cluster) (ringcheck.Ring, error) {
	trust.Expiring(w, c)
	made, err := state.Marked(c.Dir, state.Keyspace)
	if err != nil {
		return ringcheck.Ring{}, err
	}
	if err := cluster.AttachAgents(ctx, w, c, false); err != nil {
		w.Say("warning: %v", err) // the node is then one that does not answer
	}
	q := cluster.Query(w, c)
	if made {
		// From now on the ring is held against it, too.
		q.Keyspace = c.Inv.Plan.Keyspace.Name
	}
	var keeperErr error
	var faults []topology.NetworkFault
	if c.Place.Network != nil {
		st, err := c.Place.Network.Status(ctx, c.Inv)
		q.RTT, keeperErr, faults = st.RTT, err, st.Faults
		sayFaults(w, c, faults)
	}
	ring, err := ringcheck.Collect(ctx, q)
	ring.Faults = faults
	blocked := blocked(ctx, w, c, err == nil && len(ring.Mismatches) == 0)
	ring.Mismatches = append(ring.Mismatches, blocked...)
	full := c.RoomLeft()
	if full != nil {
		w.Say("warning: %v", full)
	}
	if err != nil {
		hint := "crossring up " + c.Inv.Plan.Name
		if c.Place.Server == nil {
			hint = "crossring ring " + c.Inv.Plan.Name + "   # again, when it answers"
		}
		if full != nil {
			hint = full.Hint()
		}
		return ring, fail.Ring("", withMessages(errors.Join(err, keeperErr), blocked), hint)
	}
	silent := silentNodes(ctx, c, ring)
	ring.Mismatches = append(ring.Mismatches, silent...)
	var gone *local.KeeperGoneError
	if errors.As(keeperErr, &gone) {
		// The nodes live on, but nothing carries a byte between the regions.
		ring.Mismatches = append(ring.Mismatches, ringcheck.Mismatch{
			Kind: kindKeeper, Node: "", Want: "running", Got: "gone", Message: gone.Error(),
		})
	}
	if len(ring.Mismatches) > 0 {
		hint := cmp.Or(RingHint(c, ring), "crossring logs "+c.Inv.Plan.Name)
		if c.Place.Server == nil {
			hint = "crossring detach " + c.Inv.Plan.Name + "   # and attach it again, if its nodes are others by now"
		}
		if gone != nil {
			hint = gone.Hint()
		}
		if len(blocked) > 0 {
			hint = repairs(c.Inv.Plan.Name)
		}
		return ring, fail.Ring("", &cluster.MismatchError{Ring: ring}, hint)
	}
	return ring, nil
}

// nameless is a node whose datacenter another one does not know, though it knows the
// node; "" is none. Where that lasts, what one of them told was meant for the server
// that ran before; 1.2 never asks for the rest. A node that starts anew tells all.
func nameless(ring ringcheck.Ring) string {
	const unknown = "UNKNOWN-DC" // Cassandra's own word
	for _, m := range ring.Mismatches {
		if m.Kind == ringcheck.KindDatacenter && strings.Contains(m.Got, unknown) {
			return m.Node
		}
	}
	return ""
}
