package run

import (
	"context"
	"errors"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/load"
	"crossring/internal/report"
	"crossring/internal/spec"
	"crossring/internal/topology"
)

// DemoRequest says what to show.
type DemoRequest struct {
	Spec   spec.Spec
	Stress func(*topology.Stress)
	load.Thresholds
	Keep      bool // leave the cluster up
	Crossring string
}

// Demo makes a cluster, does the experiment on it, and takes it down, also when
// something failed on the way or a signal came, unless it is to be kept.
func Demo(ctx context.Context, w cluster.World, req DemoRequest) (report.Document, error) {
	p, err := cluster.Plan(req.Spec)
	if err != nil {
		return report.Document{}, err
	}
	if _, err := w.PlaceOf(p); err != nil {
		return report.Document{}, err
	}
	settings := p.Stress
	if req.Stress != nil {
		req.Stress(&settings)
	}
	if err := load.CheckSettings("demo", p, settings, req.Thresholds); err != nil {
		return report.Document{}, err
	}
	w.Say("cluster %s; if this is interrupted, remove it with: %s", p.Name, w.Command("down", p.Name))
	doc, err := demo(ctx, w, req)
	if req.Keep {
		w.Say("cluster %s is kept; to remove it: %s", req.Spec.Name, w.Command("down", req.Spec.Name))
		return doc, err
	}
	// What was asked to stop must not stop this.
	const deadline = 2 * time.Minute
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline)
	defer cancel()
	start := w.Now()
	_, downErr := Down(after, w, req.Spec.Name, DownRequest{Gather: GatherRemote, Loaded: true})
	var none *cluster.NoClusterError
	if errors.As(downErr, &none) {
		downErr = nil // it had not come so far
	}
	doc.Stages = append(doc.Stages, report.Stage{Name: "down", Seconds: w.Now().Sub(start).Seconds()})
	return doc, errors.Join(err, downErr)
}

func demo(ctx context.Context, w cluster.World, req DemoRequest) (report.Document, error) {
	start := w.Now()
	up, err := Up(ctx, w, UpRequest{Spec: &req.Spec})
	took := report.Stage{Name: "up", Seconds: w.Now().Sub(start).Seconds()}
	if err != nil {
		doc := report.New(req.Spec.Name)
		doc.RingBefore, doc.Stages = up.Ring, append(doc.Stages, took)
		return doc, err
	}
	doc, err := load.Repro(ctx, w, load.ReproRequest{
		Name: req.Spec.Name, Stress: req.Stress, Thresholds: req.Thresholds, Crossring: req.Crossring,
	})
	doc.Stages = append([]report.Stage{took}, doc.Stages...)
	return doc, err
}
