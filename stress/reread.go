package stress

import (
	"container/heap"
	"context"
	"sync/atomic"
	"time"
)

// reread is a row that was missing and is to be read again.
type reread struct {
	key     int64
	first   time.Duration // end of its first read, on the phase's clock
	at      time.Duration // when it is due
	wait    time.Duration // before at
	attempt int           // the next one's number
}

// rereads holds missing rows back until they are due. Rows may be handed to it at
// any time without waiting; those who read them again are its own workers.
type rereads struct {
	deadline time.Duration // after the first read
	retry    retry
	clock    func() time.Duration

	due     chan reread // to the workers; closed when there is nothing left
	in      chan reread
	gone    chan struct{} // one for each row settled
	last    chan struct{} // closed when no new rows come
	stopped chan struct{} // closed when rows are no longer taken
	waiting atomic.Int64  // rows neither found nor given up
	given   atomic.Int64  // rows given up before their deadline
}

func newRereads(deadline time.Duration, r retry, clock func() time.Duration) *rereads {
	return &rereads{
		deadline: deadline, retry: r, clock: clock,
		due: make(chan reread), in: make(chan reread), gone: make(chan struct{}),
		last: make(chan struct{}), stopped: make(chan struct{}),
	}
}

// add takes a row that its first read missed.
func (q *rereads) add(r reread) {
	if q.waiting.Add(1) > maxRereadQueue {
		q.waiting.Add(-1)
		q.given.Add(1)
		return
	}
	r.attempt = 1
	q.schedule(r, r.first)
}

// again takes back a row that was missed again at now, or gives it up if it has
// been read at its deadline.
func (q *rereads) again(r reread, now time.Duration) {
	if r.at >= r.first+q.deadline {
		q.settled()
		return
	}
	r.attempt++
	q.schedule(r, now)
}

func (q *rereads) schedule(r reread, now time.Duration) {
	r.wait = q.retry.next(r.wait)
	// The last read is at the deadline, not before: a row that could have been
	// seen in time is.
	r.at = min(now+r.wait, r.first+q.deadline)
	select {
	case q.in <- r:
	case <-q.stopped:
		q.drop()
	}
}

// settled says that a row needs no more reads.
func (q *rereads) settled() {
	select {
	case q.gone <- struct{}{}:
	case <-q.stopped:
		q.waiting.Add(-1)
	}
}

func (q *rereads) drop() {
	q.waiting.Add(-1)
	q.given.Add(1)
}

// noMore says that no new rows will come.
func (q *rereads) noMore() { close(q.last) }

func (q *rereads) pending() int64 {
	if q == nil {
		return 0
	}
	return q.waiting.Load()
}

func (q *rereads) abandoned() int64 {
	if q == nil {
		return 0
	}
	return q.given.Load()
}

// run hands rows out as they come due, until ctx ends or none is left.
func (q *rereads) run(ctx context.Context) {
	defer close(q.due)
	defer close(q.stopped)
	var held rereadHeap
	defer func() {
		for range held {
			q.drop()
		}
	}()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	last := q.last
	for {
		if last == nil && q.waiting.Load() == 0 {
			return
		}
		var out chan reread
		var next reread
		timer.Stop()
		if len(held) > 0 {
			next = held[0]
			if wait := next.at - q.clock(); wait > 0 {
				timer.Reset(wait)
			} else {
				out = q.due
			}
		}
		select {
		case r := <-q.in:
			heap.Push(&held, r)
		case out <- next:
			heap.Pop(&held)
		case <-q.gone:
			q.waiting.Add(-1)
		case <-last:
			last = nil
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// rereadHeap has the row that is due first at its top.
type rereadHeap []reread

func (h rereadHeap) Len() int           { return len(h) }
func (h rereadHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h rereadHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *rereadHeap) Push(x any)        { *h = append(*h, x.(reread)) }
func (h *rereadHeap) Pop() any {
	old := *h
	r := old[len(old)-1]
	*h = old[:len(old)-1]
	return r
}
