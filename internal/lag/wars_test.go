package lag

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A world that is as the model has it is predicted; one whose line is longer is not.
func TestModel(t *testing.T) {
	for _, tt := range []struct {
		name   string
		longer time.Duration
		within bool
	}{{"as it is", 0, true}, {"a longer line", 15 * ms, false}} {
		t.Run(tt.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			var here, there Rows
			w := NewWatch(&here, 1000)
			const way = 40 * ms
			latency := func() time.Duration {
				return 500*time.Microsecond + time.Duration(r.ExpFloat64()*float64(4*ms))
			}
			for i := range 5000 {
				sent := time.Duration(i) * 10 * ms
				seq := here.Send(sent)
				took := latency()
				here.Settle(seq, Acknowledged, sent+took)
				seq = there.Send(sent)
				there.Settle(seq, Acknowledged, sent+latency())
				seen := sent + way + tt.longer + latency()/2
				w.Looked(Range{Bucket: seq / 1000, First: seq, Last: seq}, seen-ms, seen, nil)
				w.Looked(Range{Bucket: seq / 1000, First: seq, Last: seq}, seen, seen+ms, []int64{seq})
			}
			p := w.Pair("a", "b", 60*time.Second, time.Minute, &Model{OneWay: way, There: there.Latencies()})
			if d := p.ModelDifference; d == nil || (*d <= 0.02) != tt.within {
				t.Errorf("the model is off by %v", *d)
			}
			if n := len(p.Staleness); n != 61 || p.Staleness[n-1].Millis != 300 || p.Staleness[n-1].AtLeast != 1 || p.Staleness[0].AtMost != 0 {
				t.Errorf("curve %+v", p.Staleness)
			}
			for i, b := range p.Staleness {
				a := p.Staleness[max(i-1, 0)]
				if a.AtLeast > b.AtLeast || a.AtMost > b.AtMost || *a.Predicted > *b.Predicted || b.AtLeast > b.AtMost {
					t.Errorf("the curve does not grow from %+v to %+v", a, b)
				}
			}
		})
	}
}
