package wan

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"

	"crossring/internal/topology"
)

// way is one direction of a pair.
type way struct {
	topology.Way // but for the delay, which the pair's round trip and share make
	room         room
	bytes        atomic.Int64 // that have been delivered, on connections of nodes
}

// setting is what the toxics of a direction are made from.
type setting struct {
	delay, jitter int64 // in ms
	loss          float64
	rto           time.Duration
	mbit          float64
}

// direction is which way of a pair leads from one region to another: a pair has its regions
// in order.
func direction(from, to string) int {
	if from <= to {
		return 0
	}
	return 1
}

// setting is how a direction is now. Both parts of a round trip are whole ms, as
// toxiproxy's latency is. A jitter that is more than the delay, as after a change of the
// plan's own line, is cut to it.
func (p *pair) setting(dir int) setting {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := &p.ways[dir]
	delay := p.delayLocked(dir).Round(time.Millisecond).Milliseconds()
	return setting{
		delay: delay, jitter: min(int64(math.Round(w.JitterMillis)), delay),
		loss: w.LossPercent / 100, rto: retransmission(p.rtt), mbit: w.Mbit,
	}
}

// delayLocked is a direction's share of the round trip.
func (p *pair) delayLocked(dir int) time.Duration {
	share := p.share
	if dir == 1 {
		share = 1 - share
	}
	return time.Duration(share * float64(p.rtt))
}

// stages is how many toxics a direction has, one behind the other.
const stages = 3

// toxics are what a direction does, in the order in which a chunk meets it. The limit of the
// bandwidth is last: toxiproxy's latency is counted from when a chunk came in, and would be
// less by what it had waited before.
func (s setting) toxics(r *room) [stages]toxics.Toxic {
	all := [stages]toxics.Toxic{&toxics.LatencyToxic{Latency: s.delay, Jitter: s.jitter}, &toxics.NoopToxic{}, &toxics.NoopToxic{}}
	if s.loss > 0 {
		all[1] = &lossToxic{share: s.loss, rto: s.rto}
	}
	if s.mbit > 0 {
		all[2] = &bandwidthToxic{mbit: s.mbit, room: r}
	}
	return all
}

// changed says which of the toxics differ between two settings.
func (s setting) changed(t setting) [stages]bool {
	return [stages]bool{
		s.delay != t.delay || s.jitter != t.jitter,
		s.loss != t.loss || s.loss > 0 && s.rto != t.rto,
		s.mbit != t.mbit,
	}
}

// How TCP sends a lost segment again, as Linux does. It waits the smoothed round trip and four
// times its deviation, the latter 200 ms at least (RFC 6298, 2.3; TCP_RTO_MIN and
// tcp_rtt_estimator in net/ipv4/tcp_input.c), twice as long each time that it is lost again
// (RFC 6298, 5.5), never more than 120 s (TCP_RTO_MAX), and gives up after 15 times
// (tcp_retries2).
const (
	segment  = 1448 // bytes of payload: an Ethernet frame of 1500 less IP, TCP and its timestamps
	leastRTO = 200 * time.Millisecond
	mostRTO  = 120 * time.Second
	retries  = 15
)

// retransmission is the first wait on a line.
func retransmission(rtt time.Duration) time.Duration { return min(rtt+leastRTO, mostRTO) }

// stall is how much later a chunk arrives for segments of it that were lost; draw gives numbers
// from 0 to below 1. One of n segments is lost with a probability of 1-(1-loss)^n.
func stall(bytes int, loss float64, rto time.Duration, draw func() float64) time.Duration {
	n := (bytes + segment - 1) / segment
	if draw() >= 1-math.Pow(1-loss, float64(n)) {
		return 0
	}
	var all time.Duration
	for range retries {
		all += rto
		if draw() >= loss {
			break
		}
		rto = min(2*rto, mostRTO)
	}
	return all
}

// lossToxic holds a chunk up until its lost segments are there, and with it all that comes
// behind: that is all that a program sees of loss under TCP. What arrives while it waits is
// sent again together with it, by selective acknowledgements, and loses nothing more.
type lossToxic struct {
	share float64
	rto   time.Duration
}

// Pipe is that of toxics.Toxic.
func (t *lossToxic) Pipe(stub *toxics.ToxicStub) {
	var recovered time.Time
	for {
		select {
		case <-stub.Interrupt:
			return
		case c := <-stub.Input:
			if c == nil {
				stub.Close()
				return
			}
			if !c.Timestamp.Before(recovered) {
				if d := stall(len(c.Data), t.share, t.rto, rand.Float64); d > 0 && !sleep(stub, d) {
					stub.Output <- c
					return
				}
				recovered = time.Now()
			}
			stub.Output <- c
		}
	}
}

// sleep waits; false if the toxic is to be replaced.
func sleep(stub *toxics.ToxicStub, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-stub.Interrupt:
		return false
	}
}

// room is the bandwidth of a direction, which all of its connections share. toxiproxy's own
// limit is one for each connection, and drops what it holds when it is replaced while the
// receiver reads nothing for 5 s.
type room struct {
	mu   sync.Mutex
	free time.Time
}

// take reserves the line for so many bytes, and says when the last of them is through.
func (r *room) take(now time.Time, bytes int, mbit float64) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.free.Before(now) {
		r.free = now
	}
	r.free = r.free.Add(passing(bytes, mbit))
	return r.free
}

// passing is how long bytes take.
func passing(bytes int, mbit float64) time.Duration {
	return time.Duration(float64(bytes) * 8 / mbit * float64(time.Microsecond))
}

// bandwidthToxic lets chunks through as the room allows, large ones in pieces.
type bandwidthToxic struct {
	mbit float64
	room *room
}

// piece is what passes in 20 ms, and a segment at least.
func (t *bandwidthToxic) piece() int { return max(segment, int(t.mbit*1e6/8*0.02)) }

// Pipe is that of toxics.Toxic.
func (t *bandwidthToxic) Pipe(stub *toxics.ToxicStub) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case c := <-stub.Input:
			if c == nil {
				stub.Close()
				return
			}
			for rest := c.Data; len(rest) > 0; {
				n := min(len(rest), t.piece())
				if !sleep(stub, time.Until(t.room.take(time.Now(), n, t.mbit))) {
					stub.Output <- &stream.StreamChunk{Data: rest, Timestamp: c.Timestamp}
					return
				}
				stub.Output <- &stream.StreamChunk{Data: rest[:n], Timestamp: c.Timestamp}
				rest = rest[n:]
			}
		}
	}
}
