package run

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/local"
	"crossring/ringcheck"
)

// Ring asks every node of a cluster what the ring is. The error carries
// ExitRing when it is not as planned; the ring is returned all the same.
func (w World) Ring(ctx context.Context, name string) (ringcheck.Ring, error) {
	if err := checkName(name); err != nil {
		return ringcheck.Ring{}, err
	}
	c, err := w.open(name)
	if err != nil {
		return ringcheck.Ring{}, err
	}
	ring, err := w.ring(ctx, c)
	ring.Certificates = w.certificates(c)
	return ring, err
}

func (w World) ring(ctx context.Context, c cluster) (ringcheck.Ring, error) {
	w.expiring(c)
	made, err := state.Marked(c.dir, state.Keyspace)
	if err != nil {
		return ringcheck.Ring{}, err
	}
	if err := w.attachAgents(ctx, c, false); err != nil {
		w.Say("warning: %v", err) // the node is then one that does not answer
	}
	q := w.query(c)
	if made {
		// From now on the ring is held against it, too.
		q.Keyspace = c.inv.Plan.Keyspace.Name
	}
	var keeperErr error
	var faults []topology.NetworkFault
	if c.place.Network != nil {
		st, err := c.place.Network.Status(ctx, c.inv)
		q.RTT, keeperErr, faults = st.RTT, err, st.Faults
		w.sayFaults(c, faults)
	}
	ring, err := ringcheck.Collect(ctx, q)
	ring.Faults = faults
	blocked := w.blocked(ctx, c, err == nil && len(ring.Mismatches) == 0)
	ring.Mismatches = append(ring.Mismatches, blocked...)
	full := c.roomLeft()
	if full != nil {
		w.Say("warning: %v", full)
	}
	if err != nil {
		hint := "crossring up " + c.inv.Plan.Name
		if full != nil {
			hint = full.Hint()
		}
		return ring, Ring("", withMessages(errors.Join(err, keeperErr), blocked), hint)
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
		hint := cmp.Or(c.ringHint(ring), "crossring logs "+c.inv.Plan.Name)
		if gone != nil {
			hint = gone.Hint()
		}
		if len(blocked) > 0 {
			hint = repairs(c.inv.Plan.Name)
		}
		return ring, Ring("", &mismatchError{ring}, hint)
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
