package wan

import (
	"fmt"
	"io"
	"net"
	"sort"
	"time"

	"crossring/internal/topology"
)

// Line is the state of the network between two regions.
type Line struct {
	A           string  `json:"a"`
	B           string  `json:"b"`
	RTTMillis   float64 `json:"rtt_ms"` // as set
	Fault       string  `json:"fault"`  // "", "partition" or "reset"
	Connections int     `json:"connections"`
}

// Lines lists the lines between regions, by name.
func (w *WAN) Lines() []Line {
	var lines []Line
	regions := w.regions()
	sort.Strings(regions)
	for i, a := range regions {
		for _, b := range regions[i+1:] {
			p := w.pair(a, b)
			p.mu.Lock()
			l := Line{A: a, B: b, RTTMillis: float64(p.rtt) / float64(time.Millisecond), Connections: len(p.links)}
			switch {
			case p.cut:
				l.Fault = topology.FaultPartition
			case p.reset:
				l.Fault = topology.FaultReset
			}
			p.mu.Unlock()
			lines = append(lines, l)
		}
	}
	return lines
}

// Refused lists the regions whose public ports are closed.
func (w *WAN) Refused() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	refused := []string{}
	for _, r := range w.regions() {
		if len(w.listeners[r]) == 0 {
			refused = append(refused, r)
		}
	}
	return refused
}

// changes does what each kind of topology.FaultKinds says.
func (w *WAN) changes() map[string]func(a, b string, rtt time.Duration) error {
	between := func(f func(a, b string) error) func(string, string, time.Duration) error {
		return func(a, b string, _ time.Duration) error { return f(a, b) }
	}
	at := func(f func(region string) error) func(string, string, time.Duration) error {
		return func(region, _ string, _ time.Duration) error { return f(region) }
	}
	return map[string]func(a, b string, rtt time.Duration) error{
		topology.FaultPartition: between(w.Partition), topology.FaultReset: between(w.Reset), "heal": between(w.Heal),
		topology.FaultRefuse: at(w.Refuse), "accept": at(w.Accept), topology.FaultLatency: w.SetRTT,
	}
}

// Apply makes a change by the name of its topology.FaultKind. What the kind does not
// take counts for nothing.
func (w *WAN) Apply(kind, a, b string, rtt time.Duration) error {
	change, ok := w.changes()[kind]
	if !ok {
		return fmt.Errorf("no fault is called %q", kind)
	}
	return change(a, b, rtt)
}

// SetRTT changes the round trip between two regions, running connections included.
func (w *WAN) SetRTT(a, b string, rtt time.Duration) error {
	if rtt < 0 {
		return fmt.Errorf("a round trip of %s is below 0", rtt)
	}
	return w.between(a, b, func(p *pair) {
		p.rtt = rtt
		d := p.delayLocked()
		for l := range p.links {
			go l.setDelay(d) // waits for a chunk that is being delivered
		}
	})
}

// Partition cuts two regions from each other by silence: what is sent is
// swallowed, and a new connection is accepted and never answered.
func (w *WAN) Partition(a, b string) error {
	return w.between(a, b, func(p *pair) { p.cut, p.reset = true, false })
}

// Reset answers every connection between two regions with RST, those that stand
// and those to come.
func (w *WAN) Reset(a, b string) error {
	return w.between(a, b, func(p *pair) {
		p.cut, p.reset = false, true
		for l := range p.links {
			l.drop()
		}
	})
}

// Heal ends a partition or a reset. Connections that lost bytes are reset.
func (w *WAN) Heal(a, b string) error {
	return w.between(a, b, func(p *pair) {
		p.cut, p.reset = false, false
		for l := range p.links {
			if l.isLost() {
				l.drop()
			}
		}
	})
}

// Refuse closes the public ports of a region: new connections to it are refused.
func (w *WAN) Refuse(region string) error {
	if err := w.hasRegion(region); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	closeAll(w.listeners[region])
	delete(w.listeners, region)
	return nil
}

// Accept opens the public ports of a region again.
func (w *WAN) Accept(region string) error {
	if err := w.hasRegion(region); err != nil {
		return err
	}
	return w.open(region)
}

func (w *WAN) between(a, b string, f func(*pair)) error {
	for _, r := range []string{a, b} {
		if err := w.hasRegion(r); err != nil {
			return err
		}
	}
	if a == b {
		return fmt.Errorf("a fault is between two regions, not inside %s", a)
	}
	p := w.pair(a, b)
	p.mu.Lock()
	f(p)
	p.mu.Unlock()
	// What was measured was another line's; the next probe does not wait its turn.
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.rtt, a+" -> "+b)
	delete(w.rtt, b+" -> "+a)
	close(w.changed)
	w.changed = make(chan struct{})
	return nil
}

func (w *WAN) hasRegion(region string) error {
	regions := w.regions()
	for _, r := range regions {
		if r == region {
			return nil
		}
	}
	return fmt.Errorf("no region %q; the regions are %v", region, regions)
}

// Measured returns the round trips between regions as last measured, in
// milliseconds, by "a -> b". A line that let nothing through is absent.
func (w *WAN) Measured() map[string]float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := make(map[string]float64, len(w.rtt))
	for k, v := range w.rtt {
		m[k] = v
	}
	return m
}

// startProbes sets up, for the first node of each region, an echo behind the
// same forwarding that the nodes' traffic takes, and measures each line with it.
func (w *WAN) startProbes() error {
	const every = 10 * time.Second
	type station struct {
		Endpoint
		echo string // public address of the echo
	}
	var stations []station
	for _, region := range w.regions() {
		for _, e := range w.known() {
			if e.Region != region {
				continue
			}
			private, err := net.Listen("tcp", net.JoinHostPort(e.Private.String(), "0"))
			if err != nil {
				return fmt.Errorf("listen for the echo of %s: %w", e.Node, err)
			}
			public, err := net.Listen("tcp", net.JoinHostPort(e.Public.String(), "0"))
			if err != nil {
				private.Close()
				return fmt.Errorf("listen for the echo of %s: %w", e.Node, err)
			}
			// Not among the region's listeners: the echo is no service of a node's.
			go func() {
				<-w.stop
				private.Close()
				public.Close()
			}()
			w.echo(private)
			w.serve(public, e, private.Addr().String())
			stations = append(stations, station{e, public.Addr().String()})
			break
		}
	}
	for i, a := range stations {
		for _, b := range stations[i+1:] {
			w.wg.Add(1)
			go func() {
				defer w.wg.Done()
				key := a.Region + " -> " + b.Region
				tick := time.NewTicker(every)
				defer tick.Stop()
				for {
					w.mu.Lock()
					changed := w.changed
					w.mu.Unlock()
					ms, err := ping(a.Private.AsSlice(), b.echo)
					w.mu.Lock()
					if err != nil {
						delete(w.rtt, key)
					} else if changed == w.changed {
						w.rtt[key] = ms
					}
					w.mu.Unlock()
					select {
					case <-w.stop:
						return
					case <-changed:
					case <-tick.C:
					}
				}
			}()
		}
	}
	return nil
}

func (w *WAN) echo(l net.Listener) {
	w.wg.Add(1)
	go func() {
		defer w.wg.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.CopyN(c, c, pings) // whoever else comes hears no more either
			}()
		}
	}()
}

// pings is how many bytes a probe sends, one after the other.
const pings = 3

// ping opens a connection and times one byte there and back: the best of a few.
func ping(from net.IP, to string) (float64, error) {
	const deadline = 2 * time.Second
	d := net.Dialer{Timeout: deadline, LocalAddr: &net.TCPAddr{IP: from}}
	c, err := d.Dial("tcp", to)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(deadline)); err != nil {
		return 0, err
	}
	best := deadline
	var b [1]byte
	for range pings {
		start := time.Now()
		if _, err := c.Write(b[:]); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(c, b[:]); err != nil {
			return 0, err
		}
		best = min(best, time.Since(start))
	}
	return float64(best.Microseconds()) / 1000, nil
}
