package results

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"time"

	"crossring/stress/record"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are recorded in nanoseconds, the unit that readers of histogram logs
// assume, from 1 µs to 10 minutes, to three digits. What is longer is counted apart.
const (
	lowestLatency  = int64(time.Microsecond)
	highestLatency = int64(10 * time.Minute)
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(lowestLatency, highestLatency, 3)
}

// FoldWrite sums raw results of writes up. Several are those of several loaders
// with keys of their own, and are merged without loss. Results that break off are
// summed up as far as they go, and the summary says so. Of results that contradict
// themselves there is no sum, but a *record.ContradictionError.
func FoldWrite(raws ...io.Reader) (WriteSummary, error) {
	f, err := foldAll(record.OpWrite, raws)
	if err != nil {
		return WriteSummary{}, err
	}
	return f.write(), nil
}

func (f *fold) write() WriteSummary {
	n := f.rows.counts()
	return WriteSummary{Frame: f.frame(), Acknowledged: n[wrote], Failed: n[refusedOne], Unknown: n[unclear]}
}

// FoldRead is FoldWrite for reads. A row counts by its final outcome: one that
// was missing at first and then found, or found wrong, counts as that; if later
// attempts failed or missed it too, it is missing.
func FoldRead(raws ...io.Reader) (ReadSummary, error) {
	f, err := foldAll(record.OpRead, raws)
	if err != nil {
		return ReadSummary{}, err
	}
	return f.read(), nil
}

func (f *fold) read() ReadSummary {
	n := f.rows.counts()
	s := ReadSummary{
		Frame:              f.frame(),
		Found:              n[seenFirst] + n[seenLate],
		MissingAtFirstRead: f.first[record.Missing],
		FoundLater:         n[seenLate],
		StaleAtFirstRead:   f.staleFirst,
		Missing:            n[notThere],
		Wrong:              n[seenWrong] + n[stale],
		Failed:             n[unreadable],
		Lag:                Lag{Count: f.lag.TotalCount(), Percentiles: percentiles(f.lag)},
		After:              f.ages.after(),
	}
	if f.acksKnown {
		var lost int64
		for key, written := range f.written {
			if at := *f.rows.of(key); written == record.Acknowledged && (at == notThere || at == stale) {
				lost++
			}
		}
		s.MissingAcknowledged = &lost
	}
	return s
}

// Check says whether each row counts exactly once.
func (s WriteSummary) Check() error {
	if sum := s.Acknowledged + s.Failed + s.Unknown; sum != s.Rows {
		return fmt.Errorf("write counts do not add up: %d acknowledged + %d failed + %d unknown = %d, not %d rows",
			s.Acknowledged, s.Failed, s.Unknown, sum, s.Rows)
	}
	return s.Frame.check()
}

// Check says whether each row counts exactly once.
func (s ReadSummary) Check() error {
	if sum := s.Found + s.Missing + s.Wrong + s.Failed; sum != s.Rows {
		return fmt.Errorf("read counts do not add up: %d found + %d missing + %d wrong + %d failed = %d, not %d rows",
			s.Found, s.Missing, s.Wrong, s.Failed, sum, s.Rows)
	}
	if s.FoundLater > s.Found || s.FoundLater+s.Missing > s.MissingAtFirstRead+s.StaleAtFirstRead {
		return fmt.Errorf("read counts do not add up: %d found later, %d found, %d missing of %d missing and %d stale at the first read",
			s.FoundLater, s.Found, s.Missing, s.MissingAtFirstRead, s.StaleAtFirstRead)
	}
	return s.Frame.check()
}

func (f Frame) check() error {
	if f.Damaged {
		return fmt.Errorf("the results of the %s are damaged, and are counted up to there: %d of %d rows are on record", f.Op, f.Rows, f.RowsAsked)
	}
	var reached int64
	for _, n := range f.Coordinators {
		reached += n
	}
	if reached > f.Attempts || f.Attempts < f.Rows {
		return fmt.Errorf("%s counts do not add up: %d attempts at %d rows, %d of them at coordinators", f.Op, f.Attempts, f.Rows, reached)
	}
	if !f.Interrupted && f.Rows != f.RowsAsked {
		return fmt.Errorf("%s counts do not add up: %d of %d rows attempted, without an interruption", f.Op, f.Rows, f.RowsAsked)
	}
	return nil
}

// fold gathers what the summaries need, in one pass over each stream.
type fold struct {
	op                string
	phases            []record.Phase
	ends              []*record.End
	warnings          []string
	damaged           bool
	headless          error     // of a stream that does not say what it is of
	begin, finish     time.Time // of first attempts, over all streams
	attempts          int64
	rows              ledger
	first             [record.Wrong + 1]int64  // first attempts by outcome
	written           map[int64]record.Outcome // of the writes of rows that the first read did not see, where known
	staleFirst        int64                    // first reads that gave another run's row
	overflow          int64
	acksKnown         bool
	latency, response *hdrhistogram.Histogram
	lag               *hdrhistogram.Histogram
	ages              *ages // nil of a read that did not follow its write
	hosts             map[string]int64
	errors            map[string]*ErrorCount
}

func foldAll(op string, raws []io.Reader) (*fold, error) {
	f := &fold{
		op: op, rows: ledger{op: op}, written: map[int64]record.Outcome{}, hosts: map[string]int64{}, errors: map[string]*ErrorCount{},
		latency: newHistogram(), response: newHistogram(), lag: newHistogram(), acksKnown: true,
	}
	if len(raws) == 0 {
		return nil, fmt.Errorf("no raw results of a %s", op)
	}
	for _, raw := range raws {
		if err := f.stream(raw); err != nil {
			return nil, err
		}
	}
	if len(f.phases) == 0 {
		return nil, f.headless
	}
	return f, nil
}

func (f *fold) stream(raw io.Reader) error {
	rd, err := record.NewReader(raw)
	var cut *record.TruncatedError
	if errors.As(err, &cut) {
		f.broke(cut) // before it said what it is of
		f.headless = err
		return nil
	}
	if err != nil {
		return err
	}
	phase := rd.Phase()
	if phase.Op != f.op {
		return fmt.Errorf("raw results are those of a %s, not of a %s", phase.Op, f.op)
	}
	if err := f.rows.admit(phase.Asked()); err != nil {
		return err
	}
	f.phases = append(f.phases, phase)
	f.acksKnown = f.acksKnown && phase.AcksKnown
	var rec record.Record
	for {
		err := rd.Next(&rec)
		switch {
		case err == nil:
			if err := f.record(phase, &rec); err != nil {
				return err
			}
			continue
		case errors.As(err, &cut):
			f.broke(cut)
		case !errors.Is(err, io.EOF):
			return err
		}
		f.ends = append(f.ends, rd.End())
		return nil
	}
}

// broke notes a stream that breaks off.
func (f *fold) broke(cut *record.TruncatedError) {
	f.warnings = append(f.warnings, cut.Error())
	f.damaged = f.damaged || cut.Damaged
}

func (f *fold) record(phase record.Phase, r *record.Record) error {
	f.attempts++
	if r.Coordinator != "" {
		f.hosts[r.Coordinator]++
	}
	if r.Class != "" {
		c := f.errors[r.Class]
		if c == nil {
			c = &ErrorCount{Class: r.Class, Example: r.Example}
			f.errors[r.Class] = c
		}
		c.Count++
	}
	if r.Attempt > 0 {
		found, err := f.rows.again(r)
		if found && r.Lag >= 0 {
			f.measure(f.lag, r.Lag)
			if f.ages != nil {
				f.ages.sight(r.Lag)
			}
		}
		return err
	}
	if err := f.rows.first(r); err != nil {
		return err
	}
	f.first[r.Outcome]++
	if phase.ReadAfterSeconds != nil {
		if f.ages == nil {
			f.ages = newAges(*phase.ReadAfterSeconds)
		}
		f.measure(f.ages.age, f.ages.first(r))
	}
	if r.Stale() {
		f.staleFirst++
	}
	if r.Written != 0 {
		f.written[r.Key] = r.Written
	}
	begin := phase.Start.Add(r.Start - r.Delay)
	finish := phase.Start.Add(r.Start + r.Service)
	if f.begin.IsZero() || begin.Before(f.begin) {
		f.begin = begin
	}
	if finish.After(f.finish) {
		f.finish = finish
	}
	if r.Coordinator == "" {
		return nil
	}
	f.measure(f.latency, r.Service)
	if phase.Rate > 0 {
		f.measure(f.response, r.Delay+r.Service)
	}
	return nil
}

func (f *fold) measure(h *hdrhistogram.Histogram, d time.Duration) {
	if int64(d) > highestLatency || h.RecordValue(int64(d)) != nil {
		f.overflow++
	}
}

func (f *fold) frame() Frame {
	p := f.phases[0]
	rows := int64(0)
	for _, n := range f.first {
		rows += n
	}
	out := Frame{
		Op: f.op, Datacenter: p.Datacenter, Consistency: p.Consistency, Damaged: f.damaged,
		Rows: rows, Attempts: f.attempts, Overflow: f.overflow,
		Seconds: f.finish.Sub(f.begin).Seconds(),
		Latency: percentiles(f.latency), Coordinators: f.hosts,
		Warnings: f.warnings, Errors: []ErrorCount{}, Interrupted: f.headless != nil,
	}
	var cpu int64
	for i, p := range f.phases {
		out.RowsAsked += asked(p, f.ends[i])
		out.InFlight += p.InFlight
		out.Rate += p.Rate
		if p.Datacenter != out.Datacenter {
			out.Warnings = append(out.Warnings, fmt.Sprintf("results of datacenters %s and %s are summed up together", out.Datacenter, p.Datacenter))
		}
		end := f.ends[i]
		if end == nil {
			out.Interrupted = true
			continue
		}
		cpu += end.CPUMicros
		out.Connections = out.Connections.Plus(end.Connections)
		out.Interrupted = out.Interrupted || end.Interrupted
		out.Warnings = append(out.Warnings, bottlenecks(p, *end)...)
	}
	// Loaders that brought no results at all: what they were asked for counts, too.
	if missing := p.Parts - len(f.phases); missing > 0 {
		out.Interrupted = true
		out.Warnings = append(out.Warnings, fmt.Sprintf("there are no results of %d of the %d loaders", missing, p.Parts))
	}
	if p.ReadAfterSeconds == nil {
		out.RowsAsked = max(out.RowsAsked, p.RowsInAll)
	}
	if rows > 0 {
		out.ClientCPUMicros = float64(cpu) / float64(rows)
	}
	if out.Seconds > 0 {
		out.OpsPerSec = float64(rows) / out.Seconds
	}
	if out.Rate > 0 {
		r := percentiles(f.response)
		out.Response = &r
		if w := tooSlow(out.Rate, rows, out.Seconds); w != "" && !out.Interrupted {
			out.Warnings = append(out.Warnings, w)
		}
	}
	if f.overflow > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("%d latencies above %v are not in the percentiles", f.overflow, time.Duration(highestLatency)))
	}
	for _, e := range f.errors {
		out.Errors = append(out.Errors, *e)
	}
	sort.Slice(out.Errors, func(i, j int) bool {
		a, b := out.Errors[i], out.Errors[j]
		if a.Count != b.Count {
			return a.Count > b.Count
		}
		return a.Class < b.Class
	})
	if out.Warnings == nil {
		out.Warnings = []string{}
	}
	return out
}

// asked is how many rows a phase was to attempt. A read beside its write was to read what
// that acknowledged, which is known at the end.
func asked(p record.Phase, end *record.End) int64 {
	if p.ReadAfterSeconds != nil && end != nil {
		return end.Followed
	}
	return p.Rows
}

// percentiles in milliseconds; all zero while nothing was recorded.
func percentiles(h *hdrhistogram.Histogram) Percentiles {
	if h.TotalCount() == 0 {
		return Percentiles{}
	}
	ms := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / float64(time.Millisecond) }
	return Percentiles{P50: ms(50), P95: ms(95), P99: ms(99), P999: ms(99.9), Max: float64(h.Max()) / float64(time.Millisecond)}
}
