package wan

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// node is a server that stands for a Cassandra node: it records who dials it
// and echoes what they send.
type node struct {
	Endpoint
	from chan netip.Addr
}

func network(t *testing.T, rtt time.Duration) (*WAN, []node) {
	t.Helper()
	var nodes []node
	var cfg Config
	cfg.RTT = rtt
	cfg.Log = slog.New(slog.DiscardHandler)
	// A slot of its own, so that tests of other packages do not meet it.
	port := 17000
	for i, region := range []string{"east", "east", "west"} {
		e := Endpoint{
			Node: region + strconv.Itoa(i), Region: region,
			Private: netip.AddrFrom4([4]byte{127, 251, byte(1 + i), 1}),
			Public:  netip.AddrFrom4([4]byte{127, 251, byte(101 + i), 1}),
			Ports:   []int{port},
		}
		l, err := net.Listen("tcp", netip.AddrPortFrom(e.Private, uint16(port)).String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		n := node{e, make(chan netip.Addr, 16)}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				n.from <- c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
				go func() { _, _ = io.Copy(c, c); c.Close() }()
			}
		}()
		nodes = append(nodes, n)
		cfg.Endpoints = append(cfg.Endpoints, e)
	}
	w, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w, nodes
}

func dial(t *testing.T, from, to node) net.Conn {
	t.Helper()
	c, err := dialErr(from, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

func dialErr(from, to node) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.Private.AsSlice()}, Timeout: 5 * time.Second}
	return d.Dial("tcp", netip.AddrPortFrom(to.Public, uint16(to.Ports[0])).String())
}

func roundTrip(t *testing.T, c net.Conn, n int) time.Duration {
	t.Helper()
	sent := make([]byte, n)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	start := time.Now()
	go func() { _, _ = c.Write(sent) }()
	got := make([]byte, n)
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sent, got) {
		t.Fatal("bytes changed on the way")
	}
	return time.Since(start)
}

func TestForwardsBytesFromTheSendersPublicAddress(t *testing.T) {
	_, n := network(t, 40*time.Millisecond)
	for _, to := range n[1:] {
		c := dial(t, n[0], to)
		roundTrip(t, c, 3<<20)
		if got := <-to.from; got != n[0].Public {
			t.Errorf("%s was dialled from %s, want %s", to.Node, got, n[0].Public)
		}
	}
}

// The distance is a lower bound that can be asserted: nothing may come back sooner.
func TestLatencyIsBetweenRegionsOnly(t *testing.T) {
	w, n := network(t, 60*time.Millisecond)
	if d := roundTrip(t, dial(t, n[0], n[2]), 1); d < 60*time.Millisecond {
		t.Errorf("round trip between regions took %s, want at least 60ms", d)
	}
	for _, l := range w.Lines() {
		if l.A != "east" || l.B != "west" || l.RTTMillis != 60 {
			t.Errorf("line %+v", l)
		}
	}
	c := dial(t, n[0], n[2])
	roundTrip(t, c, 1)
	if err := w.SetRTT("west", "east", 200*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	// The change reaches a running connection once its delay lines have taken it.
	deadline := time.Now().Add(10 * time.Second)
	for roundTrip(t, c, 1) < 200*time.Millisecond {
		if time.Now().After(deadline) {
			t.Fatal("the running connection never took the new latency")
		}
	}
}

func TestPartitionIsSilenceAndHealResets(t *testing.T) {
	w, n := network(t, 2*time.Millisecond)
	old := dial(t, n[0], n[2])
	roundTrip(t, old, 100)
	inside := dial(t, n[0], n[1])
	if err := w.Partition("east", "west"); err != nil {
		t.Fatal(err)
	}
	roundTrip(t, inside, 1000) // the region itself is whole
	fresh := dial(t, n[2], n[0])
	for name, c := range map[string]net.Conn{"old": old, "fresh": fresh} {
		if _, err := c.Write([]byte("lost")); err != nil {
			t.Fatalf("%s: write: %v", name, err)
		}
		_ = c.SetReadDeadline(time.Now().Add(150 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s connection: read during the partition gave %v, want silence", name, err)
		}
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	}
	if err := w.Heal("east", "west"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]net.Conn{"old": old, "fresh": fresh} {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s connection: read after healing gave %v, want a reset: bytes were lost", name, err)
		}
	}
	roundTrip(t, dial(t, n[0], n[2]), 1000)
}

func TestResetAndRefuse(t *testing.T) {
	w, n := network(t, 2*time.Millisecond)
	c := dial(t, n[0], n[2])
	roundTrip(t, c, 1)
	if err := w.Reset("east", "west"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("standing connection: %v, want a reset", err)
	}
	if err := w.Heal("east", "west"); err != nil {
		t.Fatal(err)
	}
	if err := w.Refuse("west"); err != nil {
		t.Fatal(err)
	}
	if _, err := dialErr(n[0], n[2]); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial a closed region: %v, want refused", err)
	}
	if got := w.Refused(); len(got) != 1 || got[0] != "west" {
		t.Errorf("refused regions: %v", got)
	}
	if err := w.Accept("west"); err != nil {
		t.Fatal(err)
	}
	roundTrip(t, dial(t, n[0], n[2]), 1)
	if err := w.Partition("east", "nowhere"); err == nil {
		t.Error("a partition from an unknown region was accepted")
	}
	if err := w.Partition("east", "east"); err == nil {
		t.Error("a partition inside a region was accepted")
	}
}

func TestMeasuresTheRoundTrip(t *testing.T) {
	w, _ := network(t, 30*time.Millisecond)
	deadline := time.Now().Add(10 * time.Second)
	for {
		ms, ok := w.Measured()["east -> west"]
		if ok && ms >= 30 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("measured %v, want at least 30 ms from east to west", w.Measured())
		}
		time.Sleep(5 * time.Millisecond)
	}
}
