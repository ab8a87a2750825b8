// Package live reads the servers of a cluster once a second while something else goes on.
package live

import (
	"context"
	"errors"
	"sync"
	"time"

	"crossring/internal/meanwhile"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

const (
	every = time.Second
	// patience is how long a server has for an answer. One that is slower than every is asked
	// less often.
	patience = 5 * time.Second
	// lastPatience is that of the last reading, for which everybody waits.
	lastPatience = 2 * time.Second
)

// Reader reads one server.
type Reader interface {
	Read(ctx context.Context) ([meanwhile.Kinds]float64, error)
	Close()
}

// Watch reads servers until it is stopped.
type Watch struct {
	Since time.Time // when it began

	stop    context.CancelFunc
	done    sync.WaitGroup
	mu      sync.Mutex
	servers []*server
}

type server struct {
	node   topology.Node
	series meanwhile.Series
	last   meanwhile.Reading
	failed error // of the last reading
}

// Start begins to read the nodes of a cluster through their agents.
func Start(q ringcheck.Query) *Watch {
	return start(q.Inventory.Nodes, func(n topology.Node) Reader { return ringcheck.NewMeter(q, n) })
}

func start(nodes []topology.Node, open func(topology.Node) Reader) *Watch {
	ctx, stop := context.WithCancel(context.Background()) // a load that ends says so by Stop
	w := &Watch{Since: time.Now(), stop: stop}
	for _, n := range nodes {
		s := &server{node: n}
		w.servers = append(w.servers, s)
		w.done.Go(func() { w.read(ctx, s, open(n)) })
	}
	return w
}

// read reads one server at once, then at each whole second, and once more at the end.
func (w *Watch) read(ctx context.Context, s *server, r Reader) {
	defer r.Close()
	for {
		w.once(ctx, s, r, patience)
		next := time.Since(w.Since).Truncate(every) + every
		t := time.NewTimer(time.Until(w.Since.Add(next)))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			w.once(context.WithoutCancel(ctx), s, r, lastPatience)
			return
		}
	}
}

func (w *Watch) once(ctx context.Context, s *server, r Reader, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	values, err := r.Read(ctx)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return // it is the end, and no fault of the server's
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s.failed = err
	if err == nil {
		s.last = meanwhile.Reading{At: time.Since(w.Since), Values: values}
		s.series.Add(s.last)
	}
}

// Now is the newest reading of each node's server; those that never answered are not in it.
func (w *Watch) Now() []Now {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []Now
	for _, s := range w.servers {
		if s.last.At > 0 {
			all = append(all, Now{Node: s.node, Values: s.last.Values})
		}
	}
	return all
}

// Now is what a node's server said last.
type Now struct {
	Node   topology.Node
	Values [meanwhile.Kinds]float64
}

// Stop ends the reading, and says what was read.
func (w *Watch) Stop() []meanwhile.Server {
	w.stop()
	w.done.Wait()
	all := []meanwhile.Server{}
	for _, s := range w.servers {
		step, seconds := s.series.Fold()
		one := meanwhile.Server{Name: s.node.Name, Datacenter: s.node.Datacenter, StepSeconds: step, Seconds: seconds}
		if s.failed != nil {
			one.Missing = s.failed.Error()
			var helped interface{ Hint() string }
			if errors.As(s.failed, &helped) {
				one.Missing += "; to have it: " + helped.Hint()
			}
		}
		all = append(all, one)
	}
	return all
}
