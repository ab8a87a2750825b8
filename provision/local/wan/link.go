package wan

import (
	"io"
	"net"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// link is one connection: the accepted side, the dialled side, and the delay
// line of each direction.
type link struct {
	delayed bool // between regions
	counted bool // its bytes are the cluster's, and not a probe's

	mu      sync.Mutex
	in, out *net.TCPConn
	dropped bool
	lost    bool // bytes were swallowed: the stream can't go on

	setting sync.Mutex // held while toxics are put in, or replaced
	lines   []*line
}

// line is the delay line of one direction.
type line struct {
	dir   int
	stubs [stages]*toxics.ToxicStub
	now   setting
}

// connect adds the dialled side; false if the link was dropped meanwhile.
func (l *link) connect(out *net.TCPConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = out
	if l.dropped {
		reset(out)
	}
	return !l.dropped
}

// drop resets both sides, so that each end sees RST.
func (l *link) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dropped {
		return
	}
	l.dropped = true
	reset(l.in)
	if l.out != nil {
		reset(l.out)
	}
}

func (l *link) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = true
}

func (l *link) isLost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// refuse resets the accepted side, after a while.
func (l *link) refuse(after time.Duration) {
	_ = l.in.SetReadDeadline(time.Now().Add(after)) // fails only on a closed connection
	_, _ = io.Copy(io.Discard, l.in)                // ends with the deadline or the connection
	l.drop()
}

// swallow reads and forgets until the link is dropped or its opener goes.
func (l *link) swallow() {
	l.lose()
	_, _ = io.Copy(io.Discard, l.in) // ends with the connection, however it ends
	l.drop()
}

// run carries both directions until both have ended. dir is the one from who opened it.
func (l *link) run(p *pair, dir int) {
	var both sync.WaitGroup
	for _, d := range []struct {
		from, to *net.TCPConn
		dir      int
	}{{l.in, l.out, dir}, {l.out, l.in, 1 - dir}} {
		both.Add(1)
		go func() {
			defer both.Done()
			if l.delayed {
				l.carry(p, d.dir, d.from, d.to)
			} else if _, err := io.Copy(d.to, d.from); err != nil {
				l.drop()
			} else {
				d.to.CloseWrite()
			}
		}()
	}
	both.Wait()
	l.in.Close()
	l.out.Close()
}

// carry moves bytes one way through the delay line of its direction.
func (l *link) carry(p *pair, dir int, from, to *net.TCPConn) {
	const chunks = 1024 // what may be under way at once; the sender waits beyond it
	entry := make(chan *stream.StreamChunk)
	buffered := make(chan *stream.StreamChunk, chunks)
	go func() {
		// The delay line takes a chunk only when the one before has left it, so a
		// queue stands before it; each chunk keeps the time at which it came in.
		defer close(buffered)
		for c := range entry {
			buffered <- c
		}
	}()
	exit := l.lay(p, dir, buffered)

	done := make(chan struct{})
	go func() {
		defer close(done)
		l.deliver(p, dir, stream.NewChanReader(exit), to)
	}()
	w := stream.NewChanWriter(entry)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		switch {
		case n > 0 && (p.isCut() || l.isLost()):
			l.lose()
		case n > 0:
			_, _ = w.Write(buf[:n]) // a channel: it never fails
		}
		if err == nil {
			continue
		}
		if err == io.EOF && (p.isCut() || l.isLost()) {
			l.lose() // the far side never hears of the end
		} else if err != io.EOF {
			l.drop()
		}
		break
	}
	_ = w.Close()
	<-done
}

// deliver writes what leaves the delay line. It always reads to the end, since
// the delay line can't stop before.
func (l *link) deliver(p *pair, dir int, r io.Reader, to *net.TCPConn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if p.isCut() || l.isLost() {
				l.lose()
			} else if sent, err := to.Write(buf[:n]); err != nil {
				l.drop()
			} else if l.counted {
				p.ways[dir].bytes.Add(int64(sent))
			}
		}
		if err != nil {
			break
		}
	}
	if !p.isCut() && !l.isLost() {
		to.CloseWrite()
	}
}

// lay puts the toxics of a direction one behind the other, and returns where they end.
func (l *link) lay(p *pair, dir int, in <-chan *stream.StreamChunk) <-chan *stream.StreamChunk {
	l.setting.Lock()
	defer l.setting.Unlock()
	ln := &line{dir: dir, now: p.setting(dir)}
	for i, toxic := range ln.now.toxics(&p.ways[dir].room) {
		out := make(chan *stream.StreamChunk)
		ln.stubs[i] = toxics.NewToxicStub(in, out)
		go ln.stubs[i].Run(always(toxic))
		in = out
	}
	l.lines = append(l.lines, ln)
	return in
}

// retune makes a running link as its pair is by now. It waits for a chunk that is being
// delivered.
func (l *link) retune(p *pair) {
	l.setting.Lock()
	defer l.setting.Unlock()
	for _, ln := range l.lines {
		next := p.setting(ln.dir)
		changed, all := ln.now.changed(next), next.toxics(&p.ways[ln.dir].room)
		// From the far end: what the last one holds back is in the way of those before it.
		for i := stages - 1; i >= 0; i-- {
			if changed[i] && ln.stubs[i].InterruptToxic() {
				go ln.stubs[i].Run(always(all[i]))
			}
		}
		ln.now = next
	}
}

// always is a toxic that is in force for every connection.
func always(t toxics.Toxic) *toxics.ToxicWrapper {
	return &toxics.ToxicWrapper{Toxic: t, Toxicity: 1}
}

// refusal is how long a refusal takes: the way there and back, and at least so
// long that a server which connects again at once, as 1.2 does when it is reset
// after the connection stood, keeps no processor busy.
func (p *pair) refusal() time.Duration {
	const least = 50 * time.Millisecond
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.rtt, least)
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // fails only on a closed connection, which is what is wanted
	c.Close()
}
