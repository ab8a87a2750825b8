package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"crossring/internal/many"
	"crossring/provision/ec2/ledger"
)

// atOnce is how many things are removed at a time.
const atOnce = 8

// Cloud is what is asked of a region.
type Cloud interface {
	// Seen lists what there is with the cluster's tags, in any order. An instance that is
	// terminated is not there.
	Seen(ctx context.Context) ([]Thing, error)
	// Removal is the call that removes a thing.
	Removal(t Thing) ledger.Removal
	// Living tells, for people, those of some instances that have not ended yet.
	Living(ctx context.Context, ids []string) ([]string, error)
}

// Region is a cluster's part of a region, to be cleared.
type Region struct {
	Clerk *ledger.Clerk
	Cloud Cloud
}

// Everything is the choice of all parts.
func Everything(string) bool { return true }

// Clear removes what there is in a region of the parts that are chosen, and tells what
// is left.
func (r Region) Clear(ctx context.Context, which func(part string) bool) (left []Thing, err error) {
	things, err := r.all(ctx, which)
	var failed []string
	for err == nil {
		if len(things) > 0 {
			// A round has tried for as long as it is worth: what it could not remove, the
			// next one can't either.
			if !slices.ContainsFunc(things, func(t Thing) bool { return !slices.Contains(failed, t.ID) }) {
				return things, nil
			}
			if failed, err = r.remove(ctx, things); err != nil {
				break
			}
		}
		// A thing that was too new to be seen by the first scan is seen by a later one.
		if things, err = r.seen(ctx, which); err == nil && len(things) == 0 {
			if err = ledger.Pause(ctx, r.Clerk.Pace.Poll); err != nil {
				break
			}
			if things, err = r.seen(ctx, which); err == nil && len(things) == 0 {
				return nil, nil
			}
		}
	}
	// What it is that stays should be known even if the time is up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.Clerk.Pace.Call)
	defer cancel()
	seen, scanErr := r.seen(ctx, which)
	if scanErr != nil {
		seen = things
	}
	return seen, errors.Join(err, scanErr)
}

// seen is what tags tell of the parts that are chosen.
func (r Region) seen(ctx context.Context, which func(part string) bool) ([]Thing, error) {
	things, err := r.Cloud.Seen(ctx)
	Sort(things)
	return slices.DeleteFunc(things, func(t Thing) bool { return !which(t.Part) }), err
}

// creations are the calls that make something, and what it is.
var creations = map[string]string{
	"RunInstances": Instance, "AllocateAddress": ElasticIP, "CreateSecurityGroup": Group, "ImportKeyPair": KeyPair,
	"CreateInternetGateway": Gateway, "CreateSubnet": Subnet, "CreateVpc": VPC,
}

// all lists what the tags say and what the ledger knows of the parts that are chosen.
// While a call is pending in the ledger, or what it made is not to be seen, it is
// looked for until it is, or was not seen often enough.
func (r Region) all(ctx context.Context, which func(part string) bool) ([]Thing, error) {
	var pending []ledger.Record
	var known []Thing
	for _, rec := range r.Clerk.Ledger.Below("", r.Clerk.Part("")) {
		kind := creations[rec.Action]
		switch {
		case kind == "" || !which(rec.Part):
		case rec.Pending:
			pending = append(pending, rec)
		case rec.Made() && !r.Clerk.Removed(rec.ID):
			known = append(known, Thing{Region: r.Clerk.Region, Type: kind, ID: rec.ID, Part: rec.Part})
		}
	}
	var things []Thing
	_, err := r.Clerk.Look(ctx, func(ctx context.Context) (id string, err error) {
		if things, err = r.seen(ctx, which); err != nil {
			return "", err
		}
		for _, rec := range pending {
			if !slices.ContainsFunc(things, func(t Thing) bool { return t.Part == rec.Part && t.Type == creations[rec.Action] }) {
				return "", nil
			}
		}
		// What EC2 does not know was made too short a time ago, or is gone: to remove it
		// would be answered alike.
		for _, k := range known {
			if _, ended := r.Clerk.Ended(k.ID); !ended && !has(things, k.ID) {
				return "", nil
			}
		}
		return "all of it is seen", nil
	})
	for _, k := range known {
		if !has(things, k.ID) {
			things = append(things, k)
		}
	}
	Sort(things)
	return things, err
}

// remove removes things in order, each kind when the one before is gone. It lists the
// ids of those that could not be removed; an error says that it could not go on.
func (r Region) remove(ctx context.Context, things []Thing) (failed []string, err error) {
	ended := false
	for _, kind := range order {
		if ended && (kind == Interface || kind == Volume) {
			continue // they go with their instances; the next scan finds those that don't
		}
		var some []Thing
		for _, t := range things {
			if t.Type == kind {
				some = append(some, t)
			}
		}
		if len(some) == 0 {
			continue
		}
		errs, _ := many.Map(ctx, some, atOnce, func(ctx context.Context, t Thing) (error, error) { return r.erase(ctx, t), nil })
		if kind == Instance {
			errs = append(errs, r.terminated(ctx, some))
		}
		for i, err := range errs {
			if err != nil {
				if i < len(some) {
					failed = append(failed, some[i].ID)
				}
				r.Clerk.Log.Warn("not removed", "region", r.Clerk.Region, "error", err)
			}
		}
		err := many.Alone(many.Join(errs...))
		if ledger.Interrupted(ctx) != nil {
			return failed, err
		}
		if kind == Instance {
			if ended = true; err != nil {
				return failed, err // nothing else can go while one runs
			}
		}
	}
	return failed, nil
}

// erase removes one thing. That it is gone already is as good.
func (r Region) erase(ctx context.Context, t Thing) error {
	removal := r.Cloud.Removal(t)
	r.Clerk.Log.Info("remove", "call", removal.Action, "id", t.ID, "region", r.Clerk.Region)
	return r.Clerk.Erase(ctx, removal)
}

// terminated waits until instances have ended.
func (r Region) terminated(ctx context.Context, some []Thing) error {
	// Bare metal takes twenty minutes, and what has many disks more than ten.
	const longer = 3
	ids := make([]string, len(some))
	for i, t := range some {
		ids[i] = t.ID
	}
	waiting := []string{"instances"}
	return r.Clerk.Await(ctx, longer*r.Clerk.Pace.Wait, func() string {
		return fmt.Sprintf("instances of %s to be terminated: %s", r.Clerk.Region, strings.Join(waiting, ", "))
	}, func(ctx context.Context) (bool, error) {
		living, err := r.Cloud.Living(ctx, ids)
		waiting = living
		return err == nil && len(living) == 0, err
	})
}
