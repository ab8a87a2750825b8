package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/meanwhile"
	"crossring/internal/meanwhile/live"
	"crossring/internal/scrape"
	"crossring/internal/topology"
	"crossring/stress"
)

// shown is what is served of a load while it runs; nil is of one that nobody can look at.
type shown struct {
	endpoint *scrape.Endpoint // nil where nobody asked for it

	mu    sync.Mutex
	loads []scrape.Load
	watch *live.Watch
	count func(context.Context) meanwhile.Count
}

// checkMetrics says what is wrong with an address to serve metrics at; "" is none.
func checkMetrics(addr, verb string) error {
	if addr == "" {
		return nil
	}
	if _, _, err := scrape.Address(addr); err != nil {
		return fail.Usage("", fmt.Errorf("--metrics: %w", err), "crossring help "+verb)
	}
	return nil
}

// show serves metrics at an address, until it is closed; at "" nothing.
func show(w cluster.World, addr string) (*shown, error) {
	s := &shown{}
	if addr == "" {
		return s, nil
	}
	at, open, err := scrape.Address(addr)
	if err != nil {
		return s, err
	}
	if s.endpoint, err = scrape.Serve(at, s.now); err != nil {
		return s, fail.Usage("", err, "choose another address for --metrics, such as 127.0.0.1:0")
	}
	w.Say("metrics: %s", s.endpoint.URL)
	if open {
		w.Say("warning: the metrics are open to whoever reaches this computer at %s: they ask for no password", at)
	}
	return s, nil
}

func (s *shown) close(w cluster.World) {
	if s.endpoint == nil {
		return
	}
	if err := s.endpoint.Close(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		w.Say("warning: ending the metrics: %v", err)
	}
}

// servers has the servers and the network shown that are looked at.
func (s *shown) servers(o *observer) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch, s.count = o.watch, o.count
}

// load notes how far a load is.
func (s *shown) load(l scrape.Load) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.loads, func(have scrape.Load) bool { return have.Op == l.Op && have.Datacenter == l.Datacenter })
	if i < 0 {
		s.loads = append(s.loads, l)
		return
	}
	s.loads[i] = l
}

// phase notes how far a write or a read is.
func (s *shown) phase(datacenter string, p stress.Progress) {
	s.load(scrape.Load{Op: p.Op, Datacenter: datacenter, Done: p.Done, Rows: p.Rows, Missing: p.Missing, Bad: p.Bad})
}

// now is what there is to say.
func (s *shown) now(ctx context.Context) scrape.Sample {
	s.mu.Lock()
	sample := scrape.Sample{Loads: slices.Clone(s.loads), Bytes: map[[2]string]int64{}}
	watch, count := s.watch, s.count
	s.mu.Unlock()
	if watch != nil {
		for _, n := range watch.Now() {
			sample.Servers = append(sample.Servers, scrape.Server{Node: n.Node.Name, Datacenter: n.Node.Datacenter, Values: n.Values})
		}
	}
	if count != nil {
		for key, n := range count(ctx).Bytes {
			from, to, _ := strings.Cut(key, topology.WayKey("", ""))
			sample.Bytes[[2]string{from, to}] = n
		}
	}
	return sample
}
