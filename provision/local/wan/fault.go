package wan

import (
	"fmt"
	"io"
	"math"
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
	Ways        []Way   `json:"ways"` // both directions; null of a keeper of an older crossring
}

// Way is one direction of a Line, as set.
type Way struct {
	From string `json:"from"`
	To   string `json:"to"`
	topology.Way
}

// Plain says that a direction takes half of the round trip, and does nothing else.
func (w Way) Plain(rtt float64) bool {
	const dust = 0.001 // of halving in whole ns
	rest := w.Way
	rest.DelayMillis = 0
	return rest == topology.Way{} && math.Abs(w.DelayMillis-rtt/2) < dust
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
			l := Line{A: a, B: b, RTTMillis: millis(p.rtt), Connections: len(p.links)}
			switch {
			case p.cut:
				l.Fault = topology.FaultPartition
			case p.reset:
				l.Fault = topology.FaultReset
			}
			for i, ends := range [][2]string{{a, b}, {b, a}} {
				way := p.ways[i].Way
				way.DelayMillis = millis(p.delayLocked(i))
				l.Ways = append(l.Ways, Way{From: ends[0], To: ends[1], Way: way})
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

// Bytes are how many have been delivered from region to region, by topology.WayKey, since the
// network was opened: payload of TCP, without the probes' own.
func (w *WAN) Bytes() map[string]int64 {
	bytes := map[string]int64{}
	for _, a := range w.regions() {
		for _, b := range w.regions() {
			if a != b {
				bytes[topology.WayKey(a, b)] = w.pair(a, b).ways[direction(a, b)].bytes.Load()
			}
		}
	}
	return bytes
}

// SetRTT changes the round trip between two regions, running connections included.
func (w *WAN) SetRTT(a, b string, rtt time.Duration) error {
	if rtt < 0 {
		return fmt.Errorf("a round trip of %s is below 0", rtt)
	}
	return w.between(a, b, func(p *pair) error { return p.stretch(rtt, p.share) })
}

// Partition cuts two regions from each other by silence: what is sent is
// swallowed, and a new connection is accepted and never answered.
func (w *WAN) Partition(a, b string) error {
	return w.between(a, b, func(p *pair) error {
		p.cut, p.reset = true, false
		return nil
	})
}

// Reset answers every connection between two regions with RST, those that stand
// and those to come.
func (w *WAN) Reset(a, b string) error {
	return w.between(a, b, func(p *pair) error {
		p.cut, p.reset = false, true
		for l := range p.links {
			l.drop()
		}
		return nil
	})
}

// Heal ends every fault between two regions but another round trip. Connections that lost
// bytes are reset.
func (w *WAN) Heal(a, b string) error {
	return w.between(a, b, func(p *pair) error {
		p.cut, p.reset = false, false
		w.asPlanned(p, a, b)
		for l := range p.links {
			if l.isLost() {
				l.drop()
			}
		}
		return nil
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

// between changes the line between two regions, running connections included.
func (w *WAN) between(a, b string, f func(*pair) error) error {
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
	err := f(p)
	if err == nil {
		for l := range p.links {
			go l.retune(p) // waits for a chunk that is being delivered
		}
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
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
			w.serve(public, e, private.Addr().String(), false)
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
