package load

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/computer"
	"crossring/internal/fail"
	"crossring/internal/meanwhile"
	"crossring/internal/report"
	"crossring/internal/runs"
	"crossring/internal/topology"
	"crossring/stress"
	"crossring/stress/record"
	"crossring/stress/results"
)

// runsDir holds the run directories of all clusters.
func runsDir(w cluster.World) string { return runs.Dir(w.StateDir) }

// newRun makes a run directory with a run id of its own.
func newRun(ctx context.Context, w cluster.World, c cluster.Cluster, settings topology.Stress, version string) (*results.Dir, error) {
	host := computer.Look(ctx)
	if host.Load.IsBusy() {
		w.Say("warning: %s", busyText(host))
	}
	id := newRunID()
	now := w.Now().UTC()
	name := fmt.Sprintf("%s-%s-%04x", c.Inv.Plan.Name, now.Format("20060102T150405Z"), id&0xffff)
	m := results.Meta{
		RunID: id, Started: now, Cluster: c.Inv.Plan.Name, CassandraVersion: c.Inv.Plan.Version, Crossring: version,
		FirstKey: record.FirstKey(id), Keyspace: c.Inv.Plan.Keyspace, Stress: settings, Endpoints: map[string][]string{}, Nodes: c.Inv.Nodes,
		Host: &host,
	}
	for _, n := range c.Inv.Nodes {
		m.Endpoints[n.Datacenter] = append(m.Endpoints[n.Datacenter], n.PublicAddress)
	}
	return results.Create(filepath.Join(runsDir(w), name), m)
}

// busyText says that other things took a good part of this computer.
func busyText(host topology.Computer) string {
	text := fmt.Sprintf("this computer was busy before the run: %.0f %% of its processors' time was taken", 100**host.Load.Busy)
	if s := host.Load.Stolen; s != nil && *s >= 0.01 {
		text += fmt.Sprintf(", %.0f %% by other machines of its host", 100**s)
	}
	return text + "; figures of such a run scatter"
}

// phase is the configuration of a write or a read.
func phase(w cluster.World, c cluster.Cluster, s topology.Stress, op string) (stress.Config, error) {
	dc, cl := s.WriteDC, s.WriteCL
	if op == record.OpRead {
		dc, cl = s.ReadDC, s.ReadCL
	}
	e, err := cluster.Endpoint(w, c, c.Inv.InDatacenter(dc))
	if err != nil {
		return stress.Config{}, err
	}
	if e.TLS, err = loadTLS(e.TLS, s); err != nil {
		return stress.Config{}, err
	}
	policy, err := stress.ParsePolicy(s.Connections)
	return stress.Config{
		Endpoint: e, Policy: policy,
		Keyspace: c.Inv.Plan.Keyspace.Name, Table: c.Inv.Plan.Keyspace.Table,
		ValueBytes: s.ValueBytes, InFlight: s.InFlight, Rate: s.Rate, Consistency: cl,
		MissingDeadline: time.Duration(s.MissingDeadlineSeconds * float64(time.Second)),
	}, err
}

func progress(w cluster.World, p stress.Progress) {
	text := p.Op
	if p.Missing > 0 {
		text += fmt.Sprintf(", %d not there yet", p.Missing)
	}
	if p.Bad > 0 {
		text += fmt.Sprintf(", %d bad", p.Bad)
	}
	w.Report.Progress(p.Done, p.Rows, text)
}

// StressRequest is one phase on its own.
type StressRequest struct {
	Name string
	Op   string // stress.OpWrite or stress.OpRead
	// Run is the run directory, or its name; "" is a new one for a write, and for
	// a read the newest of this cluster.
	Run    string
	Stress func(*topology.Stress)
	Thresholds
	Crossring string
	Loaders   int // as in ReproRequest
	// LoadersGiven and Check are as in ReproRequest.
	LoadersGiven bool
	// Metrics is as in ReproRequest.
	Metrics string
	Check   func(topology.Stress) error
}

// StressResult is what one phase came to.
type StressResult struct {
	Schema string                `json:"schema"`
	RunDir string                `json:"run_dir"`
	Write  *results.WriteSummary `json:"write,omitempty"`
	Read   *results.ReadSummary  `json:"read,omitempty"`
	results.Account
	meanwhile.Record
	// Started and Host are of the run: of its write.
	Started *time.Time         `json:"started"`
	Host    *topology.Computer `json:"host"`
	// Endpoints are the broadcast addresses by datacenter.
	Endpoints map[string][]string `json:"-"`
	// Replication is the replicas of the keyspace by datacenter.
	Replication map[string]int `json:"-"`
}

// Stress writes, or reads back what an earlier write wrote.
func Stress(ctx context.Context, w cluster.World, req StressRequest) (StressResult, error) {
	res := StressResult{Schema: topology.Schema}
	if err := cluster.CheckName(req.Name); err != nil {
		return res, err
	}
	c, err := w.Open(req.Name)
	if err != nil {
		return res, err
	}
	settings := c.Inv.Plan.Stress
	dir, err := openRun(w, req)
	if err != nil {
		return res, err
	}
	if dir != nil {
		settings = dir.Meta.Stress
	}
	if req.Stress != nil {
		req.Stress(&settings)
	}
	doc := report.New(req.Name)
	r := &repro{World: w, Cluster: c, verb: "stress " + req.Op, settings: settings, doc: &doc, dir: dir, perDC: req.Loaders}
	if err := r.checkSettings(req.Thresholds); err != nil {
		return res, err
	}
	if req.Check != nil {
		if err := req.Check(settings); err != nil {
			return res, err
		}
	}
	if err := checkMetrics(req.Metrics, r.verb); err != nil {
		return res, err
	}
	if req.LoadersGiven {
		r.sayLoaders(req.Op)
	}
	lock, err := lockLoad(w, req.Name, "stress "+req.Op)
	if err != nil {
		return res, err
	}
	defer lock.free()
	if r.shown, err = show(w, req.Metrics); err != nil {
		return res, err
	}
	defer r.shown.close(w)
	if err := r.tryLoad(ctx, req.Op); err != nil {
		return res, c.BecauseFull(err)
	}
	if dir == nil {
		if err := r.makeSchema(ctx); err != nil {
			return res, c.BecauseFull(err)
		}
		if r.dir, err = newRun(ctx, w, c, settings, req.Crossring); err != nil {
			return res, err
		}
	}
	res.Started, res.Host = started(r.dir.Meta), r.dir.Meta.Host
	res.RunDir, res.Endpoints, res.Replication = r.dir.Path, r.dir.Meta.Endpoints, r.dir.Meta.Keyspace.Replication
	free, err := lockRun(r.dir.Path)
	if err != nil {
		return res, err
	}
	defer free()
	lock.note("stress " + req.Op + ", results in " + r.dir.Path)
	seen := observe(ctx, w, c)
	r.shown.servers(seen)
	if req.Op == record.OpWrite {
		err = r.write(ctx)
	} else {
		err = r.read(ctx)
	}
	res.Record = seen.end(ctx, func(string) int64 { return rowsOf(&doc) })
	res.Write, res.Read, res.Account = doc.Write, doc.Read, doc.Account
	if err == nil {
		err = judge(res.Write, res.Read, res.Account, req.Thresholds, res.RunDir)
	}
	return res, c.BecauseFull(err)
}

// started is when a run began; nil where it does not say.
func started(m results.Meta) *time.Time {
	if m.Started.IsZero() {
		return nil
	}
	return &m.Started
}

// openRun opens the run directory that a phase belongs to; nil for a new one.
func openRun(w cluster.World, req StressRequest) (*results.Dir, error) {
	path := req.Run
	switch {
	case path == "" && req.Op == record.OpWrite:
		return nil, nil
	case path == "":
		made, err := madeRuns(w, req.Name)
		if err != nil {
			return nil, err
		}
		if len(made) == 0 {
			return nil, fail.Usage("", fmt.Errorf("nothing was written to cluster %s yet", req.Name), "crossring stress write "+req.Name)
		}
		path = made[len(made)-1]
	case !strings.ContainsRune(path, filepath.Separator):
		path = filepath.Join(runsDir(w), path)
	}
	dir, err := results.Open(path)
	if err != nil {
		return nil, fail.Usage("", err, "ls "+runsDir(w))
	}
	if dir.Meta.Cluster != req.Name {
		return nil, fail.Usage("", fmt.Errorf("run %s is of cluster %s, not %s", path, dir.Meta.Cluster, req.Name), "")
	}
	if req.Op == record.OpWrite && dir.Has(req.Op) {
		return nil, fail.Usage("", fmt.Errorf("run %s has a write already: a run is written once", path), "crossring stress write "+req.Name)
	}
	return dir, nil
}

// madeRuns lists the run directories of a cluster, oldest first.
func madeRuns(w cluster.World, name string) ([]string, error) {
	all, err := runs.List(runsDir(w), name)
	var paths []string
	for _, r := range all.Runs {
		if r.What != runs.WhatLag {
			paths = append(paths, r.Path)
		}
	}
	return paths, err
}

// RunReport makes the document of a run anew from what its directory holds: the
// counts and times, and their course, from the raw results; the rings as they
// were seen.
func RunReport(ctx context.Context, w cluster.World, path string) (report.Document, report.Course, error) {
	var course report.Course
	dir, err := results.Open(path)
	if err != nil {
		return report.Document{}, course, fail.Usage("", err, "ls "+runsDir(w))
	}
	doc := report.New(dir.Meta.Cluster)
	if err := readDocument(dir.Path, &doc); err != nil {
		return doc, course, err
	}
	doc.Version, doc.ValueBytes, doc.RunDir = dir.Meta.CassandraVersion, dir.Meta.Stress.ValueBytes, dir.Path
	doc.Endpoints = dir.Meta.Endpoints
	doc.Started, doc.Host = started(dir.Meta), dir.Meta.Host
	doc.Faults = FaultsOfRun(w, dir.Path)
	s, err := dir.Summary(ctx)
	doc.Write, doc.Read, doc.Account = s.Write, s.Read, s.Account
	doc.Replication = dir.Meta.Keyspace.Replication
	if err != nil {
		return doc, course, err
	}
	doc.Crossring = dir.Meta.Crossring
	course, err = courseOf(ctx, dir)
	return doc, course, err
}
