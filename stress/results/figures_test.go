package results

import (
	"math"
	"testing"
	"time"

	"crossring/stress/record"
	"crossring/stress/record/recordtest"
)

// steady is a write of rows at 1,000 a second, each of which takes 2 ms, or 9 ms every 50th.
func steady(t *testing.T, rows int64, rate float64) *Dir {
	t.Helper()
	p := recordtest.Phase
	p.Op, p.FirstKey, p.Rows, p.Keys, p.Rate = record.OpWrite, 0, rows, nil, rate
	var recs []record.Record
	for key := range rows {
		r := record.Record{Key: key, Outcome: record.Acknowledged, Coordinator: "127.0.0.1", Start: time.Duration(key) * time.Millisecond, Service: 2 * time.Millisecond}
		if key%50 == 0 {
			r.Service = 9 * time.Millisecond
		}
		if rate > 0 {
			r.Delay = time.Millisecond
		}
		recs = append(recs, r)
	}
	return put(t, map[string][]byte{"write.raw": recordtest.Stream(t, p, recs, &record.End{})})
}

func figures(t *testing.T, d *Dir) Figures {
	t.Helper()
	f, err := d.Figures(t.Context(), record.OpWrite, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFiguresOfASteadyPhase(t *testing.T) {
	f := figures(t, steady(t, 64_000, 1000))
	if f.Rows != 64_000 || math.Abs(f.Seconds-64) > 0.1 || len(f.Series["rate"]) != 64 {
		t.Fatalf("%d rows in %v s, %d stretches", f.Rows, f.Seconds, len(f.Series["rate"]))
	}
	for _, want := range []struct {
		name string
		n    int
		low  float64
		high float64
	}{
		{"rate", 64, 980, 1020}, {"p50", 64, 2, 2.01}, {"p95", 64, 2, 2.01}, {"p99", 64, 8.99, 9.01}, {"p999", 1, 8.99, 9.01}, {"max", 1, 8.99, 9.01},
		{"response.p50", 64, 3, 3.01}, {"response.p99", 64, 9.99, 10.01},
	} {
		x := f.Series[want.name]
		if len(x) != want.n {
			t.Errorf("%s: %d stretches, want %d", want.name, len(x), want.n)
		}
		for _, v := range x {
			if v < want.low || v > want.high {
				t.Errorf("%s: %v, want %v to %v", want.name, v, want.low, want.high)
				break
			}
		}
	}
}

// Percentiles have stretches with rows enough for them; few rows have none.
func TestFiguresOfFewRows(t *testing.T) {
	f := figures(t, steady(t, 20_000, 0))
	if n := len(f.Series["p99"]); n != 16 {
		t.Errorf("p99 of 20,000 rows in %d stretches, want 16 of 1,250", n)
	}
	if _, there := f.Series["response.p50"]; there {
		t.Error("a closed loop has no response times")
	}
	f = figures(t, steady(t, 100, 0))
	if len(f.Series["rate"]) > 8 || len(f.Series["p50"]) != 1 || len(f.Series["p99"]) != 1 {
		t.Errorf("of 100 rows: %v", f.Series)
	}
	if f := figures(t, put(t, map[string][]byte{"write.raw": recordtest.Stream(t, func() record.Phase {
		p := recordtest.Phase
		p.Op = record.OpWrite
		return p
	}(), nil, nil)})); f.Rows != 0 || len(f.Series) != 0 {
		t.Errorf("of nothing: %+v", f)
	}
}

// A stall is in the rate, and has no latency of its own.
func TestFiguresOfAStall(t *testing.T) {
	p := recordtest.Phase
	p.Op, p.FirstKey, p.Rows, p.Keys = record.OpWrite, 0, 2000, nil
	var recs []record.Record
	for key := range p.Rows {
		at := time.Duration(key) * time.Millisecond
		if key >= 1000 {
			at += time.Second
		}
		recs = append(recs, record.Record{Key: key, Outcome: record.Acknowledged, Coordinator: "127.0.0.1", Start: at, Service: time.Millisecond})
	}
	f := figures(t, put(t, map[string][]byte{"write.raw": recordtest.Stream(t, p, recs, &record.End{})}))
	still := 0
	for _, v := range f.Series["rate"] {
		if v == 0 {
			still++
		}
	}
	if n := len(f.Series["rate"]); n != 64 || still < 20 || still > 22 {
		t.Errorf("%d of %d stretches without an answer, want a third", still, n)
	}
	if n := len(f.Series["p50"]); n != 64-still {
		t.Errorf("%d stretches have a p50, %d had answers", n, 64-still)
	}
}

// What was answered during the warm-up is in no figure.
func TestFiguresWithoutWarmUp(t *testing.T) {
	p := recordtest.Phase
	p.Op, p.FirstKey, p.Rows, p.Keys = record.OpWrite, 0, 20_000, nil
	var recs []record.Record
	for key := range p.Rows {
		r := record.Record{Key: key, Outcome: record.Acknowledged, Coordinator: "127.0.0.1", Start: time.Duration(key) * time.Millisecond, Service: 2 * time.Millisecond}
		if key < 5000 {
			r.Service = 500 * time.Millisecond
		}
		recs = append(recs, r)
	}
	d := put(t, map[string][]byte{"write.raw": recordtest.Stream(t, p, recs, &record.End{})})
	f, err := d.Figures(t.Context(), record.OpWrite, 6*time.Second)
	if err != nil || f.Rows != 20_000 || len(f.Series["p99"]) != 8 {
		t.Fatalf("%d rows, %d stretches, %v", f.Rows, len(f.Series["p99"]), err)
	}
	for _, name := range []string{"p50", "p99", "p999", "max"} {
		for _, v := range f.Series[name] {
			if v > 2.01 {
				t.Errorf("%s: %v, of the warm-up", name, v)
			}
		}
	}
	if f := figures(t, d); f.Series["max"][0] < 499 {
		t.Errorf("the whole has a longest of %v", f.Series["max"])
	}
	if _, err := d.Figures(t.Context(), record.OpWrite, time.Minute); err == nil {
		t.Error("a warm-up longer than the phase leaves figures")
	}
}
