package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"crossring/internal/plain"
	"crossring/internal/preflight"
)

// Probe is one that runs, here or on a machine. It may be used from several
// goroutines.
type Probe struct {
	in io.WriteCloser

	mu      sync.Mutex // of what follows, and of in
	last    int
	waiting map[int]chan response
	ended   chan struct{}
	err     error // why it ended
}

// Open speaks to a probe whose input is in and whose output is out, once it says that
// it is ready.
func Open(ctx context.Context, in io.WriteCloser, out io.Reader) (*Probe, error) {
	p := &Probe{in: in, waiting: map[int]chan response{}, ended: make(chan struct{})}
	ready := make(chan response, 1)
	p.waiting[0] = ready
	go p.read(out)
	select {
	case <-ready:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("starting a probe: %w", p.err)
	case <-ctx.Done():
		in.Close()
		return nil, fmt.Errorf("starting a probe: %w", context.Cause(ctx))
	}
}

// Local runs a probe in this process.
func Local(ctx context.Context) (*Probe, error) {
	in, asks := io.Pipe()
	answers, out := io.Pipe()
	go func() { out.CloseWithError(Serve(ctx, in, out)) }()
	return Open(ctx, asks, answers)
}

// Close ends the probe.
func (p *Probe) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.in.Close()
}

// Wait returns when the probe has ended.
func (p *Probe) Wait() { <-p.ended }

func (p *Probe) read(out io.Reader) {
	dec := json.NewDecoder(out)
	for {
		var r response
		if err := dec.Decode(&r); err != nil {
			p.mu.Lock()
			p.err = err
			p.mu.Unlock()
			close(p.ended)
			return
		}
		p.mu.Lock()
		to := p.waiting[r.ID]
		delete(p.waiting, r.ID)
		p.mu.Unlock()
		if to != nil {
			to <- r
		}
	}
}

func (p *Probe) ask(ctx context.Context, r request) (response, error) {
	answer := make(chan response, 1)
	p.mu.Lock()
	p.last++
	r.ID = p.last
	p.waiting[r.ID] = answer
	err := json.NewEncoder(p.in).Encode(r)
	p.mu.Unlock()
	if err != nil {
		return response{}, fmt.Errorf("asking a probe to %s: %w", r.Op, err)
	}
	select {
	case got := <-answer:
		if got.Error != "" {
			return got, errors.New(got.Error)
		}
		return got, nil
	case <-p.ended:
		return response{}, fmt.Errorf("a probe ended while it was asked to %s: %w", r.Op, p.err)
	case <-ctx.Done():
		return response{}, fmt.Errorf("waiting for a probe to %s: %w", r.Op, context.Cause(ctx))
	}
}

// Listen listens at ports of an address, for those who know the token. It says by
// port who listens there from now on, and why not.
func (p *Probe) Listen(ctx context.Context, address string, ports []int, token string) (map[int]preflight.Listener, map[int]string, error) {
	r, err := p.ask(ctx, request{Op: "listen", Address: address, Ports: ports, Token: token})
	if err != nil {
		return nil, nil, err
	}
	who := map[int]preflight.Listener{}
	for port, problem := range r.Listen {
		who[port] = preflight.ByProbe
		if problem != "" {
			who[port] = preflight.ByNobody
		}
	}
	for _, port := range r.Taken {
		who[port] = preflight.ByServer
		delete(r.Listen, port)
	}
	return who, r.Listen, nil
}

// Own says whether an address is the machine's itself, and not that of a NAT before it.
func (p *Probe) Own(ctx context.Context, address string) (bool, error) {
	r, err := p.ask(ctx, request{Op: "own", Address: address})
	return r.Own, err
}

// Dial connects from source, "" being any address, and says what became of it. token
// is that of the probe at the other end; "" is a server that is there already. With
// tls a handshake is tried, too.
func (p *Probe) Dial(ctx context.Context, source, address string, port int, token string, tls bool) (preflight.Tried, error) {
	r, err := p.ask(ctx, request{Op: "dial", Source: source, Address: address, Port: port, Token: token, TLS: tls})
	if err != nil || r.Tried == nil {
		return preflight.Tried{State: preflight.Untried, Error: plain.ErrorText(err)}, err
	}
	return *r.Tried, nil
}

// Bulk sends many bytes to another probe for some seconds, in segments of at most
// mss bytes; 0 is as the path has it.
func (p *Probe) Bulk(ctx context.Context, source, address string, port int, token string, seconds float64, mss int) (preflight.Bulk, error) {
	r, err := p.ask(ctx, request{Op: "bulk", Source: source, Address: address, Port: port, Token: token, Seconds: seconds, MSS: mss})
	if err != nil || r.Bulk == nil {
		return preflight.Bulk{Unavailable: plain.ErrorText(err)}, err
	}
	return *r.Bulk, nil
}

// Trace finds the routers on the way to a port, up to the machine itself. Lifetimes
// that are given are tried alone, until nothing answers.
func (p *Probe) Trace(ctx context.Context, address string, port int, ttls ...int) ([]preflight.Hop, error) {
	r, err := p.ask(ctx, request{Op: "trace", Address: address, Port: port, TTLs: ttls})
	return r.Hops, err
}

// Watch begins to watch which packets of connections to ports pass.
func (p *Probe) Watch(ctx context.Context, ports []int) error {
	_, err := p.ask(ctx, request{Op: "watch", Ports: ports})
	return err
}

// Seen lists the packets that passed since.
func (p *Probe) Seen(ctx context.Context) ([]Packet, error) {
	r, err := p.ask(ctx, request{Op: "seen"})
	return r.Seen, err
}

// Firewall reads the rules of the machine's own firewall.
func (p *Probe) Firewall(ctx context.Context) (preflight.Firewall, error) {
	r, err := p.ask(ctx, request{Op: "firewall"})
	if err != nil || r.Firewall == nil {
		return preflight.Firewall{Problem: plain.ErrorText(err)}, err
	}
	return *r.Firewall, nil
}
