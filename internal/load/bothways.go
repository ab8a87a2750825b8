package load

import (
	"context"
	"errors"
	"fmt"

	"crossring/internal/many"
	"crossring/internal/report"
	"crossring/internal/topology"
)

// ways are the ordered pairs of datacenters that have replicas: that of the settings, and all
// others in the order of the plan.
func ways(p topology.Plan, s topology.Stress) []topology.Stress {
	list := []topology.Stress{s}
	var with []string
	for _, dc := range p.Datacenters() {
		if p.Keyspace.Replication[dc] > 0 {
			with = append(with, dc)
		}
	}
	for _, from := range with {
		for _, to := range with {
			if from != to && (from != s.WriteDC || to != s.ReadDC) {
				one := s
				one.WriteDC, one.ReadDC = from, to
				list = append(list, one)
			}
		}
	}
	return list
}

// quiet is the Reporter of experiments that run beside the one that is reported.
type quiet struct{}

func (quiet) Stage(string) func(error)      { return func(error) {} }
func (quiet) Progress(_, _ int64, _ string) {}

// openOthers makes an experiment of its own of each further pair, with rows and a run directory of its
// own, and keeps others from those until they are freed.
func (r *repro) openOthers(ctx context.Context, req ReproRequest) (others []*repro, free func(), err error) {
	var frees []func()
	free = func() {
		for _, f := range frees {
			f()
		}
	}
	for _, s := range ways(r.Inv.Plan, r.settings)[1:] {
		doc := report.New(req.Name)
		doc.Provider, doc.Version, doc.Partitioner, doc.ValueBytes, doc.Replication = r.doc.Provider, r.doc.Version, r.doc.Partitioner, r.doc.ValueBytes, r.doc.Replication
		doc.RingBefore = r.doc.RingBefore
		one := &repro{World: r.World, Cluster: r.Cluster, verb: r.verb, settings: s, doc: &doc, perDC: r.perDC, shown: r.shown}
		one.Report = quiet{}
		unlock, err := one.open(ctx, req)
		if unlock != nil {
			frees = append(frees, unlock)
		}
		if err != nil {
			return others, free, err
		}
		others = append(others, one)
	}
	return others, free, nil
}

// checkBothWays says what is wrong with an experiment of every pair.
func (r *repro) checkBothWays(req ReproRequest) error {
	if !req.BothWays {
		return nil
	}
	var errs []error
	for _, s := range ways(r.Inv.Plan, r.settings) {
		one := *r
		one.settings = s
		if err := one.checkSettings(req.Thresholds); err != nil {
			errs = append(errs, fmt.Errorf("from %s to %s: %w", s.WriteDC, s.ReadDC, err))
		}
	}
	return errors.Join(errs...)
}

// each does a phase of all pairs: at the same time, or, where loaders of one machine would be
// in each other's way, one after the other.
func each(ctx context.Context, all []*repro, phase func(context.Context, *repro) error) error {
	atOnce := len(all)
	if all[0].Remote() && all[0].perDC > 0 {
		atOnce = 1
	}
	if len(all) == 1 {
		return phase(ctx, all[0])
	}
	return many.Each(ctx, all, atOnce, func(ctx context.Context, r *repro) error {
		if err := phase(ctx, r); err != nil {
			return fmt.Errorf("from %s to %s: %w", r.settings.WriteDC, r.settings.ReadDC, err)
		}
		return nil
	})
}

// pair is what one experiment came to, for the document of all.
func (r *repro) pair() report.Pair {
	return report.Pair{
		From: r.settings.WriteDC, To: r.settings.ReadDC, RunDir: r.dir.Path, Write: r.doc.Write, Read: r.doc.Read, Account: r.doc.Account,
	}
}

// keepPairs puts all pairs into the document of the first, and writes those of the others.
func (r *repro) keepPairs(all []*repro) error {
	var errs []error
	for _, o := range all {
		r.doc.Pairs = append(r.doc.Pairs, o.pair())
		if o == r {
			continue
		}
		o.doc.Faults, o.doc.Crossring, o.doc.Command = FaultsOfRun(o.World, o.dir.Path), o.dir.Meta.Crossring, o.Typed
		errs = append(errs, writeDocument(*o.doc))
	}
	return errors.Join(errs...)
}
