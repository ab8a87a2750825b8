package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/grow"
	"crossring/internal/places"
	"crossring/internal/plain"
	"crossring/internal/plan"
	"crossring/internal/spec"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/ec2"
)

// DryRun asks EC2 whether it would make what the spec comes to; of a cluster that runs,
// whether it has room for what is to come. It changes nothing.
func DryRun(ctx context.Context, w cluster.World, s spec.Spec) (topology.Plan, error) {
	p, err := cluster.Plan(s)
	switch {
	case err != nil:
		return p, err
	}
	place, err := places.For(p.Provider, w.Deps())
	if err != nil {
		return p, err
	}
	if place.Cloud == nil {
		return p, place.NotHere(p.Name, "account to ask, and so no dry run", "crossring plan -f FILE")
	}
	if c, err := w.Open(s.Name); err == nil && c.Place.Cloud != nil {
		same := cluster.WithSavedOperators(w, s)
		if change, err := grow.Wanted(w, c, &same, grow.NodeChoice{}); err == nil && change != nil {
			unlock, err := w.Lock(ctx, s.Name) // its journal is read
			if err != nil {
				return p, err
			}
			defer unlock()
			return change.Plan, w.Stage("ask EC2 whether it has room for the change", func() error {
				return c.Place.Grower.CheckResize(ctx, c.Inv, change.Plan)
			})
		}
	}
	return p, w.Stage("ask EC2 whether it would make this", func() error { return place.Cloud.DryRun(ctx, p) })
}

// Extended says until when a cluster may live now.
type Extended struct {
	Schema    string     `json:"schema"`
	Name      string     `json:"name"`
	ExpiresAt *time.Time `json:"expires_at"` // nil of a command that had not got that far
}

// Extend lets a cluster on EC2 live for ttl from now on.
func Extend(ctx context.Context, w cluster.World, name string, ttl time.Duration) (Extended, error) {
	res := Extended{Schema: topology.Schema, Name: name}
	if err := cluster.CheckName(name); err != nil {
		return res, err
	}
	if ttl <= 0 {
		return res, fail.Usage("", fmt.Errorf("a time to live of %s is over already", ttl), "crossring extend "+name+" --ttl 8h")
	}
	unlock, err := w.Lock(ctx, name)
	if err != nil {
		return res, err
	}
	defer unlock()
	c, err := w.Open(name)
	if err != nil {
		return res, err
	}
	if c.Place.Cloud == nil {
		return res, c.Place.NotHere(name, "time to live", "crossring ls")
	}
	until := w.Now().Add(ttl).UTC().Truncate(time.Second)
	if err := w.Stage("extend "+name, func() error { return c.Place.Cloud.Extend(ctx, c.Inv, until) }); err != nil {
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
func Collect(ctx context.Context, w cluster.World, dryRun bool, regions ...string) (Collected, error) {
	res := Collected{Schema: topology.Schema, Removed: !dryRun, Clusters: []ec2.Listed{}}
	all, err := places.EC2(w.Deps()).List(ctx, regions...)
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
			if err := w.Stage("remove "+l.Name+", which has expired", func() error { return collect(ctx, w, l) }); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		res.Clusters = append(res.Clusters, l)
	}
	return res, errors.Join(errs...)
}

// collect removes one cluster, while no other command works on it here.
func collect(ctx context.Context, w cluster.World, l ec2.Listed) error {
	if err := cluster.CheckName(l.Name); err != nil {
		return err // its tag is not of our making
	}
	unlock, err := w.Lock(ctx, l.Name)
	if err != nil {
		return err
	}
	defer unlock()
	return places.EC2(w.Deps()).Remove(ctx, l)
}

// listedEC2 adds to an entry what is known of a cluster on EC2 here: its age, until
// when it may live, and what it has cost by the prices of its plan.
func listedEC2(w cluster.World, c cluster.Cluster, entry Listed) Listed {
	if c.Place.Life == nil {
		return entry
	}
	entry.CostSoFarUSD = nil
	made, ends, err := c.Place.Life(c.Inv)
	if err == nil {
		entry.AgeSeconds = w.Now().Sub(made).Seconds()
	}
	expires := ends.UTC().Format(time.RFC3339)
	entry.ExpiresAt = &expires
	// An older crossring left out what it had no price for.
	if cost := c.Inv.Plan.Cost; cost != nil && cost.PerHourUSD != nil && len(cost.Unpriced) == 0 {
		soFar := *cost.PerHourUSD * entry.AgeSeconds / time.Hour.Seconds()
		entry.CostSoFarUSD = &soFar
	}
	return entry
}

// ListEC2 lists the clusters of the state directory, and those that the account's tags
// tell of in all its regions, or in those named.
func ListEC2(ctx context.Context, w cluster.World, regions ...string) (Listing, error) {
	l, err := List(ctx, w)
	if err != nil {
		return l, err
	}
	all, err := places.EC2(w.Deps()).List(ctx, regions...)
	for _, tagged := range all {
		known := func(e Listed) bool {
			c, openErr := w.Open(e.Name)
			return openErr == nil && c.Inv.Run() == tagged.Run
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
func ConfirmDown(w cluster.World, name string, confirm func(question string) (bool, error)) error {
	// The inventory alone: what can't be opened otherwise goes down too.
	inv, err := state.Inventory(w.StateDir, name)
	what := "all that is left of it, whose inventory is lost"
	switch {
	case lost(err) && lostCluster(w, name).Expensive(w.Deps()):
	case err != nil:
		return nil // Down itself says what is wrong
	default:
		c := cluster.Cluster{Inv: inv}
		if c.Place, err = places.For(inv.Plan.Provider, w.Deps()); err != nil || c.Place.Machines == nil {
			return nil // as above
		}
		what = describe(c)
	}
	yes, err := confirm(fmt.Sprintf("take down %s: %s?", name, what))
	if err == nil && !yes {
		err = errors.New("not confirmed")
	}
	if err != nil {
		return fail.Usage("taking "+name+" down", err, "crossring down "+name+" --yes")
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
func confirmCost(w cluster.World, place places.Place, p topology.Plan, more int, req UpRequest) error {
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
		return fail.Usage("making "+p.Name, err, "crossring up -f FILE --yes")
	}
	return nil
}
