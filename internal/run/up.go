package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crossring/internal/cql"
	"crossring/internal/deploy"
	"crossring/internal/places"
	"crossring/internal/plain"
	"crossring/internal/release"
	"crossring/internal/spec"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/internal/until"
	"crossring/provision/ec2"
	"crossring/ringcheck"
	"crossring/yamlgen"
)

// UpRequest says what should stand.
type UpRequest struct {
	Spec  *spec.Spec // nil brings up the cluster Name as it was made
	Name  string
	Until until.Step
	// Timeout bounds the wait for the ring; 0 is 5 minutes.
	Timeout time.Duration
	// Choice names nodes of a running cluster that are to go or to be replaced.
	Choice NodeChoice
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
func (w World) Up(ctx context.Context, req UpRequest) (UpResult, error) {
	res := UpResult{Schema: topology.Schema}
	var err error
	name := req.Name
	var p topology.Plan
	var place places.Place
	if req.Spec != nil {
		s := w.withSavedOperators(*req.Spec)
		req.Spec, name = &s, s.Name
		if p, err = w.Plan(*req.Spec); err != nil {
			return res, err
		}
		if place, err = places.For(p.Provider, w.deps()); err != nil {
			return res, err
		}
	}
	onlyPlan := !req.Until.Reaches(until.Provision)
	if onlyPlan && req.Spec != nil {
		res.Inventory.Plan, err = w.Planned(ctx, *req.Spec, req.Choice)
		return res, err
	}
	if onlyPlan {
		res.Inventory.Plan = p
		return res, nil
	}
	if req.Spec != nil {
		if _, err := w.placeOf(p); err != nil {
			return res, err
		}
	}
	if err := checkName(name); err != nil {
		return res, err
	}
	unlock, err := w.lock(ctx, name)
	if err != nil {
		return res, err
	}
	defer unlock()

	c, err := w.open(name)
	var none *NoClusterError
	switch {
	case errors.As(err, &none) && req.Spec == nil:
		return res, err
	case errors.As(err, &none) && !req.Choice.none():
		return res, err
	case errors.As(err, &none):
		if err := w.noTraces(name); err != nil {
			return res, err
		}
		if c.rel, err = release.Find(p.Version); err != nil {
			return res, err
		}
		c.place = place
	case err != nil:
		return res, err
	default:
		if err := w.provider("").Restore(name); err != nil {
			return res, err
		}
		change, err := w.changeOf(c, req, p)
		var differs *SpecDiffersError
		if errors.As(err, &differs) && req.Replace {
			if c, err = w.replace(ctx, c, differs, req); err == nil {
				c.place = place
				c.rel, err = release.Find(p.Version)
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
			if err := c.notRotating(); err != nil {
				return res, err
			}
			if !change.begun {
				if err := w.confirmCost(c.place, change.Plan, added(c.inv, change.Plan), req); err != nil {
					return res, err
				}
			}
			res, err := w.applyChange(ctx, c, *change, req)
			if err != nil && ctx.Err() != nil {
				w.sayStands(ctx, name)
			}
			return res, err
		}
		if change != nil {
			if c, err = w.keepDefaults(c, *change); err != nil {
				return res, err
			}
		}
		p = c.inv.Plan
	}
	if c.inv.Schema == "" { // nothing of it was made
		if err := w.confirmCost(c.place, p, len(p.Nodes), req); err != nil {
			return res, err
		}
	}
	res, err = w.build(ctx, c, p, req)
	if err != nil && ctx.Err() != nil {
		w.sayStands(ctx, name)
	}
	if err != nil && res.made && ctx.Err() == nil {
		if c, openErr := w.open(name); openErr == nil {
			res.Collected = w.gather(ctx, c, req.Gather)
		}
	}
	return res, err
}

// build does the steps after the plan.
func (w World) build(ctx context.Context, c cluster, p topology.Plan, req UpRequest) (UpResult, error) {
	res := UpResult{Schema: topology.Schema}
	sw, err := w.software(ctx, c)
	if err != nil {
		return res, err
	}
	err = w.stage(c.place.Makes, func() (err error) {
		c.inv, err = w.make(ctx, c, p, sw)
		if err == nil && req.Spec != nil {
			err = writeSpec(c.dir, *req.Spec)
		}
		return err
	})
	res.Inventory, res.made = c.inv, err == nil
	if err != nil || !req.Until.Reaches(until.Render) {
		return res, err
	}
	if c.remote() && req.Until.Reaches(until.Deploy) {
		if err := w.holdHostKeys(ctx, c); err != nil {
			return res, err
		}
		err := w.stage("disks, Java and Cassandra on the machines", func() (err error) {
			c, err = w.readyMachines(ctx, c, sw)
			return err
		})
		res.Inventory = c.inv
		if err != nil {
			return res, err
		}
	}
	if err := w.ensureTLS(ctx, c); err != nil {
		return res, err
	}
	wasReady, err := state.Marked(c.dir, state.Ready)
	if err != nil {
		return res, err
	}
	targets, err := w.targets(c, sw, !wasReady)
	if err != nil || !req.Until.Reaches(until.Deploy) {
		return res, err
	}
	if err := w.startNodes(ctx, c, targets, req.Until); err != nil || !req.Until.Reaches(until.Ready) {
		return res, err
	}
	timeout := req.Timeout
	if timeout == 0 {
		timeout = 5 * time.Minute
	}
	var ring ringcheck.Ring
	err = w.stage("every node sees every node Up/Normal", func() (err error) {
		ring, err = w.awaitReachable(ctx, c, targets, timeout)
		return err
	})
	if ring.Schema != "" {
		res.Ring = &ring
	}
	if err != nil {
		return res, err
	}
	return res, state.Mark(c.dir, state.Ready)
}

// make asks the cluster's provider for its hosts.
func (w World) make(ctx context.Context, c cluster, p topology.Plan, sw places.Software) (topology.Inventory, error) {
	if err := state.Close(c.dir); err != nil {
		return topology.Inventory{}, err
	}
	inv, err := c.place.Maker(c.rel, sw).Make(ctx, p)
	if c.place.Machines == nil {
		return inv, err
	}
	if err != nil {
		if made := ec2.Made(inv); made != "" {
			w.Say("so far there are %s: %s goes on, %s removes them", made, w.Command("up", p.Name), w.Command("down", p.Name))
		}
		return inv, cluster{inv: inv}.partialOf(err)
	}
	all, err := places.ReadPrepared(c.dir)
	return places.WithPrepared(inv, all), err
}

// targets renders the files of every node.
func (w World) targets(c cluster, sw places.Software, fresh bool) ([]deploy.Target, error) {
	return w.targetsWith(c, sw, fresh, nil)
}

// targetsWith is targets with further arguments of the JVM.
func (w World) targetsWith(c cluster, sw places.Software, fresh bool, jvm []string) ([]deploy.Target, error) {
	agentPassword, err := state.AgentPassword(c.dir)
	if err != nil {
		return nil, err
	}
	var targets []deploy.Target
	for _, n := range c.inv.Nodes {
		env := c.place.Env(c.rel, n, yamlgen.Env{
			ClassPath: sw.Jars.ClassPath, JammAgent: sw.Jars.Jamm, JolokiaAgent: sw.Jars.Jolokia, CDSArchive: sw.Archive, Java: sw.Java,
		})
		env.Fresh = fresh
		env.JVM = jvm
		env.AgentPassword = agentPassword
		if c.inv.Plan.TLS != nil {
			if env.StorePassword, err = c.storePassword(); err != nil {
				return nil, err
			}
		}
		files, err := yamlgen.Render(c.inv, n, env)
		if err != nil {
			return nil, fmt.Errorf("render %s: %w", n.Name, err)
		}
		t := deploy.Target{Node: n, Host: c.host(n)}
		for _, f := range files {
			t.Files = append(t.Files, deploy.File(f))
		}
		if c.place.Files != nil {
			t.Files = c.place.Files(c.inv, n, t.Files)
		}
		targets = append(targets, t)
	}
	return targets, nil
}

// startNodes writes files and, unless upTo ends before that, starts the nodes that do not run.
func (w World) startNodes(ctx context.Context, c cluster, targets []deploy.Target, upTo until.Step) error {
	var stopped []deploy.Target
	var nodes []topology.Node
	for _, t := range targets {
		p, err := t.Host.State(ctx)
		if err != nil {
			return err
		}
		if !p.Running {
			stopped = append(stopped, t)
			nodes = append(nodes, t.Node)
		}
	}
	if c.place.FreePorts != nil {
		if err := c.place.FreePorts(ctx, nodes); err != nil {
			return err
		}
	}
	if err := deploy.Put(ctx, stopped); err != nil || !upTo.Reaches(until.Start) {
		return c.partial(err, stopped)
	}
	if len(stopped) == 0 {
		return nil
	}
	text := "start " + plain.Count(len(stopped), "node")
	return w.stage(text, func() error { return c.partial(w.startServers(ctx, c, stopped), stopped) })
}

// awaitRing waits until each node answers a query, and the ring is as planned
// as every node sees it.
func (w World) awaitRing(ctx context.Context, c cluster, targets []deploy.Target, timeout time.Duration) (ringcheck.Ring, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := deploy.Ready(ctx, targets, func(ctx context.Context, n topology.Node) error {
		return w.answers(ctx, c, n)
	})
	if err != nil {
		return ringcheck.Ring{}, c.partial(err, targets)
	}
	if err := w.attachAgents(ctx, c, true); err != nil {
		return ringcheck.Ring{}, err
	}
	var ring ringcheck.Ring
	err = deploy.Whole(ctx, targets, func(ctx context.Context) error {
		var err error
		ring, err = ringcheck.Collect(ctx, w.query(c))
		if err != nil {
			return err
		}
		if len(ring.Mismatches) > 0 {
			return &mismatchError{ring}
		}
		return nil
	})
	var dead *deploy.DeadError
	var differs *mismatchError
	switch {
	case errors.As(err, &dead):
		return ring, c.partial(err, targets)
	case errors.As(err, &differs):
		return ring, Ring("waiting for the ring to be as planned", err, "crossring ring "+c.inv.Plan.Name)
	}
	return ring, err
}

// answers asks a node one question in CQL.
func (w World) answers(ctx context.Context, c cluster, n topology.Node) error {
	secure, err := c.clientTLS()
	if err != nil {
		return err
	}
	return cql.Probe(ctx, cql.Endpoint{
		Addresses: []string{n.PrivateAddress}, Port: n.Ports.Native, Release: c.rel, Dial: c.dialer(), TLS: secure,
	})
}
