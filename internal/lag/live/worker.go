package live

import (
	"context"
	"time"

	"crossring/internal/lag"
	"crossring/internal/pause"
)

// Worker is what one datacenter does of a run in which each has a clock of its own: it writes
// rows, and looks for those of others, of which it knows how many there will be and nothing else.
type Worker struct {
	Config // Endpoints is its own alone, and Pairs is empty
	Run    uint64
	Own    int   // its number
	Others []int // those whose rows it looks for
	// Origin is the time that all times are since, by the worker's own clock.
	Origin time.Time
}

const (
	// behind is how far behind the newest row every look goes. Rows that are further behind,
	// and may never come, are looked for once in a while.
	behind      = 512
	slowEvery   = 100 // looks
	bucketAhead = 64  // rows before the end of a bucket from which on the next one is looked in
)

// Work does its part. When ctx ends it stops, and tells what it saw by then.
func Work(ctx context.Context, w Worker) (lag.Side, error) {
	s, err := Open(ctx, w.Config)
	if err != nil {
		return lag.Side{}, err
	}
	defer s.Close()
	return s.work(ctx, w), nil
}

func (s *Sessions) work(ctx context.Context, w Worker) lag.Side {
	r := &round{Sessions: s, rows: max(1, int64(w.Rate*w.Duration.Seconds()))}
	r.bucket = max(bucketLeast, int64(w.Rate*bucketOf))
	now := time.Now()
	since := now.Round(0).Sub(w.Origin.Round(0)) // by the wall clock, for that is what clocks are compared by
	r.base = now.Add(-since)
	r.due = func(i int64) time.Duration { return since + time.Duration(float64(i)/w.Rate*float64(time.Second)) }
	src := &source{partition: partitions(w.Run, w.Own)}
	most, cancel := context.WithTimeout(ctx, w.Duration+w.Deadline+slack)
	defer cancel()
	side := lag.Side{Seen: map[int][]lag.Sight{}, Looks: map[int]lag.Looks{}}
	type seen struct {
		of     int
		sights []lag.Sight
		looks  lag.Looks
	}
	all := make(chan seen)
	for _, other := range w.Others {
		go func() {
			f := follower{round: r, partition: partitions(w.Run, other)}
			f.run(most)
			all <- seen{other, f.sights, f.looks}
		}()
	}
	r.writeAll(ctx, src)
	for range w.Others {
		one := <-all
		side.Seen[one.of], side.Looks[one.of] = one.sights, one.looks
	}
	side.Rows, side.Ended, side.Stopped, side.Late = src.rows.List(), r.now(), ctx.Err() != nil, src.late.Load()
	return side
}

// follower looks for the rows of another datacenter.
type follower struct {
	*round
	partition func(bucket int64) int64
	sights    []lag.Sight
	looks     lag.Looks
	low, top  int64 // no row before low is missing; top is behind the last that was seen
	found     int64
	fast      map[int64]look // the last look in a bucket that went no further back than it had to
	slow      map[int64]look // the last that went back to low
}

// look is when one began, and from which row on.
type look struct {
	start time.Duration
	first int64
}

func (f *follower) run(ctx context.Context) {
	f.sights = make([]lag.Sight, f.rows)
	for i := range f.sights {
		f.sights[i].Missed = lag.NeverLooked
	}
	f.fast, f.slow = map[int64]look{}, map[int64]look{}
	find := f.readers[0].finder(ctx)
	due := f.now()
	for n := 0; f.found < f.rows; n++ {
		if due = max(due+f.cfg.Every, f.now()); !pause.For(ctx, due-f.now()) {
			return
		}
		first, kept := max(f.low, f.top-behind), f.fast
		if n%slowEvery == 0 {
			first, kept = f.low, f.slow
		}
		for b := first / f.bucket; b <= min(f.top+bucketAhead, f.rows-1)/f.bucket; b++ {
			what := lag.Range{Bucket: b, First: max(first, b*f.bucket), Last: (b+1)*f.bucket - 1}
			start := f.now()
			list, err := find(f.partition(b), what)
			end := f.now()
			if ctx.Err() != nil {
				return
			}
			f.looks.Made++
			if err != nil {
				f.looks.Failed++
				continue
			}
			f.saw(b, list, end)
			kept[b] = look{start, what.First}
		}
		for f.low < f.rows && f.sights[f.low].Seen != 0 {
			f.low++
		}
	}
}

// saw notes rows that a look found which ended then.
func (f *follower) saw(b int64, list []int64, end time.Duration) {
	for _, seq := range list {
		if seq < 0 || seq >= f.rows || f.sights[seq].Seen != 0 {
			continue
		}
		for _, before := range []map[int64]look{f.fast, f.slow} {
			if l, ok := before[b]; ok && seq >= l.first {
				f.sights[seq].Missed = max(f.sights[seq].Missed, l.start)
			}
		}
		f.sights[seq].Seen = end
		f.found++
		f.top = max(f.top, seq+1)
	}
}
