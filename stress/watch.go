package stress

import (
	"context"
	"sync"
	"time"
)

// lease is the context of one worker's requests, one after the other. It ends
// when a request has taken too long, and begins anew with the next one. Unlike
// context.WithTimeout it costs no timer and no allocation per request: one
// goroutine looks after all leases.
type lease struct {
	mu      sync.Mutex
	since   time.Duration // when the request began, on the watch's clock
	busy    bool
	expired bool
	done    chan struct{} // replaced by its worker only, between requests
}

var _ context.Context = (*lease)(nil)

func (l *lease) Deadline() (time.Time, bool) { return time.Time{}, false }
func (l *lease) Value(any) any               { return nil }

// Done is only called by the worker whose lease it is.
func (l *lease) Done() <-chan struct{} { return l.done }

func (l *lease) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.expired {
		return context.DeadlineExceeded
	}
	return nil
}

// begin opens the lease for a request that starts at now.
func (l *lease) begin(now time.Duration) {
	l.mu.Lock()
	if l.expired {
		l.expired = false
		l.done = make(chan struct{})
	}
	l.since, l.busy = now, true
	l.mu.Unlock()
}

func (l *lease) end() {
	l.mu.Lock()
	l.busy = false
	l.mu.Unlock()
}

// expire ends the lease of a request that began before the given time.
func (l *lease) expire(before time.Duration) {
	l.mu.Lock()
	if l.busy && !l.expired && l.since < before {
		l.expired = true
		close(l.done)
	}
	l.mu.Unlock()
}

// watch ends the leases of requests that take longer than timeout.
type watch struct {
	timeout time.Duration
	clock   func() time.Duration
	leases  []*lease
}

func (w *watch) lease() *lease {
	l := &lease{done: make(chan struct{})}
	w.leases = append(w.leases, l)
	return l
}

// run looks after the leases until stop is closed. All have to be made before.
func (w *watch) run(stop <-chan struct{}) {
	tick := time.NewTicker(min(max(w.timeout/16, time.Millisecond), 250*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for _, l := range w.leases {
				l.expire(w.clock() - w.timeout)
			}
		case <-stop:
			return
		}
	}
}
