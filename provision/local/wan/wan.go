// Package wan is the network between the regions of a local cluster. It listens
// on each node's public address and forwards to the private one, as a region's
// NAT does, dials from the sender's own public address, and adds the distance:
// latency and faults belong to a pair of regions. Traffic inside a region passes
// freely.
package wan

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"crossring/internal/topology"
)

// Endpoint is one node as the network sees it.
type Endpoint struct {
	Node    string
	Region  string
	Public  netip.Addr
	Private netip.Addr
	Ports   []int // forwarded, public to private
}

// Config of a network.
type Config struct {
	Endpoints []Endpoint
	RTT       time.Duration // between any two regions, at the start
	// Between is that of two regions instead, where they differ; nil is RTT for all.
	Between func(a, b string) time.Duration
	// Way is what a direction does at the start; nil is half of the round trip and no more.
	Way func(from, to string) topology.Way
	// Sender names the node that opened a connection when its source address
	// does not tell. It may be nil.
	Sender func(net.Conn) (node string, ok bool)
	Log    *slog.Logger
}

// WAN is a running network. Its methods may be called from several goroutines.
type WAN struct {
	cfg Config // but for its Endpoints

	nodes     sync.RWMutex // never taken before mu
	endpoints []Endpoint

	mu        sync.Mutex
	closed    bool
	listeners map[string][]listener // by region
	pairs     map[[2]string]*pair
	rtt       map[string]float64 // measured, by "a -> b", in ms
	changed   chan struct{}      // closed when a line changes
	wg        sync.WaitGroup
	stop      chan struct{}
}

// listener accepts for one node.
type listener struct {
	net.Listener
	node string
}

// pair is the line between two regions, which may be one and the same.
type pair struct {
	mu    sync.Mutex
	rtt   time.Duration
	share float64 // of the round trip, that the first of ways takes
	ways  [2]way  // from the first region to the second, by name, and back
	cut   bool    // packets are swallowed
	reset bool    // connections are answered with RST
	links map[*link]struct{}
}

// Listen opens the network: every listener, or none and an error.
func Listen(cfg Config) (*WAN, error) {
	w := &WAN{
		cfg:       cfg,
		endpoints: slices.Clone(cfg.Endpoints),
		listeners: map[string][]listener{},
		pairs:     map[[2]string]*pair{},
		rtt:       map[string]float64{},
		stop:      make(chan struct{}),
		changed:   make(chan struct{}),
	}
	for _, region := range w.regions() {
		if err := w.open(region); err != nil {
			w.Close()
			return nil, err
		}
	}
	if err := w.startProbes(); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// Close ends the network and every connection through it.
func (w *WAN) Close() {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return
	}
	w.closed = true
	close(w.stop)
	for _, ls := range w.listeners {
		closeAll(ls)
	}
	pairs := make([]*pair, 0, len(w.pairs))
	for _, p := range w.pairs {
		pairs = append(pairs, p)
	}
	w.mu.Unlock()
	for _, p := range pairs {
		p.dropLinks(func(*link) bool { return true })
	}
	w.wg.Wait()
}

func (w *WAN) regions() []string {
	var regions []string
	seen := map[string]bool{}
	for _, e := range w.known() {
		if !seen[e.Region] {
			seen[e.Region] = true
			regions = append(regions, e.Region)
		}
	}
	return regions
}

// open listens on the public addresses of one region.
func (w *WAN) open(region string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.listeners[region]) > 0 {
		return nil
	}
	var opened []listener
	for _, e := range w.known() {
		if e.Region != region {
			continue
		}
		ls, err := w.listen(e)
		if err != nil {
			closeAll(opened)
			return err
		}
		opened = append(opened, ls...)
	}
	w.listeners[region] = opened
	return nil
}

// listen opens the public ports of one node: all, or none and an error.
func (w *WAN) listen(e Endpoint) ([]listener, error) {
	var opened []listener
	for _, port := range e.Ports {
		l, err := net.Listen("tcp", net.JoinHostPort(e.Public.String(), strconv.Itoa(port)))
		if err != nil {
			closeAll(opened)
			return nil, fmt.Errorf("listen for %s: %w", e.Node, err)
		}
		opened = append(opened, listener{l, e.Node})
		w.serve(l, e, net.JoinHostPort(e.Private.String(), strconv.Itoa(port)), true)
	}
	return opened, nil
}

// serve accepts on l for endpoint e until l is closed, and forwards to target. The bytes are
// the cluster's where they are counted.
func (w *WAN) serve(l net.Listener, e Endpoint, target string, counted bool) {
	w.wg.Add(1)
	go func() {
		defer w.wg.Done()
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				// Out of descriptors, most likely: others must close some first.
				w.cfg.Log.Warn("accept", "node", e.Node, "err", err)
				select {
				case <-w.stop:
					return
				case <-time.After(100 * time.Millisecond):
				}
				continue
			}
			w.wg.Add(1)
			go func() {
				defer w.wg.Done()
				w.forward(c.(*net.TCPConn), e, target, counted)
			}()
		}
	}()
}

// forward carries one accepted connection to its end.
func (w *WAN) forward(in *net.TCPConn, to Endpoint, target string, counted bool) {
	from, known := w.sender(in)
	p := w.pair(from.Region, to.Region)
	l := &link{in: in, delayed: from.Region != to.Region, counted: counted}
	cut, reset := p.add(l)
	defer p.remove(l)
	if w.isClosed() {
		l.drop()
		return
	}
	if reset {
		l.refuse(p.refusal())
		return
	}
	if cut {
		// Nothing comes back from the far side: the connection hangs until the
		// line is mended, and is then reset, for what was sent is lost.
		l.swallow()
		return
	}
	dialer := net.Dialer{Timeout: 10 * time.Second}
	if known {
		dialer.LocalAddr = &net.TCPAddr{IP: from.Public.AsSlice()}
	}
	out, err := dialer.Dial("tcp", target)
	if err != nil {
		w.cfg.Log.Debug("dial", "from", from.Node, "to", to.Node, "err", err)
		l.refuse(p.refusal())
		return
	}
	if !l.connect(out.(*net.TCPConn)) {
		return
	}
	l.run(p, direction(from.Region, to.Region))
}

// sender tells which node opened the connection. An unknown one is outside all
// regions: it has the distance of another region, and no address of its own.
func (w *WAN) sender(c net.Conn) (Endpoint, bool) {
	addr := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	for _, e := range w.known() {
		if e.Public == addr || e.Private == addr {
			return e, true
		}
	}
	if w.cfg.Sender != nil {
		if name, ok := w.cfg.Sender(c); ok {
			return w.endpoint(name)
		}
	}
	return Endpoint{Node: addr.String()}, false
}

func (w *WAN) pair(a, b string) *pair {
	if a > b {
		a, b = b, a
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.pairs[[2]string{a, b}]
	if p == nil {
		p = &pair{links: map[*link]struct{}{}, share: 0.5}
		if a != b {
			p.rtt = w.cfg.RTT
			if w.cfg.Between != nil {
				p.rtt = w.cfg.Between(a, b)
			}
			w.asPlanned(p, a, b)
		}
		w.pairs[[2]string{a, b}] = p
	}
	return p
}

func (w *WAN) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

func (p *pair) add(l *link) (cut, reset bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links[l] = struct{}{}
	return p.cut, p.reset
}

func (p *pair) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (p *pair) isCut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut
}

// dropLinks resets the links that which picks.
func (p *pair) dropLinks(which func(*link) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		if which(l) {
			l.drop()
		}
	}
}

func closeAll[T io.Closer](cs []T) {
	for _, c := range cs {
		c.Close()
	}
}
