package lag

import (
	"math/rand/v2"
	"testing"
	"time"
)

// world is two regions whose clocks differ by a known time, and in which it is known when each
// row is there.
type echoWorld struct {
	sides []Side
	truth [2][]time.Duration // the lags of rows of each, Infinite of one that never came
}

// echoes simulates one: rows are seen by looks every few ms, some never come, and some writes
// fail.
func echoes(r *rand.Rand, offset time.Duration) echoWorld {
	const rows, end = 400, 8 * time.Second
	w := echoWorld{sides: []Side{{Seen: map[int][]Sight{}, Ended: end}, {Seen: map[int][]Sight{}, Ended: end + offset}}}
	ms := func(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }
	shift := []time.Duration{0, offset}
	for side := range 2 {
		other := 1 - side
		var looks []time.Duration // beginnings
		for at := time.Duration(0); at < end; at += ms(1 + 4*r.Float64()) {
			looks = append(looks, at)
		}
		sights := make([]Sight, rows)
		for seq := range rows {
			sent := ms(float64(seq) * 10)
			settled := sent + ms(0.5+3*r.Float64())
			there := sent + ms(20+30*r.Float64())
			outcome := Acknowledged
			switch r.IntN(50) {
			case 0:
				there = Infinite
			case 1:
				there = settled + ms(2000*r.Float64())
			case 2:
				outcome = Unknown
			case 3:
				settled = there + ms(20) // as a write that waits for all
			}
			sight := Sight{Missed: NeverLooked}
			for _, at := range looks {
				took := ms(0.2 + r.Float64())
				if at >= there { // what is there when a look begins is seen by it
					sight.Seen = at + took + shift[other]
					break
				}
				sight.Missed = at + shift[other]
			}
			w.sides[side].Rows = append(w.sides[side].Rows, Written{sent + shift[side], settled + shift[side], outcome})
			sights[seq] = sight
			if outcome == Acknowledged {
				lag := Infinite
				if there != Infinite {
					lag = max(0, there-settled)
				}
				w.truth[side] = append(w.truth[side], lag)
			}
		}
		w.sides[other].Seen[side] = sights
	}
	return w
}

// Two clocks, far apart or near: the bounds hold the truth, row by row, and the offset.
func FuzzEchoes(f *testing.F) {
	for i, offset := range []int64{0, 3_000, -3_000, 86_400_000, 17, -1} {
		f.Add(uint64(i), offset)
	}
	f.Fuzz(func(t *testing.T, seed uint64, millis int64) {
		if millis > 1e9 || millis < -1e9 {
			t.Skip("no such clock")
		}
		by := time.Duration(millis) * time.Millisecond
		w := echoes(rand.New(rand.NewPCG(seed, 1)), by)
		for from := range 2 {
			to := 1 - from
			low, high, known := offset(from, to, w.sides)
			truth := by
			if from == 1 {
				truth = -by
			}
			if !known || truth < low || truth > high || high-low > 60*time.Millisecond {
				t.Fatalf("the offset is %v, and said to be from %v to %v", truth, low, high)
			}
			list := w.fates(from, to)
			for i, lag := range w.truth[from] {
				if f := list[i]; lag < f.Low || lag > f.High {
					t.Errorf("row %d from %d: lag %v, said to be from %v to %v", i, from, lag, f.Low, f.High)
				}
			}
			p := EchoPair([]string{"a", "b"}, from, to, w.sides, time.Second)
			if p.Rows != p.Seen+p.Never+p.Pending || p.Rows != int64(len(w.truth[from])) || p.Pending > 0 && p.Never == 0 || p.Offset == nil {
				t.Errorf("%d rows: %d seen, %d never, %d pending", p.Rows, p.Seen, p.Never, p.Pending)
			}
			if p.Offset.Low > float64(truth)/1e6 || p.Offset.High < float64(truth)/1e6 {
				t.Errorf("offset %+v, truth %v", *p.Offset, truth)
			}
		}
	})
}

func (w echoWorld) fates(from, to int) []fate { return echoFates(from, to, w.sides, time.Second) }

// A region of which nothing came back has no bounds, and no row of it is seen or never seen.
func TestNoEcho(t *testing.T) {
	w := echoes(rand.New(rand.NewPCG(1, 1)), time.Hour)
	w.sides[0].Seen = nil
	p := EchoPair([]string{"a", "b"}, 0, 1, w.sides, time.Second)
	if p.Seen != 0 || p.Never != 0 || p.Pending != p.Rows || p.Offset != nil || p.Lag.High.P50 != nil {
		t.Errorf("%+v", p)
	}
}
