package load

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/cql"
	"crossring/internal/fail"
	"crossring/internal/health"
	"crossring/internal/report"
	"crossring/internal/safely"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/ringcheck"
	"crossring/stress"
	"crossring/stress/record"
	"crossring/stress/results"
)

// ReproRequest says which cluster, and how much.
type ReproRequest struct {
	Name string
	// Stress changes the plan's own defaults; nil leaves them.
	Stress func(*topology.Stress)
	// Thresholds are what may be amiss before the run counts as failed.
	Thresholds
	Crossring string // version of this program, for the record
	// Loaders is how many machines of a datacenter load it, on clusters that have
	// machines of their own; 0 loads from here, through SSH.
	Loaders int
	// ReadAfter is how long after its own acknowledgement each row is read, while others are
	// still written; nil reads when all has been written.
	ReadAfter *time.Duration
	// Background is a load of reads and writes beside the measurement, in operations a second
	// in each datacenter; 0 is none.
	Background float64
	// BothWays makes the experiment of every ordered pair of datacenters that have replicas, at
	// the same time, each with rows of its own.
	BothWays bool
	// LoadersGiven says that somebody asked for that many, or for a program for them.
	LoadersGiven bool
	// Metrics is where they are served while it runs, as scrape.Address takes it; "" is nowhere.
	Metrics string
	// Check is asked whether the settings will do, before anything is made; nil is yes.
	Check func(topology.Stress) error
}

// Repro does the experiment on a cluster that is up: looks at the ring, makes the
// keyspace, writes in one datacenter, reads in the other, and looks again. The
// document goes as far as it got. It takes no cluster down.
func Repro(ctx context.Context, w cluster.World, req ReproRequest) (report.Document, error) {
	doc := report.New(req.Name)
	if err := cluster.CheckName(req.Name); err != nil {
		return doc, err
	}
	c, err := w.Open(req.Name)
	if err != nil {
		return doc, err
	}
	p := c.Inv.Plan
	settings := p.Stress
	if req.Stress != nil {
		req.Stress(&settings)
	}
	doc.Provider, doc.Version, doc.Partitioner, doc.ValueBytes = p.Provider, p.Version, p.Partitioner, settings.ValueBytes
	doc.Replication = p.Keyspace.Replication
	r := &repro{World: w, Cluster: c, verb: "repro", settings: settings, doc: &doc, perDC: req.Loaders}
	err = c.BecauseFull(r.run(ctx, req))
	if doc.RunDir != "" {
		doc.Faults = FaultsOfRun(w, doc.RunDir)
		doc.Crossring, doc.Command = req.Crossring, w.Typed
		err = errors.Join(err, writeDocument(doc))
		if !writePage(ctx, w, doc) {
			return doc, err
		}
		w.Say("the report as a page: %s", filepath.Join(doc.RunDir, pageFile))
	}
	return doc, err
}

// repro is one experiment under way.
type repro struct {
	cluster.World
	cluster.Cluster
	verb     string // of the command line: "repro", "stress read"
	settings topology.Stress
	doc      *report.Document
	dir      *results.Dir
	perDC    int // loaders of a datacenter
	shown    *shown
}

// dc is the datacenter of a phase.
func (r *repro) dc(op string) string {
	if op == record.OpRead {
		return r.settings.ReadDC
	}
	return r.settings.WriteDC
}

// progress reports how far a phase is.
func (r *repro) progress(p stress.Progress) {
	progress(r.World, p)
	r.shown.phase(r.dc(p.Op), p)
}

func (r *repro) run(ctx context.Context, req ReproRequest) error {
	if err := r.checkSettings(req.Thresholds); err != nil {
		return err
	}
	if err := r.checkReadAfter(req.ReadAfter); err != nil {
		return err
	}
	if err := checkBackground(req.Background); err != nil {
		return err
	}
	if req.Check != nil {
		if err := req.Check(r.settings); err != nil {
			return err
		}
	}
	if err := r.checkBothWays(req); err != nil {
		return err
	}
	if err := checkMetrics(req.Metrics, "repro"); err != nil {
		return err
	}
	if req.LoadersGiven {
		r.sayLoaders(record.OpWrite, record.OpRead)
	}
	lock, err := lockLoad(r.World, req.Name, "repro")
	if err != nil {
		return err
	}
	defer lock.free()
	if r.shown, err = show(r.World, req.Metrics); err != nil {
		return err
	}
	defer r.shown.close(r.World)
	if err := r.timed("ring before", func() (err error) {
		r.doc.RingBefore, err = r.look(ctx)
		return err
	}); err != nil {
		return err
	}
	if err := r.tryLoad(ctx, record.OpWrite, record.OpRead); err != nil {
		return err
	}
	if err := r.timed("keyspace", func() error { return r.makeSchema(ctx) }); err != nil {
		return err
	}
	if err := r.timed("estimate before", func() (err error) {
		r.doc.KeysEstimate.Before, err = r.estimate(ctx)
		return err
	}); err != nil {
		return err
	}
	free, err := r.open(ctx, req)
	if err != nil {
		return err
	}
	defer free()
	lock.note("repro, results in " + r.dir.Path)
	all := []*repro{r}
	if req.BothWays {
		others, free, err := r.openOthers(ctx, req)
		defer free()
		if err != nil {
			return err
		}
		all = append(all, others...)
	}
	r.doc.Background, err = beside(ctx, r.World, r.Cluster, r.settings, req.Background, func() error {
		seen := observe(ctx, r.World, r.Cluster)
		r.shown.servers(seen)
		err := r.phases(ctx, all, req.ReadAfter)
		r.doc.Record = seen.end(ctx, func(region string) int64 { return rowsFrom(all, region) })
		return err
	})
	if req.BothWays {
		err = errors.Join(err, r.keepPairs(all))
	}
	if err != nil {
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
	return each(ctx, all, func(_ context.Context, one *repro) error { return one.verdict(req.Thresholds) })
}

// rowsFrom is how many rows a run had, of those of several pairs those that were written in a
// region.
func rowsFrom(all []*repro, region string) (rows int64) {
	for _, one := range all {
		if len(all) == 1 || one.Inv.InDatacenter(one.settings.WriteDC)[0].Region == region {
			rows += rowsOf(one.doc)
		}
	}
	return rows
}

// rowsOf is how many rows a document has: of its write or, where it has none, of its read.
func rowsOf(doc *report.Document) int64 {
	switch {
	case doc.Write != nil:
		return doc.Write.Rows
	case doc.Read != nil:
		return doc.Read.Rows
	}
	return 0
}

// phases writes and reads, for all pairs: one after the other, or, with after, at the same
// time.
func (r *repro) phases(ctx context.Context, all []*repro, after *time.Duration) error {
	if after != nil {
		return r.timed("write and read", func() error {
			return each(ctx, all, func(ctx context.Context, one *repro) error { return one.writeAndRead(ctx, *after) })
		})
	}
	if err := r.timed("write", func() error {
		return each(ctx, all, func(ctx context.Context, one *repro) error { return one.write(ctx) })
	}); err != nil {
		return err
	}
	if err := r.timed("estimate after write", func() (err error) {
		r.doc.KeysEstimate.AfterWrite, err = r.estimate(ctx)
		return err
	}); err != nil {
		return err
	}
	return r.timed("read", func() error {
		return each(ctx, all, func(ctx context.Context, one *repro) error { return one.read(ctx) })
	})
}

// timed does f as a stage, and notes its time in the document.
func (r *repro) timed(name string, f func() error) error {
	start := r.Now()
	err := r.Stage(name, f)
	r.doc.Stages = append(r.doc.Stages, report.Stage{Name: name, Seconds: r.Now().Sub(start).Seconds()})
	return err
}

func (r *repro) checkSettings(t Thresholds) error {
	if r.perDC < 0 {
		return fail.Usage("", fmt.Errorf("--loaders: must not be negative, and is %d", r.perDC), "crossring help "+r.verb)
	}
	return CheckSettings(r.verb, r.Inv.Plan, r.settings, t)
}

// look asks for the ring; one that is not as planned is no ground to build on.
func (r *repro) look(ctx context.Context) (*ringcheck.Ring, error) {
	ring, err := health.Look(ctx, r.World, r.Cluster)
	if ring.Schema == "" {
		return nil, err
	}
	return &ring, err
}

// makeSchema makes the keyspace and the table. The ring has been held against
// the plan, so the datacenters that the replication names are there.
func (r *repro) makeSchema(ctx context.Context) error {
	e, err := cluster.Endpoint(r.World, r.Cluster, r.Inv.InDatacenter(r.settings.WriteDC))
	if err != nil {
		return err
	}
	return makeTable(ctx, r.Cluster, e, r.Inv.Plan.Keyspace.Table, cql.CreateTable)
}

// makeTable makes the keyspace of a cluster, if it is not there, and a table in it. From
// then on the ring is held against the keyspace, too.
func makeTable(ctx context.Context, c cluster.Cluster, e cql.Endpoint, table string, create cql.TableMaker) error {
	s, err := cql.Open(ctx, e)
	if err != nil {
		return err
	}
	defer s.Close()
	ks := c.Inv.Plan.Keyspace
	user := c.Inv.User()
	if err := cql.CreateKeyspace(ctx, s, c.Rel, ks); err != nil {
		return cql.Lacking(err, e.Login, cql.GrantsToMake(user))
	}
	ks.Table = table
	if err := create(ctx, s, c.Rel, ks); err != nil {
		return cql.Lacking(err, e.Login, cql.GrantsToUse(user, ks.Name))
	}
	return state.Mark(c.Dir, state.Keyspace)
}

// open makes the run directory, and keeps others from it until it is freed.
func (r *repro) open(ctx context.Context, req ReproRequest) (free func(), err error) {
	dir, err := newRun(ctx, r.World, r.Cluster, r.settings, req.Crossring)
	if err != nil {
		return nil, err
	}
	r.dir, r.doc.RunDir = dir, dir.Path
	r.doc.Started, r.doc.Host = started(dir.Meta), dir.Meta.Host
	if r.doc.Host.Load.IsBusy() {
		r.doc.Warnings = append(r.doc.Warnings, busyText(*r.doc.Host))
	}
	return lockRun(dir.Path)
}

func (r *repro) write(ctx context.Context) error {
	return r.do(ctx, record.OpWrite, record.Keys{{First: r.dir.Meta.FirstKey, Rows: r.settings.Rows}}, nil)
}

// read reads what is on record as written, and nothing else: not every key of a
// write that was cut short was written, and of those that were, not all are the first.
func (r *repro) read(ctx context.Context) error {
	acks, err := r.dir.Acks(ctx)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	keys := acks.Keys()
	written := keys.Count()
	if written == 0 {
		return fail.Usage("", fmt.Errorf("the write of run %s has no row on record", r.dir.Path), "crossring stress write "+r.Inv.Plan.Name)
	}
	if asked := r.settings.Rows; written < asked {
		r.Say("of %d rows %d are on record as written; those are read, and the other %d are not", asked, written, asked-written)
	}
	keys = keys.FirstN(r.settings.Rows)
	r.settings.Rows = keys.Count()
	return r.do(ctx, record.OpRead, keys, acks)
}

// do runs a phase, from here or by loaders.
func (r *repro) do(ctx context.Context, op string, keys record.Keys, acks *record.Acks) error {
	defer WatchFaults(r.World, r.Cluster, r.dir.Path, op)()
	cfg, err := phase(r.World, r.Cluster, r.settings, op)
	if err != nil {
		return err
	}
	cfg.Keys, cfg.Acks = keys, acks
	run := stress.Write
	switch {
	case r.Remote() && r.perDC > 0:
		run = func(ctx context.Context, _ *results.Dir, cfg stress.Config, _ func(stress.Progress)) (results.Summary, error) {
			return r.byLoaders(ctx, op, cfg)
		}
	case op == record.OpRead:
		run = stress.Read
	}
	s, err := run(ctx, r.dir, cfg, r.progress)
	var f results.Frame
	if op == record.OpWrite && s.Write != nil {
		r.doc.Write, f = s.Write, s.Write.Frame
	}
	if op == record.OpRead && s.Read != nil {
		r.doc.Read, f = s.Read, s.Read.Frame
		if s.Write != nil && s.Write.Damaged {
			err = errors.Join(err, s.Write.Check()) // what was read is not all that was written
		}
	}
	if s.Outcomes != nil {
		r.doc.Account = s.Account
	}
	return cutShort(ctx, err, f)
}

// cutShort makes an error of a phase that did not come to its end.
func cutShort(ctx context.Context, err error, f results.Frame) error {
	if err != nil || !f.Interrupted {
		return err
	}
	text := fmt.Sprintf("the %s was cut short after %d of %d rows", f.Op, f.Rows, f.RowsAsked)
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%s: %w", text, cause)
	}
	return errors.New(text)
}

// estimate asks each node for its key count, after a flush: versions differ in
// whether they count what is still in memory. Only their agents tell: a cluster
// without has none.
func (r *repro) estimate(ctx context.Context) (map[string]int64, error) {
	const deadline = 2 * time.Minute
	q := cluster.Query(r.World, r.Cluster)
	if q.CQL != nil {
		return map[string]int64{}, nil
	}
	q.Timeout = deadline
	got, err := ringcheck.KeyEstimates(ctx, q, r.Inv.Plan.Keyspace.Name, r.Inv.Plan.Keyspace.Table, true)
	for address, n := range got {
		got[address] = max(n, 0) // of an empty table some versions say -1
	}
	return got, err
}

func (r *repro) verdict(t Thresholds) error {
	return judge(r.doc.Write, r.doc.Read, r.doc.Account, t, r.doc.RunDir)
}

func writeDocument(doc report.Document) error {
	// Whole or not at all: half of it would keep report from the results, which are whole.
	if err := safely.JSON(filepath.Join(doc.RunDir, reportFile), doc, 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
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
