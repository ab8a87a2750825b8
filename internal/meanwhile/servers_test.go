package meanwhile

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func reading(seconds float64, values map[int]float64) Reading {
	r := Unknown(time.Duration(seconds * float64(time.Second)))
	for k, v := range values {
		r.Values[k] = v
	}
	return r
}

func is(t *testing.T, what string, got *float64, want float64) {
	t.Helper()
	if math.IsNaN(want) != (got == nil) || got != nil && math.Abs(*got-want) > 0.001 {
		t.Errorf("%s: %v, want %v", what, show(got), want)
	}
}

func show(v *float64) any {
	if v == nil {
		return nil
	}
	return *v
}

func TestFold(t *testing.T) {
	null := math.NaN()
	var s Series
	if step, seconds := s.Fold(); step != 1 || seconds == nil || len(seconds) != 0 {
		t.Errorf("of nothing: %d, %v", step, seconds)
	}
	s.Add(reading(0.01, map[int]float64{CPU: 100, GC: 7, Heap: 5, Dropped: 3, Reads: 10, ReadMicros: 1000, Writes: 0, WriteMicros: 0}))
	s.Add(reading(1.01, map[int]float64{CPU: 101.5, GC: 27, Heap: 9, Dropped: 3, Reads: 14, ReadMicros: 9000, Writes: 0, WriteMicros: 0}))
	s.Add(reading(3.01, map[int]float64{CPU: 102.5, GC: 29, Heap: 4, Dropped: 9, Reads: 14, ReadMicros: 9000, HintsStored: 5})) // a second was missed
	s.Add(reading(4.01, map[int]float64{CPU: 0.25, GC: 1, Heap: 1, Dropped: 0}))                                                // it was started again
	s.Add(reading(4.51, map[int]float64{CPU: 0.75, GC: 1, Heap: 2, Dropped: 0, HintsStored: 1}))
	step, got := s.Fold()
	if step != 1 || len(got) != 4 {
		t.Fatalf("step %d, %d of them", step, len(got))
	}
	for i, want := range []struct {
		t                                   int
		cpu, gc, heap, dropped, read, write float64
	}{
		{0, 1.5, 20, 9, 0, 2, null}, {1, 0.5, 1, 4, 3, null, null}, {3, null, null, 1, null, null, null}, {4, 1, 0, 2, 0, null, null},
	} {
		s := got[i]
		if s.T != want.t {
			t.Errorf("%d: t %d, want %d", i, s.T, want.t)
		}
		is(t, "cpu", s.CPU, want.cpu)
		is(t, "gc", s.GCMillis, want.gc)
		is(t, "heap", s.HeapBytes, want.heap)
		is(t, "dropped", s.Dropped, want.dropped)
		is(t, "read", s.CoordinatorRead, want.read)
		is(t, "write", s.CoordinatorWrite, want.write)
		is(t, "hints", s.HintsStored, null)
		is(t, "compactions", s.Compactions, null)
	}
}

// However long a run is, its steps are at most Most, in order, and what they add up to is what
// was counted from its begin to its end; the most of a gauge is in them.
func FuzzFold(f *testing.F) {
	f.Add(uint64(1), uint16(10))
	f.Add(uint64(2), uint16(700))
	f.Add(uint64(3), uint16(20_000))
	f.Fuzz(func(t *testing.T, seed uint64, n uint16) {
		r := rand.New(rand.NewPCG(seed, 3))
		var s Series
		at, dropped, most := 0.0, 0.0, 0.0
		var first, last float64
		for i := range int(n) {
			v := r.Float64()
			if i == 0 {
				first = at
			} else if v > most {
				most = v // the gauge of the first reading is of what was before
			}
			last = at
			s.Add(reading(at, map[int]float64{Dropped: dropped, Heap: math.Round(v*1000) / 1000}))
			at += 0.9 + 0.2*r.Float64()
			if r.IntN(50) == 0 {
				at += 10 * r.Float64()
			}
			dropped += float64(r.IntN(5))
		}
		if len(s.readings) > 4*Most+1 {
			t.Fatalf("%d readings are kept", len(s.readings))
		}
		total := 0.0
		if k := len(s.readings); k > 0 {
			total = s.readings[k-1].Values[Dropped]
		}
		keptLast := 0.0
		if k := len(s.readings); k > 0 {
			keptLast = s.readings[k-1].At.Seconds()
		}
		step, seconds := s.Fold()
		if len(seconds) > Most+1 {
			t.Fatalf("%d steps of %d s", len(seconds), step)
		}
		if n < 2 {
			return
		}
		if keptLast < last-1e-6 {
			t.Fatalf("the last reading, at %g s, is not kept: %g", last, keptLast)
		}
		sum, highest := 0.0, 0.0
		for i, p := range seconds {
			if i > 0 && p.T <= seconds[i-1].T {
				t.Fatalf("t %d after %d", p.T, seconds[i-1].T)
			}
			highest = max(highest, *p.HeapBytes)
		}
		// Each step is as long as from its begin to the next one's, as far as whole seconds tell;
		// so the sum is checked by the readings that Fold left.
		from := s.readings[0]
		for i, p := range seconds {
			end := s.readings[len(s.readings)-1]
			for _, q := range s.readings {
				if i+1 < len(seconds) && int(q.At.Seconds())/step*step >= seconds[i+1].T && q.At > from.At {
					end = q
					break
				}
			}
			sum += *p.Dropped * (end.At - from.At).Seconds()
			from = end
		}
		if math.Abs(sum-total) > 0.002*(last-first+1) {
			t.Fatalf("the steps add up to %g of %g", sum, total)
		}
		if math.Abs(highest-most) > 0.001 {
			t.Fatalf("the highest of a gauge is %g, it was %g", highest, most)
		}
	})
}
