package ec2

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"crossring/internal/journal"
	"crossring/internal/many"
	clusters "crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/ec2/sweep"
)

// Unmake removes everything of a cluster in every region of its plan: what the journal
// knows and what its tags say, in order, until two scans in a row find nothing. Then
// it removes the cluster's directory. What stays is in a LeftError.
func (p Provider) Unmake(ctx context.Context, inv topology.Inventory) (err error) {
	st, err := p.readState(inv.Plan.Name)
	var damaged *journal.DamagedError
	if (errors.Is(err, fs.ErrNotExist) || errors.As(err, &damaged)) && inv.EC2 != nil {
		st = state{Plan: inv.Plan, Run: inv.EC2.Run}
		err = journal.PrivateDir(clusters.Dir(p.StateDir, inv.Plan.Name))
	}
	if err != nil {
		return err
	}
	s, err := p.open(ctx, st, regionNames(st.Plan.Nodes))
	var corrupt *journal.CorruptError
	if errors.As(err, &corrupt) {
		if err = p.setAside(st.Plan.Name, err); err == nil {
			s, err = p.open(ctx, st, regionNames(st.Plan.Nodes))
		}
	}
	if err != nil {
		return err
	}
	if err := s.checkAccount(ctx); err != nil {
		return errors.Join(err, s.close())
	}
	left, err := many.Map(ctx, s.regions, atOnce, func(ctx context.Context, r *region) ([]Thing, error) { return r.sweep().Clear(ctx, sweep.Everything) })
	err = errors.Join(many.Alone(err), s.close())
	if things := slices.Concat(left...); len(things) > 0 || err != nil {
		if len(things) == 0 {
			return err
		}
		return &LeftError{Cluster: st.Plan.Name, Things: things, Err: err}
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove the cluster's directory: %w", err)
	}
	return nil
}

// sweep removes what the cluster has in the region.
func (r *region) sweep() sweep.Region { return sweep.Region{Clerk: r.clerk, Cloud: r.cloud} }
