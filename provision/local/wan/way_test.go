package wan

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"golang.org/x/sys/unix"

	"crossring/internal/topology"
)

// draws gives numbers one after the other, and then the last.
func draws(n ...float64) func() float64 {
	return func() float64 {
		v := n[0]
		if len(n) > 1 {
			n = n[1:]
		}
		return v
	}
}

func TestStall(t *testing.T) {
	const rto = 264 * time.Millisecond
	if got := retransmission(64 * time.Millisecond); got != rto {
		t.Errorf("first wait: %v", got)
	}
	if got := retransmission(time.Hour); got != mostRTO {
		t.Errorf("first wait of a long line: %v", got)
	}
	for _, tt := range []struct {
		name  string
		bytes int
		loss  float64
		draw  func() float64
		want  time.Duration
	}{
		{"nothing lost", segment, 0.1, draws(0.1), 0},
		{"lost once", segment, 0.1, draws(0.09, 0.5), rto},
		{"a byte is a segment", 1, 0.1, draws(0.09, 0.5), rto},
		{"lost again", segment, 0.1, draws(0.09, 0.05, 0.5), 3 * rto},
		{"and again", segment, 0.1, draws(0.09, 0.05, 0.05, 0.5), 7 * rto},
		{"two segments are lost twice as often", 2 * segment, 0.1, draws(0.18, 0.5), rto},
		{"but for both at once", 2 * segment, 0.1, draws(0.19, 0.5), 0},
		{"without loss", 64 << 10, 0, draws(0), 0},
	} {
		if got := stall(tt.bytes, tt.loss, rto, tt.draw); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := stall(1, 0.5, rto, draws(0)); got > retries*mostRTO || got < mostRTO {
		t.Errorf("lost for ever: %v", got)
	}
}

// Over many chunks as many are held up as the loss of their segments makes likely.
func TestStallsAreAsLikelyAsTheirSegments(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, segments := range []int{1, 3, 45} {
		for _, loss := range []float64{0.001, 0.01, 0.2} {
			const n = 20_000
			hit := 0
			for range n {
				if stall(segments*segment, loss, leastRTO, r.Float64) > 0 {
					hit++
				}
			}
			p := 1 - math.Pow(1-loss, float64(segments))
			if sigma := math.Sqrt(p * (1 - p) / n); math.Abs(float64(hit)/n-p) > 5*sigma {
				t.Errorf("%d segments, loss %g: %d of %d held up, want a share of %g", segments, loss, hit, n, p)
			}
		}
	}
}

// However much is taken, and when: never more passes than the line lets through.
func FuzzRoom(f *testing.F) {
	f.Add(uint64(1), uint16(10))
	f.Fuzz(func(t *testing.T, seed uint64, tenths uint16) {
		mbit := float64(max(tenths, 1)) / 10
		r := rand.New(rand.NewPCG(seed, 0))
		var line room
		start := time.Unix(0, 0)
		now, last, all := start, start, 0
		for range 200 {
			now = now.Add(time.Duration(r.IntN(3_000_000)))
			n := 1 + r.IntN(64<<10)
			done := line.take(now, n, mbit)
			all += n
			if done.Before(last) || done.Before(now.Add(passing(n, mbit))) {
				t.Fatalf("%d bytes at %v are through at %v, those before at %v", n, now, done, last)
			}
			if passed := done.Sub(start); passed < passing(all, mbit)-time.Microsecond {
				t.Fatalf("%d bytes in %v, at %g Mbit/s", all, passed, mbit)
			}
			last = done
		}
	})
}

// pass sends chunks through a direction, and returns when each was there.
func pass(t *testing.T, p *pair, dir int, chunks ...[]byte) []time.Duration {
	t.Helper()
	in := make(chan *stream.StreamChunk)
	out := (&link{}).lay(p, dir, in)
	start := time.Now()
	go func() {
		for _, c := range chunks {
			in <- &stream.StreamChunk{Data: c, Timestamp: time.Now()}
		}
		close(in)
	}()
	var want, got []byte
	var at []time.Duration
	for _, c := range chunks {
		want = append(want, c...)
	}
	for c := range out {
		got = append(got, c.Data...)
		at = append(at, time.Since(start))
	}
	if !bytes.Equal(want, got) {
		t.Fatal("bytes changed on the way, or their order")
	}
	return at
}

func TestWaysDiffer(t *testing.T) {
	p := &pair{rtt: 100 * time.Millisecond, share: 0.8}
	if there, back := p.setting(0), p.setting(1); there.delay != 80 || back.delay != 20 {
		t.Errorf("there %+v, back %+v", there, back)
	}
	if at := pass(t, p, 0, []byte("there")); at[0] < 80*time.Millisecond {
		t.Errorf("there in %v", at)
	}
	p.ways[1].LossPercent = 50
	// One of 45 segments is as good as certain to be lost; the wait is the least that there is.
	big := make([]byte, 45*segment)
	if at := pass(t, p, 1, big); at[0] < 20*time.Millisecond+retransmission(p.rtt) {
		t.Errorf("with loss in %v", at)
	}
	p.ways[1].LossPercent, p.ways[1].Mbit = 0, 8
	const n = 100_000 // 0.1 s each
	done := make(chan time.Duration)
	for range 2 {
		go func() {
			at := pass(t, p, 1, make([]byte, n))
			done <- at[len(at)-1]
		}()
	}
	if last := max(<-done, <-done); last < 200*time.Millisecond {
		t.Errorf("two connections share 8 Mbit/s, and 200,000 bytes took %v", last)
	}
}

// A jitter that a change of the plan's own line has left larger than the delay is cut to it, so
// that nothing waits for less than nothing.
func TestJitterIsCutToTheDelay(t *testing.T) {
	p := &pair{rtt: 10 * time.Millisecond, share: 0.5}
	p.ways[0].JitterMillis = 50
	if s := p.setting(0); s.jitter != 5 {
		t.Errorf("%+v", s)
	}
}

// Under jitter, loss and a limit that come and go the bytes of a connection arrive all, once,
// and in order.
func TestBytesKeepTheirOrder(t *testing.T) {
	w, n := network(t, 10*time.Millisecond)
	stop, changed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(changed)
		r := rand.New(rand.NewPCG(7, 7))
		kinds := []Change{
			{Kind: topology.FaultJitter, Amount: 4}, {Kind: topology.FaultJitter, OneWay: true}, {Kind: topology.FaultLoss, Amount: 0.05},
			{Kind: topology.FaultBandwidth, Amount: 200}, {Kind: topology.FaultLatency, RTT: 20 * time.Millisecond},
			{Kind: topology.FaultAsymmetry, Amount: 60}, {Kind: "heal"},
		}
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(r.IntN(20)) * time.Millisecond):
			}
			c := kinds[r.IntN(len(kinds))]
			c.A, c.B = "east", "west"
			if err := w.Apply(c); err != nil {
				t.Error(err)
			}
		}
	}()
	for range 3 {
		roundTrip(t, dial(t, n[0], n[2]), 1<<20)
		roundTrip(t, dial(t, n[2], n[1]), 1<<18)
	}
	close(stop)
	<-changed
}

func TestWaysAreShownAndHealed(t *testing.T) {
	w, _ := network(t, 40*time.Millisecond)
	w.cfg.Way = func(from, to string) topology.Way {
		if from == "west" {
			return topology.Way{DelayMillis: 30, LossPercent: 1}
		}
		return topology.Way{DelayMillis: 10, Mbit: 100}
	}
	planned := []Way{
		{From: "east", To: "west", Way: topology.Way{DelayMillis: 10, Mbit: 100}}, {From: "west", To: "east", Way: topology.Way{DelayMillis: 30, LossPercent: 1}},
	}
	show := func() []Way { return w.Lines()[0].Ways }
	do := func(c Change) error {
		c.A, c.B = "west", "east"
		return w.Apply(c)
	}
	if err := do(Change{Kind: "heal"}); err != nil || show()[0] != planned[0] || show()[1] != planned[1] {
		t.Fatalf("as planned: %v, %+v", err, show())
	}
	for _, c := range []Change{
		{Kind: topology.FaultJitter, Amount: 5, OneWay: true}, {Kind: topology.FaultLoss, Amount: 2}, {Kind: topology.FaultBandwidth, Amount: 10, OneWay: true},
		{Kind: topology.FaultAsymmetry, Amount: 50},
	} {
		if err := do(c); err != nil {
			t.Fatal(err)
		}
	}
	want := []Way{
		{From: "east", To: "west", Way: topology.Way{DelayMillis: 20, LossPercent: 2, Mbit: 100}},
		{From: "west", To: "east", Way: topology.Way{DelayMillis: 20, JitterMillis: 5, LossPercent: 2, Mbit: 10}},
	}
	if got := show(); got[0] != want[0] || got[1] != want[1] {
		t.Errorf("with faults: %+v", got)
	}
	for _, c := range []Change{
		{Kind: topology.FaultJitter, Amount: 21}, {Kind: topology.FaultJitter, Amount: -1}, {Kind: topology.FaultJitter, Amount: math.NaN()},
		{Kind: topology.FaultLoss, Amount: 100}, {Kind: topology.FaultLoss, Amount: -1}, {Kind: topology.FaultBandwidth, Amount: 0},
		{Kind: topology.FaultBandwidth, Amount: math.Inf(1)}, {Kind: topology.FaultAsymmetry, Amount: 101},
		{Kind: topology.FaultLatency, RTT: 9 * time.Millisecond}, {Kind: topology.FaultAsymmetry, Amount: 1},
	} {
		var refused *RefusedError
		if err := do(c); !errors.As(err, &refused) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if got := show(); got[0] != want[0] || got[1] != want[1] {
		t.Errorf("what was refused was done: %+v", got)
	}
	if err := do(Change{Kind: "heal"}); err != nil || show()[0] != planned[0] || show()[1] != planned[1] {
		t.Errorf("healed: %v, %+v", err, show())
	}
}

// What is counted is what the kernel counts at the socket of who sent it.
func TestBytesAreCounted(t *testing.T) {
	w, n := network(t, 2*time.Millisecond)
	const size = 3 << 20
	c := dial(t, n[0], n[2])
	roundTrip(t, c, size)
	roundTrip(t, dial(t, n[0], n[1]), size) // inside a region is not between two
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var info *unix.TCPInfo
	if err := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); err != nil || info == nil {
		t.Fatal(err)
	}
	got := w.Bytes()
	for key, kernel := range map[string]uint64{"east -> west": info.Bytes_acked, "west -> east": info.Bytes_received} {
		if diff := math.Abs(float64(got[key]) - float64(kernel)); diff > 0.001*float64(kernel) || kernel < size {
			t.Errorf("%s: counted %d, the kernel has %d", key, got[key], kernel)
		}
	}
	// What is swallowed has not crossed.
	if err := w.Partition("east", "west"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	for p, lost := w.pair("east", "west"), false; !lost; time.Sleep(time.Millisecond) {
		p.mu.Lock()
		for l := range p.links {
			lost = lost || l.isLost()
		}
		p.mu.Unlock()
	}
	if err := w.Heal("east", "west"); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(c) // ends with the reset
	if now := w.Bytes(); now["east -> west"] != got["east -> west"] {
		t.Errorf("%d bytes crossed a partition", now["east -> west"]-got["east -> west"])
	}
}
