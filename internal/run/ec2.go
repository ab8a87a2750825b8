package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"crossring/internal/places"
	"crossring/internal/plain"
	"crossring/internal/plan"
	"crossring/internal/spec"
	"crossring/internal/topology"
	"crossring/provision/ec2"
)

// DryRun asks EC2 whether it would make what the spec comes to; of a cluster that runs,
// whether it has room for what is to come. It changes nothing.
func (w World) DryRun(ctx context.Context, s spec.Spec) (topology.Plan, error) {
	p, err := w.Plan(s)
	switch {
	case err != nil:
		return p, err
	}
	place, err := places.For(p.Provider, w.deps())
	if err != nil {
		return p, err
	}
	if place.Cloud == nil {
		return p, place.NotHere(p.Name, "account to ask, and so no dry run", "crossring plan -f FILE")
	}
	if c, err := w.open(s.Name); err == nil && c.place.Cloud != nil {
		same := w.withSavedOperators(s)
		if change, err := w.wanted(c, &same, NodeChoice{}); err == nil && change != nil {
			unlock, err := w.lock(ctx, s.Name) // its journal is read
			if err != nil {
				return p, err
			}
			defer unlock()
			return change.Plan, w.stage("ask EC2 whether it has room for the change", func() error {
				return c.place.Grower.CheckResize(ctx, c.inv, change.Plan)
			})
		}
	}
	return p, w.stage("ask EC2 whether it would make this", func() error { return place.Cloud.DryRun(ctx, p) })
}

// Extended says until when a cluster may live now.
type Extended struct {
	Schema    string     `json:"schema"`
	Name      string     `json:"name"`
	ExpiresAt *time.Time `json:"expires_at"` // nil of a command that had not got that far
}

// Extend lets a cluster on EC2 live for ttl from now on.
func (w World) Extend(ctx context.Context, name string, ttl time.Duration) (Extended, error) {
	res := Extended{Schema: topology.Schema, Name: name}
	if err := checkName(name); err != nil {
		return res, err
	}
	if ttl <= 0 {
		return res, Usage("", fmt.Errorf("a time to live of %s is over already", ttl), "crossring extend "+name+" --ttl 8h")
	}
	unlock, err := w.lock(ctx, name)
	if err != nil {
		return res, err
	}
	defer unlock()
	c, err := w.open(name)
	if err != nil {
		return res, err
	}
	if c.place.Cloud == nil {
		return res, c.place.NotHere(name, "time to live", "crossring ls")
	}
	until := w.Now().Add(ttl).UTC().Truncate(time.Second)
	if err := w.stage("extend "+name, func() error { return c.place.Cloud.Extend(ctx, c.inv, until) }); err != nil {
		return res, err
	}
	res.ExpiresAt = &until
	return res, nil
}

// Collected says which clusters were removed because their time to live is over; or,
// of a dry run, would be.
type Collected struct {
	Schema   string       `json:"schema"`
	Removed  bool         `json:"removed"`
	Clusters []ec2.Listed `json:"clusters"`
}

// Collect removes what has expired on EC2, in all regions of the account or in those
// named. A dry run only lists it. One that can't be removed does not keep the others.
func (w World) Collect(ctx context.Context, dryRun bool, regions ...string) (Collected, error) {
	res := Collected{Schema: topology.Schema, Removed: !dryRun, Clusters: []ec2.Listed{}}
	all, err := places.EC2(w.deps()).List(ctx, regions...)
	errs := []error{err}
	for _, l := range all {
		due, err := l.Due()
		if err != nil {
			// It is the same for all of a region: once is enough.
			return res, errors.Join(append(errs, err)...)
		}
		if !due {
			continue
		}
		if !dryRun {
			if err := w.stage("remove "+l.Name+", which has expired", func() error { return w.collect(ctx, l) }); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		res.Clusters = append(res.Clusters, l)
	}
	return res, errors.Join(errs...)
}

// collect removes one cluster, while no other command works on it here.
func (w World) collect(ctx context.Context, l ec2.Listed) error {
	if err := checkName(l.Name); err != nil {
		return err // its tag is not of our making
	}
	unlock, err := w.lock(ctx, l.Name)
	if err != nil {
		return err
	}
	defer unlock()
	return places.EC2(w.deps()).Remove(ctx, l)
}

// listedEC2 adds to an entry what is known of a cluster on EC2 here: its age, until
// when it may live, and what it has cost by the prices of its plan.
func (w World) listedEC2(c cluster, entry Listed) Listed {
	if c.place.Life == nil {
		return entry
	}
	entry.CostSoFarUSD = nil
	made, ends, err := c.place.Life(c.inv)
	if err == nil {
		entry.AgeSeconds = w.Now().Sub(made).Seconds()
	}
	expires := ends.UTC().Format(time.RFC3339)
	entry.ExpiresAt = &expires
	// An older crossring left out what it had no price for.
	if cost := c.inv.Plan.Cost; cost != nil && cost.PerHourUSD != nil && len(cost.Unpriced) == 0 {
		soFar := *cost.PerHourUSD * entry.AgeSeconds / time.Hour.Seconds()
		entry.CostSoFarUSD = &soFar
	}
	return entry
}

// ListEC2 lists the clusters of the state directory, and those that the account's tags
// tell of in all its regions, or in those named.
func (w World) ListEC2(ctx context.Context, regions ...string) (Listing, error) {
	l, err := w.List(ctx)
	if err != nil {
		return l, err
	}
	all, err := places.EC2(w.deps()).List(ctx, regions...)
	for _, tagged := range all {
		known := func(e Listed) bool {
			c, openErr := w.open(e.Name)
			return openErr == nil && c.inv.Run() == tagged.Run
		}
		if slices.ContainsFunc(l.Clusters, known) {
			continue
		}
		entry := Listed{Name: tagged.Name, Provider: "ec2", Regions: tagged.Regions, Nodes: tagged.Nodes,
			Problem: "made by " + tagged.Owner + " from another state directory"}
		if !tagged.Since.IsZero() {
			entry.AgeSeconds = w.Now().Sub(tagged.Since).Seconds()
		}
		if !tagged.Expires.IsZero() {
			expires := tagged.Expires.UTC().Format(time.RFC3339)
			entry.ExpiresAt = &expires
		}
		l.Clusters = append(l.Clusters, entry)
	}
	return l, err
}

// ConfirmDown asks before machines are taken down, or cleared, with all that is on them.
// A cluster on this computer, or one that is half made, needs no question: all of it
// was made by crossring, and is a command away.
func (w World) ConfirmDown(name string, confirm func(question string) (bool, error)) error {
	// The inventory alone: what can't be opened otherwise goes down too.
	inv, err := w.provider("").Inventory(name)
	what := "all that is left of it, whose inventory is lost"
	switch {
	case lost(err) && w.lostCluster(name).Expensive(w.deps()):
	case err != nil:
		return nil // Down itself says what is wrong
	default:
		c := cluster{inv: inv}
		if c.place, err = places.For(inv.Plan.Provider, w.deps()); err != nil || c.place.Machines == nil {
			return nil // as above
		}
		what = describe(c)
	}
	yes, err := confirm(fmt.Sprintf("take down %s: %s?", name, what))
	if err == nil && !yes {
		err = errors.New("not confirmed")
	}
	if err != nil {
		return Usage("taking "+name+" down", err, "crossring down "+name+" --yes")
	}
	return nil
}

// added counts the nodes of a plan that a cluster has not.
func added(inv topology.Inventory, p topology.Plan) (n int) {
	for _, node := range p.Nodes {
		if _, err := inv.Node(node.Name); err != nil {
			n++
		}
	}
	return n
}

// confirmCost says what a plan costs, where it does, and asks whether its new nodes are
// to be made.
func (w World) confirmCost(place places.Place, p topology.Plan, more int, req UpRequest) error {
	line := plan.CostLine(p)
	if place.Cloud == nil || line == "" || len(p.EC2.OperatorCIDRs) == 0 { // nobody could reach them: that is refused
		return nil
	}
	var over []string
	for _, q := range p.EC2.Quotas {
		if q.Exceeds {
			over = append(over, plan.QuotaLines([]topology.EC2Quota{q})...)
		}
	}
	for _, note := range append(over, plan.LocalZones(p)...) {
		w.Say("%s", note)
	}
	w.Say("cost of %s: %s", p.Name, line)
	if req.Confirm == nil || more == 0 {
		return nil
	}
	yes, err := req.Confirm(fmt.Sprintf("make %s of %s on EC2?", plain.Count(more, "instance"), p.EC2.InstanceType))
	if err == nil && !yes {
		err = errors.New("not confirmed")
	}
	if err != nil {
		return Usage("making "+p.Name, err, "crossring up -f FILE --yes")
	}
	return nil
}
