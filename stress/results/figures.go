package results

import (
	"context"
	"fmt"
	"io"
	"time"

	"crossring/stress/record"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Figures are those of a phase over and over again: of each of many equal stretches of its
// time, in order. By them it is told how much a figure of the whole is worth.
type Figures struct {
	Frame
	// Series are by the figure's name: rate, in rows per second, client_cpu_us_per_op of the whole, p50, p95, p99, p999 and max in
	// ms of service time, and of an open loop the same of response time, as response.p50. A
	// percentile has so long stretches that ten rows or so are above it in each; where that
	// leaves too few of them, it has a single one, the whole.
	Series map[string][]float64 `json:"series"`
	// After is that of a read beside its write.
	After After `json:"-"`
}

const (
	// mostStretches is a power of two, so that neighbours can be put together in pairs.
	mostStretches   = 64
	fewestStretches = 8
	// rowsAbove is how many rows are to be above a percentile of a stretch.
	rowsAbove = 10
)

// quantiles are those of Figures, by name.
var quantiles = []struct {
	name string
	q    float64
}{{"p50", 50}, {"p95", 95}, {"p99", 99}, {"p999", 99.9}}

// Figures goes through the raw results of a phase. What was answered in the first time of it,
// warmup long, is in none of Series; the rest of Figures is of the whole.
func (d *Dir) Figures(ctx context.Context, op string, warmup time.Duration) (Figures, error) {
	var f *fold
	err := d.with(ctx, op, func(raws []io.Reader) (err error) {
		f, err = foldAll(op, raws)
		return err
	})
	if err != nil {
		return Figures{}, err
	}
	whole := f.frame()
	out := Figures{Frame: whole, After: f.ages.after(), Series: map[string][]float64{}}
	if whole.Rows == 0 || whole.Seconds <= 0 {
		return out, nil
	}
	if !f.begin.Add(warmup).Before(f.finish) {
		return out, fmt.Errorf("run directory %s: the %s took %.1f s, which is all warm-up", d.Path, op, whole.Seconds)
	}
	s := newStretches(f.begin.Add(warmup), f.finish, whole.Rows)
	if err := d.Attempts(ctx, op, s.fill); err != nil {
		return out, err
	}
	out.Series["rate"] = s.rates()
	if whole.ClientCPUMicros > 0 {
		out.Series["client_cpu_us_per_op"] = []float64{whole.ClientCPUMicros}
	}
	s.percentiles(out.Series, "", s.service)
	if whole.Response != nil {
		s.percentiles(out.Series, "response.", s.response)
	}
	return out, nil
}

// stretches is a phase cut into equal pieces of time.
type stretches struct {
	begin             time.Time
	each              time.Duration
	rows              []int64
	service, response []*hdrhistogram.Histogram
}

func newStretches(begin, finish time.Time, rows int64) *stretches {
	n := mostStretches
	for n > 1 && rows < int64(n)*2*rowsAbove {
		n /= 2
	}
	s := &stretches{begin: begin, each: max(finish.Sub(begin)/time.Duration(n), 1), rows: make([]int64, n)}
	for range n {
		s.service, s.response = append(s.service, newHistogram()), append(s.response, newHistogram())
	}
	return s
}

// fill takes the first attempts of a stream, by the time of their answers.
func (s *stretches) fill(p record.Phase, rec *record.Record) error {
	if rec.Attempt == 0 {
		s.count(p, rec)
	}
	return nil
}

func (s *stretches) count(p record.Phase, rec *record.Record) {
	since := p.Start.Add(rec.Start + rec.Service).Sub(s.begin)
	if since < 0 {
		return // the warm-up
	}
	i := min(int(since/s.each), len(s.rows)-1)
	s.rows[i]++
	if rec.Coordinator == "" {
		return
	}
	// What is out of range is counted by the summary.
	_ = s.service[i].RecordValue(int64(rec.Service))
	if p.Rate > 0 {
		_ = s.response[i].RecordValue(int64(rec.Delay + rec.Service))
	}
}

// rates are in rows per second.
func (s *stretches) rates() []float64 {
	out := make([]float64, len(s.rows))
	for i, n := range s.rows {
		out[i] = float64(n) / s.each.Seconds()
	}
	return out
}

// percentiles puts neighbours together until each has enough rows for the percentile. A stretch
// in which nothing was answered has none.
func (s *stretches) percentiles(into map[string][]float64, prefix string, of []*hdrhistogram.Histogram) {
	sum := newHistogram()
	for _, h := range of {
		sum.Merge(h)
	}
	whole := percentiles(sum)
	all := map[string]float64{"p50": whole.P50, "p95": whole.P95, "p99": whole.P99, "p999": whole.P999}
	into[prefix+"max"] = []float64{whole.Max}
	rows := sum.TotalCount()
	for _, q := range quantiles {
		for len(of) > fewestStretches && float64(rows) < float64(len(of))*rowsAbove/(1-q.q/100) {
			of = paired(of)
		}
		if float64(rows) < float64(len(of))*rowsAbove/(1-q.q/100) || len(of) < fewestStretches {
			into[prefix+q.name] = []float64{all[q.name]}
			continue
		}
		for _, h := range of {
			if h.TotalCount() > 0 {
				into[prefix+q.name] = append(into[prefix+q.name], float64(h.ValueAtQuantile(q.q))/float64(time.Millisecond))
			}
		}
	}
}

func paired(of []*hdrhistogram.Histogram) []*hdrhistogram.Histogram {
	var out []*hdrhistogram.Histogram
	for i := 0; i+1 < len(of); i += 2 {
		h := newHistogram()
		h.Merge(of[i])
		h.Merge(of[i+1])
		out = append(out, h)
	}
	return out
}
