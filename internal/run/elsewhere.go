package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/places"
	"crossring/internal/plain"
	"crossring/internal/topology"
	"crossring/provision/ec2"
)

// DownElsewhere removes a cluster on EC2 by its tags alone, whatever state directory it
// was made from: in all regions of the account, or in those named. confirm is asked
// first, and told whose it is and until when it may live; nil is a yes.
func DownElsewhere(ctx context.Context, w cluster.World, name string, confirm func(question string) (bool, error), regions ...string) (DownResult, error) {
	res := DownResult{Schema: topology.Schema, Name: name}
	if err := cluster.CheckName(name); err != nil {
		return res, err
	}
	var found []ec2.Listed
	err := w.Stage("look for "+name+" by its tags", func() error {
		all, err := places.EC2(w.Deps()).List(ctx, regions...)
		for _, l := range all {
			if l.Name == name {
				found = append(found, l)
			}
		}
		return err
	})
	if err != nil {
		return res, err
	}
	if len(found) == 0 {
		return res, &fail.Error{Code: fail.ExitFailure, Err: fmt.Errorf("no tags in EC2 tell of a cluster %q", name), Hint: "crossring ls --ec2"}
	}
	var errs []error
	for _, l := range found {
		errs = append(errs, removeElsewhere(ctx, w, l, confirm))
	}
	err = errors.Join(errs...)
	res.Removed = err == nil
	return res, err
}

func removeElsewhere(ctx context.Context, w cluster.World, l ec2.Listed, confirm func(question string) (bool, error)) error {
	line := whose(l, w.Now())
	w.Say("%s", line)
	if confirm != nil {
		yes, err := confirm(fmt.Sprintf("take down %s, and all data on it?", line))
		if err == nil && !yes {
			err = errors.New("not confirmed")
		}
		if err != nil {
			return fail.Usage("taking down "+line, err, plain.Command("crossring", "down", l.Name, "--ec2", "--yes"))
		}
	}
	return w.Stage("take "+l.Name+" down", func() error { return collect(ctx, w, l) })
}

// whose tells of a cluster by its tags: name, owner, what there is, and its time.
func whose(l ec2.Listed, now time.Time) string {
	s := fmt.Sprintf("cluster %s of %s: %s, %s in all, in %s", l.Name, l.Owner, plain.Count(l.Nodes, "instance"), plain.Count(len(l.Things), "thing"), strings.Join(l.Regions, ", "))
	switch {
	case l.Expires.IsZero():
		return s
	case l.Expired(now):
		return s + ", expired at " + l.Expires.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s, not expired: it may live until %s", s, l.Expires.UTC().Format(time.RFC3339))
}
