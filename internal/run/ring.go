package run

import (
	"context"
	"errors"

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
	return w.ring(ctx, c)
}

func (w World) ring(ctx context.Context, c cluster) (ringcheck.Ring, error) {
	w.expiring(c)
	q := w.query(c)
	made, err := isMarked(c.dir, keyspaceMark)
	if err != nil {
		return ringcheck.Ring{}, err
	}
	if made {
		// From now on the ring is held against it, too.
		q.Keyspace = c.inv.Plan.Keyspace.Name
	}
	var keeperErr error
	if err := w.attachAgents(ctx, c); err != nil {
		w.Say("warning: %v", err) // the node is then one that does not answer
	}
	if c.kept() {
		st, err := w.provider("").Status(ctx, c.inv)
		q.RTT, keeperErr = st.RTT, err
	}
	ring, err := ringcheck.Collect(ctx, q)
	blocked := w.blocked(ctx, c, err == nil && len(ring.Mismatches) == 0)
	ring.Mismatches = append(ring.Mismatches, blocked...)
	if err != nil {
		return ring, Ring("", withMessages(errors.Join(err, keeperErr), blocked), "crossring up "+c.inv.Plan.Name)
	}
	var gone *local.KeeperGoneError
	if errors.As(keeperErr, &gone) {
		// The nodes live on, but nothing carries a byte between the regions.
		ring.Mismatches = append(ring.Mismatches, ringcheck.Mismatch{
			Kind: "keeper", Node: "", Want: "running", Got: "gone", Message: gone.Error(),
		})
	}
	if len(ring.Mismatches) > 0 {
		hint := "crossring logs " + c.inv.Plan.Name
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
