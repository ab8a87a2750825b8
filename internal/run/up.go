package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/grow"
	"crossring/internal/health"
	"crossring/internal/places"
	"crossring/internal/release"
	"crossring/internal/spec"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/internal/trust"
	"crossring/internal/until"
	"crossring/provision/ec2"
	"crossring/ringcheck"
)

// UpRequest says what should stand.
type UpRequest struct {
	Spec  *spec.Spec // nil brings up the cluster Name as it was made
	Name  string
	Until until.Step
	// Timeout bounds the wait for the ring; 0 is 5 minutes.
	Timeout time.Duration
	// Choice names nodes of a running cluster that are to go or to be replaced.
	Choice grow.NodeChoice
	// Replace takes a cluster of that name down that was made from another spec.
	Replace bool
	// Confirm is asked before machines are taken down for that, and before some are made
	// that cost; nil is a yes.
	Confirm func(question string) (bool, error)
	// Gather says of which clusters logs are fetched when up fails, or before one is
	// replaced.
	Gather Gathering
}

// UpResult is what stands, as far as Up got.
type UpResult struct {
	Schema    string             `json:"schema"`
	Inventory topology.Inventory `json:"inventory"`
	Ring      *ringcheck.Ring    `json:"ring"`
	// Collected is nil when nothing was fetched: Up fetches when it failed.
	Collected *Evidence `json:"collected"`

	made bool // all machines are there
}

// Up makes what the spec asks for, from wherever an earlier Up of the same spec
// got to. A cluster that stands gets, loses or replaces nodes, where that is what the
// request differs in; otherwise nothing changes on it.
func Up(ctx context.Context, w cluster.World, req UpRequest) (UpResult, error) {
	res := UpResult{Schema: topology.Schema}
	var err error
	name := req.Name
	var p topology.Plan
	var place places.Place
	if req.Spec != nil {
		s := cluster.WithSavedOperators(w, *req.Spec)
		req.Spec, name = &s, s.Name
		if p, err = cluster.Plan(*req.Spec); err != nil {
			return res, err
		}
		if place, err = places.For(p.Provider, w.Deps()); err != nil {
			return res, err
		}
	}
	onlyPlan := !req.Until.Reaches(until.Provision)
	if onlyPlan && req.Spec != nil {
		res.Inventory.Plan, err = grow.Planned(ctx, w, *req.Spec, req.Choice)
		return res, err
	}
	if onlyPlan {
		res.Inventory.Plan = p
		return res, nil
	}
	if req.Spec != nil {
		if _, err := w.PlaceOf(p); err != nil {
			return res, err
		}
	}
	if err := cluster.CheckName(name); err != nil {
		return res, err
	}
	unlock, err := w.Lock(ctx, name)
	if err != nil {
		return res, err
	}
	defer unlock()

	c, err := w.Open(name)
	var none *cluster.NoClusterError
	switch {
	case errors.As(err, &none) && req.Spec == nil:
		return res, err
	case errors.As(err, &none) && !req.Choice.None():
		return res, err
	case errors.As(err, &none):
		if err := noTraces(w, name); err != nil {
			return res, err
		}
		if err := trust.AuthorityReady(ctx, w, p); err != nil {
			return res, err
		}
		if c.Rel, err = release.Find(p.Version); err != nil {
			return res, err
		}
		c.Place = place
	case err != nil:
		return res, err
	default:
		instead := w.Command("status", name)
		if req.Spec != nil {
			instead = w.Command("detach", name) // the name is wanted
		}
		if err := c.Place.NoServers(name, instead); err != nil {
			return res, err
		}
		if err := state.Restore(w.StateDir, name); err != nil {
			return res, err
		}
		change, err := grow.Change(w, c, req.Spec, req.Choice, p)
		var differs *grow.SpecDiffersError
		if errors.As(err, &differs) && req.Replace {
			if c, err = replace(ctx, w, c, differs, req); err == nil {
				c.Place = place
				c.Rel, err = release.Find(p.Version)
			}
			if err != nil {
				return res, err
			}
			break
		}
		if err != nil {
			return res, err
		}
		if change != nil && len(change.Plan.Change.Steps) > 0 {
			if err := trust.NotRotating(c); err != nil {
				return res, err
			}
			if !change.Begun {
				if err := confirmCost(w, c.Place, change.Plan, added(c.Inv, change.Plan), req); err != nil {
					return res, err
				}
			}
			if !req.Until.Reaches(until.Ready) {
				return res, fail.Usage("", fmt.Errorf("a change of a running cluster is made whole, not until %s", req.Until), "crossring plan -f FILE")
			}
			made, err := grow.Apply(ctx, w, c, *change, req.Choice, req.Timeout)
			res.Inventory, res.Ring = made.Inventory, made.Ring
			if err != nil && ctx.Err() != nil {
				health.SayStands(ctx, w, name)
			}
			return res, err
		}
		if change != nil {
			if c, err = grow.KeepDefaults(w, c, *change); err != nil {
				return res, err
			}
		}
		p = c.Inv.Plan
	}
	if c.Inv.Schema == "" { // nothing of it was made
		if err := confirmCost(w, c.Place, p, len(p.Nodes), req); err != nil {
			return res, err
		}
	}
	res, err = build(ctx, w, c, p, req)
	if err != nil && ctx.Err() != nil {
		health.SayStands(ctx, w, name)
	}
	if err != nil && res.made && ctx.Err() == nil {
		if c, openErr := w.Open(name); openErr == nil {
			res.Collected = gather(ctx, w, c, req.Gather)
		}
	}
	return res, err
}

// build does the steps after the plan.
func build(ctx context.Context, w cluster.World, c cluster.Cluster, p topology.Plan, req UpRequest) (UpResult, error) {
	res := UpResult{Schema: topology.Schema}
	sw, err := cluster.Software(ctx, w, c)
	if err != nil {
		return res, err
	}
	err = w.Stage(c.Place.Makes, func() (err error) {
		c.Inv, err = makeNodes(ctx, w, c, p, sw)
		if err == nil && req.Spec != nil {
			err = cluster.WriteSpec(c.Dir, *req.Spec)
		}
		return err
	})
	res.Inventory, res.made = c.Inv, err == nil
	if err != nil || !req.Until.Reaches(until.Render) {
		return res, err
	}
	if c.Remote() && req.Until.Reaches(until.Deploy) {
		if err := cluster.HoldHostKeys(ctx, w, c); err != nil {
			return res, err
		}
		err := w.Stage("disks, Java and Cassandra on the machines", func() (err error) {
			c, err = cluster.ReadyMachines(ctx, w, c, sw)
			return err
		})
		res.Inventory = c.Inv
		if err != nil {
			return res, err
		}
	}
	if err := trust.Ensure(ctx, w, c); err != nil {
		return res, err
	}
	wasReady, err := state.Marked(c.Dir, state.Ready)
	if err != nil {
		return res, err
	}
	targets, err := cluster.Targets(w, c, sw, !wasReady)
	if err != nil || !req.Until.Reaches(until.Deploy) {
		return res, err
	}
	if err := cluster.StartNodes(ctx, w, c, targets, req.Until); err != nil || !req.Until.Reaches(until.Ready) {
		return res, err
	}
	timeout := req.Timeout
	if timeout == 0 {
		timeout = 5 * time.Minute
	}
	var ring ringcheck.Ring
	err = w.Stage("every node sees every node Up/Normal", func() (err error) {
		ring, err = health.AwaitReachable(ctx, w, c, targets, timeout)
		return err
	})
	if ring.Schema != "" {
		res.Ring = &ring
	}
	if err != nil {
		return res, err
	}
	return res, state.Mark(c.Dir, state.Ready)
}

// make asks the cluster's provider for its hosts.
func makeNodes(ctx context.Context, w cluster.World, c cluster.Cluster, p topology.Plan, sw places.Software) (topology.Inventory, error) {
	if err := state.Close(c.Dir); err != nil {
		return topology.Inventory{}, err
	}
	inv, err := c.Place.Maker(c.Rel, sw).Make(ctx, p)
	if c.Place.Machines == nil {
		return inv, err
	}
	if err != nil {
		if made := ec2.Made(inv); made != "" {
			w.Say("so far there are %s: %s goes on, %s removes them", made, w.Command("up", p.Name), w.Command("down", p.Name))
		}
		return inv, cluster.Cluster{Inv: inv}.PartialOf(err)
	}
	all, err := places.ReadPrepared(c.Dir)
	return places.WithPrepared(inv, all), err
}
