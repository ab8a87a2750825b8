package main

import (
	"bufio"
	"context"
	"encoding/gob"
	"net"
	"strconv"
	"sync"
	"time"
)

// message is what nodes tell each other.
type message struct {
	Words  []word
	Schema shape
	Rows   []put
}

// word is what a node says of itself.
type word struct {
	Public, Datacenter, Rack, ID, Version string
	Storage                               int
	Tokens                                []string
	Beat                                  int64 // grows while it lives
}

// gossip is what a node knows of all.
type gossip struct {
	n     *node
	mu    sync.Mutex
	known map[string]word
	heard map[string]time.Time
	met   chan struct{} // closed when a seed has answered, or this is one
	once  sync.Once
}

const (
	beatEvery = 200 * time.Millisecond
	silence   = 2 * time.Second // after which a node counts as down
)

func newGossip(n *node) *gossip {
	g := &gossip{n: n, known: map[string]word{}, heard: map[string]time.Time{}, met: make(chan struct{})}
	g.beat()
	if len(n.seeds) == 0 || has(n.seeds, n.public) {
		g.once.Do(func() { close(g.met) })
	}
	return g
}

func (g *gossip) beat() {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.n
	g.known[n.public] = word{Public: n.public, Datacenter: n.datacenter, Rack: n.rack, ID: n.id, Version: n.version, Storage: n.storage, Tokens: n.tokens, Beat: time.Now().UnixNano()}
	g.heard[n.public] = time.Now()
}

// hear takes what another node has told.
func (g *gossip) hear(m message) {
	g.take(m.Words)
	g.n.tables.merge(m.Schema, m.Rows)
}

// take keeps what is newer.
func (g *gossip) take(words []word) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, w := range words {
		if w.Public != g.n.public && w.Beat > g.known[w.Public].Beat {
			g.known[w.Public], g.heard[w.Public] = w, time.Now()
		}
	}
}

func (g *gossip) words() []word {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []word
	for _, w := range g.known {
		all = append(all, w)
	}
	return all
}

// live says of each known node whether it has been heard lately.
func (g *gossip) live() map[string]bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := map[string]bool{}
	for a, at := range g.heard {
		all[a] = time.Since(at) < silence
	}
	return all
}

func (g *gossip) joined(ctx context.Context) error {
	select {
	case <-g.met:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// speak tells everybody what is known, and takes what they answer, over connections that
// stand.
func (g *gossip) speak(ctx context.Context) {
	begun := map[string]bool{}
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		g.beat()
		targets := map[string]int{}
		for _, s := range g.n.seeds {
			targets[s] = g.n.storage
		}
		for _, w := range g.words() {
			targets[w.Public] = w.Storage
		}
		for address, port := range targets {
			if address != g.n.public && !begun[address] {
				begun[address] = true
				go g.with(ctx, address, port)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// with keeps talking with one node.
func (g *gossip) with(ctx context.Context, address string, port int) {
	sent := 0
	for ctx.Err() == nil {
		g.meet(ctx, net.JoinHostPort(address, strconv.Itoa(port)), &sent)
		select {
		case <-time.After(beatEvery):
		case <-ctx.Done():
		}
	}
}

// meet talks with a node over one connection, for as long as that stands. sent is how many
// of the writes made here it has.
func (g *gossip) meet(ctx context.Context, at string, sent *int) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp4", at)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	in, out := gob.NewDecoder(bufio.NewReader(conn)), gob.NewEncoder(conn)
	for ctx.Err() == nil {
		if err := conn.SetDeadline(time.Now().Add(silence)); err != nil {
			return
		}
		said := message{Words: g.words(), Schema: g.n.tables.shape(), Rows: g.n.tables.since(*sent)}
		var answer message
		if out.Encode(said) != nil || in.Decode(&answer) != nil {
			return
		}
		g.hear(answer)
		g.once.Do(func() { close(g.met) })
		if *sent += len(said.Rows); len(said.Rows) > 0 {
			continue // there may be more
		}
		select {
		case <-time.After(beatEvery):
		case <-ctx.Done():
		}
	}
}

// accept answers those who speak.
func (g *gossip) accept(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			in, out := gob.NewDecoder(bufio.NewReader(conn)), gob.NewEncoder(conn)
			for {
				var said message
				if in.Decode(&said) != nil {
					return
				}
				g.hear(said)
				if out.Encode(message{Words: g.words(), Schema: g.n.tables.shape()}) != nil {
					return
				}
			}
		}()
	}
}
