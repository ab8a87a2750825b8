// Package probe observes what internal/preflight judges. One probe runs at each
// end: on a machine as a hidden command of this program, started over SSH and
// spoken to on its standard input and output; for this computer, and for nodes on
// loopback, in process. It listens where nothing else does, connects, and watches
// which packets pass the machine's devices. It ends when its input does.
package probe

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"crossring/internal/plain"
	"crossring/internal/preflight"
)

// Command is the hidden command that makes the program a probe.
const Command = "probe"

// request asks a probe for one thing. Several may be under way.
type request struct {
	ID      int     `json:"id"`
	Op      string  `json:"op"` // listen, own, dial, bulk, trace, watch, seen, firewall
	Address string  `json:"address,omitempty"`
	Port    int     `json:"port,omitempty"`
	Ports   []int   `json:"ports,omitempty"`
	Source  string  `json:"source,omitempty"` // address to connect from; "" is any
	Token   string  `json:"token,omitempty"`
	TLS     bool    `json:"tls,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	MSS     int     `json:"mss,omitempty"`
	TTLs    []int   `json:"ttls,omitempty"`
}

type response struct {
	ID       int                 `json:"id"`
	Error    string              `json:"error,omitempty"`
	Listen   map[int]string      `json:"listen,omitempty"` // by port: "" or why not
	Taken    []int               `json:"taken,omitempty"`  // ports at which something listens already
	Own      bool                `json:"own,omitempty"`    // the address is the machine's
	Tried    *preflight.Tried    `json:"tried,omitempty"`
	Bulk     *preflight.Bulk     `json:"bulk,omitempty"`
	Hops     []preflight.Hop     `json:"hops,omitempty"`
	Seen     []Packet            `json:"seen,omitempty"`
	Firewall *preflight.Firewall `json:"firewall,omitempty"`
}

// Packet is one or more packets of a connection's beginning that passed a device of
// the machine: SYN, SYN and ACK, or RST.
type Packet struct {
	Out      bool           `json:"out"` // it left
	Src, Dst netip.AddrPort // json: as text
	Syn      bool           `json:"syn"`
	Ack      bool           `json:"ack"`
	Count    int            `json:"count"`
}

// life is the longest that a probe stays: it must not outlive whoever forgot it.
const life = 15 * time.Minute

// Serve answers requests until in ends or ctx does. The probe says "ready" first.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, life)
	defer cancel()
	p := &server{}
	defer p.close()
	enc := json.NewEncoder(out)
	var mu sync.Mutex // of enc
	answer := func(r response) error {
		mu.Lock()
		defer mu.Unlock()
		return enc.Encode(r)
	}
	if err := answer(response{}); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	requests := make(chan request)
	failed := make(chan error, 1)
	go func() {
		dec := json.NewDecoder(bufio.NewReader(in))
		for {
			var r request
			if err := dec.Decode(&r); err != nil {
				failed <- err
				return
			}
			select {
			case requests <- r:
			case <-ctx.Done():
				return
			}
		}
	}()
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	for {
		select {
		case r := <-requests:
			work.Go(func() {
				res := p.do(ctx, r)
				res.ID = r.ID
				_ = answer(res) // who asked has gone, and in will end
			})
		case err := <-failed:
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
				return nil
			}
			return fmt.Errorf("probe: reading what to do: %w", err)
		case <-ctx.Done():
			return nil
		}
	}
}

// server is what one probe has open.
type server struct {
	mu     sync.Mutex
	listen []io.Closer
	watch  *watcher
}

func (p *server) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.listen {
		l.Close()
	}
	p.listen = nil
	if p.watch != nil {
		p.watch.close()
	}
	p.watch = nil
}

func (p *server) do(ctx context.Context, r request) response {
	switch r.Op {
	case "listen":
		return p.doListen(r)
	case "own":
		l, err := net.Listen("tcp", net.JoinHostPort(r.Address, "0"))
		if err != nil {
			return response{}
		}
		l.Close()
		return response{Own: true}
	case "dial":
		t := dial(ctx, r)
		return response{Tried: &t}
	case "bulk":
		b := bulk(ctx, r)
		return response{Bulk: &b}
	case "trace":
		hops, err := trace(ctx, r)
		return response{Hops: hops, Error: plain.ErrorText(err)}
	case "watch":
		w, err := watch(r.Ports)
		if err == nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.watch = w
		}
		return response{Error: plain.ErrorText(err)}
	case "seen":
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.watch == nil {
			return response{Error: "nothing was watched"}
		}
		return response{Seen: p.watch.seen()}
	case "firewall":
		f := readFirewall(ctx)
		return response{Firewall: &f}
	}
	return response{Error: fmt.Sprintf("a probe does not know %q", r.Op)}
}
