package stress

import (
	"context"
	"sync"
	"time"

	"crossring/stress/record"
)

// Follow hands rows from a write to a read that runs beside it, in one process: each when it
// has been acknowledged for so long. Rows whose write failed, or is of unknown outcome, are
// not handed on. Make one with NewFollow, and set it in the Config of both.
type Follow struct {
	after time.Duration

	mu    sync.Mutex
	queue []acknowledged // not handed on yet, in their order
	at    map[int64]time.Time
	sum   int64
	ended bool
	wake  chan struct{} // has an element when the queue or ended has changed

	due chan acknowledged // closed when all have been handed on
}

// acknowledged is a row, and when its writer heard of it.
type acknowledged struct {
	key int64
	at  time.Time
}

// NewFollow has rows read so long after their acknowledgement.
func NewFollow(after time.Duration) *Follow {
	return &Follow{after: after, at: map[int64]time.Time{}, wake: make(chan struct{}, 1), due: make(chan acknowledged)}
}

// add takes a row that was acknowledged.
func (f *Follow) add(key int64, at time.Time) {
	f.mu.Lock()
	f.queue = append(f.queue, acknowledged{key, at})
	f.sum++
	f.mu.Unlock()
	f.changed()
}

// End says that the write has ended: no more rows come.
func (f *Follow) End() {
	f.mu.Lock()
	f.ended = true
	f.mu.Unlock()
	f.changed()
}

func (f *Follow) changed() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run hands rows on until there are none left, or ctx ends.
func (f *Follow) run(ctx context.Context) {
	defer close(f.due)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		f.mu.Lock()
		batch, ended := f.queue, f.ended
		f.queue = nil
		f.mu.Unlock()
		for _, row := range batch {
			if wait := time.Until(row.at.Add(f.after)); wait > 0 {
				timer.Reset(wait)
				select {
				case <-timer.C:
				case <-ctx.Done():
					return
				}
			}
			select {
			case f.due <- row:
			case <-ctx.Done():
				return
			}
		}
		if len(batch) > 0 {
			continue
		}
		if ended {
			return
		}
		select {
		case <-f.wake:
		case <-ctx.Done():
			return
		}
	}
}

// next is a row that is due; false when there are no more.
func (f *Follow) next(ctx context.Context) (acknowledged, bool) {
	select {
	case row, ok := <-f.due:
		return row, ok
	case <-ctx.Done():
		return acknowledged{}, false
	}
}

// missed keeps the time of a row's acknowledgement, for its lag, until it is seen.
func (f *Follow) missed(row acknowledged) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at[row.key] = row.at
}

// lookup is Acks.Lookup for rows that were missed.
func (f *Follow) lookup(key int64) (record.Outcome, time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at, ok := f.at[key]; ok {
		return record.Acknowledged, at
	}
	return 0, time.Time{}
}

// count is how many rows were acknowledged.
func (f *Follow) count() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sum
}
