package run

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"crossring/internal/cql"
	"crossring/internal/report"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/ringcheck"
	"crossring/stress"
)

// ReproRequest says which cluster, and how much.
type ReproRequest struct {
	Name string
	// Stress changes the plan's own defaults; nil leaves them.
	Stress func(*topology.Stress)
	// Threshold is the share of rows, 0..1, that may be missing, wrong, failed or
	// unknown before the run counts as failed.
	Threshold float64
	Crossring string // version of this program, for the record
	// Loaders is how many machines of a datacenter load it, on clusters that have
	// machines of their own; 0 loads from here, through SSH.
	Loaders int
}

// Repro does the experiment on a cluster that is up: looks at the ring, makes the
// keyspace, writes in one datacenter, reads in the other, and looks again. The
// document goes as far as it got. It takes no cluster down.
func (w World) Repro(ctx context.Context, req ReproRequest) (report.Document, error) {
	doc := report.New(req.Name)
	if err := checkName(req.Name); err != nil {
		return doc, err
	}
	c, err := w.open(req.Name)
	if err != nil {
		return doc, err
	}
	p := c.inv.Plan
	settings := p.Stress
	if req.Stress != nil {
		req.Stress(&settings)
	}
	doc.Provider, doc.Version, doc.Partitioner, doc.ValueBytes = p.Provider, p.Version, p.Partitioner, settings.ValueBytes
	r := &repro{World: w, cluster: c, settings: settings, doc: &doc, perDC: req.Loaders}
	err = r.run(ctx, req)
	if doc.RunDir != "" {
		err = errors.Join(err, writeDocument(doc))
	}
	return doc, err
}

// repro is one experiment under way.
type repro struct {
	World
	cluster
	settings topology.Stress
	doc      *report.Document
	dir      *stress.Dir
	perDC    int // loaders of a datacenter
}

func (r *repro) run(ctx context.Context, req ReproRequest) error {
	if err := r.checkSettings(req.Threshold); err != nil {
		return err
	}
	if err := r.timed("ring before", func() (err error) {
		r.doc.RingBefore, err = r.look(ctx)
		return err
	}); err != nil {
		return err
	}
	if err := r.tryLoad(ctx, stress.OpWrite, stress.OpRead); err != nil {
		return err
	}
	if err := r.timed("keyspace", func() error { return r.makeSchema(ctx) }); err != nil {
		return err
	}
	if err := r.open(ctx, req); err != nil {
		return err
	}
	if err := r.timed("write", func() error { return r.write(ctx) }); err != nil {
		return err
	}
	if err := r.timed("estimate after write", func() (err error) {
		r.doc.KeysEstimate.AfterWrite, err = r.estimate(ctx)
		return err
	}); err != nil {
		return err
	}
	if err := r.timed("read", func() error { return r.read(ctx) }); err != nil {
		return err
	}
	if err := r.timed("estimate after read", func() (err error) {
		r.doc.KeysEstimate.AfterRead, err = r.estimate(ctx)
		return err
	}); err != nil {
		return err
	}
	if err := r.timed("ring after", func() (err error) {
		r.doc.RingAfter, err = r.look(ctx)
		return err
	}); err != nil {
		return err
	}
	return r.verdict(req.Threshold)
}

// timed does f as a stage, and notes its time in the document.
func (r *repro) timed(name string, f func() error) error {
	start := r.Now()
	err := r.stage(name, f)
	r.doc.Stages = append(r.doc.Stages, report.Stage{Name: name, Seconds: r.Now().Sub(start).Seconds()})
	return err
}

func (r *repro) checkSettings(threshold float64) error {
	return checkSettings(r.inv.Plan, r.settings, threshold)
}

// look asks for the ring; one that is not as planned is no ground to build on.
func (r *repro) look(ctx context.Context) (*ringcheck.Ring, error) {
	ring, err := r.ring(ctx, r.cluster)
	if ring.Schema == "" {
		return nil, err
	}
	return &ring, err
}

// makeSchema makes the keyspace and the table. The ring has been held against
// the plan, so the datacenters that the replication names are there.
func (r *repro) makeSchema(ctx context.Context) error {
	e, err := r.endpoint(r.cluster, r.inv.InDatacenter(r.settings.WriteDC))
	if err != nil {
		return err
	}
	s, err := cql.Open(ctx, e)
	if err != nil {
		return err
	}
	defer s.Close()
	ks := r.inv.Plan.Keyspace
	if err := cql.CreateKeyspace(ctx, s, r.rel, ks); err != nil {
		return err
	}
	if err := cql.CreateTable(ctx, s, r.rel, ks); err != nil {
		return err
	}
	if err := cql.AwaitSchema(ctx, s); err != nil {
		return err
	}
	return state.Mark(r.cluster.dir, state.Keyspace)
}

// open makes the run directory.
func (r *repro) open(_ context.Context, req ReproRequest) error {
	dir, err := r.newRun(r.cluster, r.settings, req.Crossring)
	if err != nil {
		return err
	}
	r.dir, r.doc.RunDir = dir, dir.Path
	return nil
}

func (r *repro) write(ctx context.Context) error {
	if r.remote() && r.perDC > 0 {
		err := r.byLoaders(ctx, stress.OpWrite)
		s, foldErr := r.dir.Summary()
		if err = errors.Join(err, foldErr); s.Write == nil {
			return err
		}
		r.doc.Write = s.Write
		return cutShort(ctx, errors.Join(err, s.Write.Check()), s.Write.Frame)
	}
	cfg, err := r.phase(r.cluster, r.settings, stress.OpWrite)
	if err != nil {
		return err
	}
	s, err := r.dir.Write(ctx, cfg, r.progress)
	if s.Op != "" {
		r.doc.Write = &s
	}
	return cutShort(ctx, err, s.Frame)
}

func (r *repro) read(ctx context.Context) error {
	if r.remote() && r.perDC > 0 {
		err := r.byLoaders(ctx, stress.OpRead)
		s, foldErr := r.dir.Summary()
		if err = errors.Join(err, foldErr); s.Read == nil {
			return err
		}
		r.doc.Read = s.Read
		return cutShort(ctx, errors.Join(err, s.Read.Check()), s.Read.Frame)
	}
	cfg, err := r.phase(r.cluster, r.settings, stress.OpRead)
	if err != nil {
		return err
	}
	s, err := r.dir.Read(ctx, cfg, r.progress)
	if s.Op != "" {
		r.doc.Read = &s
	}
	return cutShort(ctx, err, s.Frame)
}

// cutShort makes an error of a phase that a signal ended.
func cutShort(ctx context.Context, err error, f stress.Frame) error {
	if err == nil && f.Interrupted {
		return fmt.Errorf("%s stopped after %d of %d rows: %w", f.Op, f.Rows, f.RowsAsked, context.Cause(ctx))
	}
	return err
}

// estimate asks each node for its key count, after a flush: versions differ in
// whether they count what is still in memory.
func (r *repro) estimate(ctx context.Context) (map[string]int64, error) {
	const deadline = 2 * time.Minute
	q := r.query(r.cluster)
	q.Timeout = deadline
	return ringcheck.KeyEstimates(ctx, q, r.inv.Plan.Keyspace.Name, r.inv.Plan.Keyspace.Table, true)
}

func (r *repro) verdict(threshold float64) error {
	return judge(r.doc.Write, r.doc.Read, threshold, r.doc.RunDir)
}

// judge holds the outcome of the rows against the threshold. A row that was not
// written is not found either, and counts once: so the worse phase decides.
func judge(wr *stress.WriteSummary, rd *stress.ReadSummary, threshold float64, runDir string) error {
	var bad, rows int64
	var parts []string
	phase := func(outcomes ...outcome) {
		var sum int64
		for _, o := range outcomes {
			sum += o.rows
			if o.rows > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", o.rows, o.what))
			}
		}
		bad = max(bad, sum)
	}
	if wr != nil {
		rows = wr.Rows
		phase(outcome{wr.Failed, "not written"}, outcome{wr.Unknown, "of unknown outcome"})
	}
	if rd != nil {
		rows = max(rows, rd.Rows)
		phase(outcome{rd.Missing, "missing"}, outcome{rd.Wrong, "wrong"}, outcome{rd.Failed, "not readable"})
	}
	if bad == 0 || float64(bad) <= threshold*float64(rows) {
		return nil
	}
	return Data("", fmt.Errorf("of %d rows: %s", rows, strings.Join(parts, ", ")), "crossring report "+runDir)
}

// outcome is how many rows ended in one way that is not as it should be.
type outcome struct {
	rows int64
	what string
}

func writeDocument(doc report.Document) error {
	data, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	if err := os.WriteFile(filepath.Join(doc.RunDir, reportFile), append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// reportFile is the document of a run, in its directory.
const reportFile = "report.json"

func newRunID() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails: it ends the process instead
	return binary.LittleEndian.Uint64(b[:])
}

// readDocument reads the document that a run left. A phase run on its own left none.
func readDocument(dir string, doc *report.Document) error {
	data, err := os.ReadFile(filepath.Join(dir, reportFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read report: %w", err)
	}
	if err := json.Unmarshal(data, doc); err != nil {
		return fmt.Errorf("read report of %s: %w", dir, err)
	}
	return nil
}
