package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"testing"
	"time"

	"crossring/internal/preflight"
)

func start(t *testing.T) (*Probe, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	p, err := Local(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		p.Wait()
	})
	return p, ctx
}

// free is a port of an address at which nothing listens.
func free(t *testing.T, address string) int {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestTwoProbes(t *testing.T) {
	const a, b, token = "127.0.0.1", "127.0.0.2", "t0ken"
	from, ctx := start(t)
	to, _ := start(t)
	port, nobodys := free(t, b), free(t, b)
	taken, err := net.Listen("tcp", b+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	takenPort := taken.Addr().(*net.TCPAddr).Port
	who, problems, err := to.Listen(ctx, b, []int{port, takenPort}, token)
	if err != nil || who[port] != preflight.ByProbe || who[takenPort] != preflight.ByServer || problems[port] != "" {
		t.Fatalf("%v, %v, %v", who, problems, err)
	}

	got, err := from.Dial(ctx, a, b, port, token, true)
	if err != nil || got.State != preflight.Open || !got.SentThrough || got.RTTMS <= 0 || got.TLS != "TLS 1.3" {
		t.Errorf("%+v, %v", got, err)
	}
	if got.SeenAs != got.Local || got.Local.Addr() != netip.MustParseAddr(a) {
		t.Errorf("from %s, seen as %s", got.Local, got.SeenAs)
	}
	if got, err = from.Dial(ctx, "", b, nobodys, token, false); err != nil || got.State != preflight.Refused || !got.Local.IsValid() {
		t.Errorf("where nobody listens: %+v, %v", got, err)
	}
	if got, err = from.Dial(ctx, a, b, port, "another", false); err != nil || got.State != preflight.Reset || got.SentThrough {
		t.Errorf("with another token: %+v, %v", got, err)
	}
	// Something that takes connections and says nothing.
	if got, err = from.Dial(ctx, a, b, takenPort, token, false); err != nil || got.State != preflight.Swallowed {
		t.Errorf("where nobody answers: %+v, %v", got, err)
	}
	bulk, err := from.Bulk(ctx, a, b, port, token, 0.2, 0)
	if err != nil || bulk.Stalled || bulk.Bytes == 0 || bulk.MbitPerSec <= 0 || bulk.DeviceMTU == 0 {
		t.Errorf("%+v, %v", bulk, err)
	}
}

func TestAProbeEndsWithItsInput(t *testing.T) {
	p, ctx := start(t)
	port := free(t, "127.0.0.1")
	if _, _, err := p.Listen(ctx, "127.0.0.1", []int{port}, "x"); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p.Wait()
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", portText(port)))
	if err != nil {
		t.Fatalf("its listener is still there: %v", err)
	}
	l.Close()
	if _, err := p.Firewall(ctx); err == nil {
		t.Error("it still answers")
	}
}

func TestProbeRefusesWhatItDoesNotKnow(t *testing.T) {
	p, ctx := start(t)
	if _, err := p.ask(ctx, request{Op: "format"}); err == nil {
		t.Error("it did something")
	}
	if _, err := p.Seen(ctx); err == nil {
		t.Error("it saw what it did not watch")
	}
}

// Packets as they pass the devices of both ends of a path with a NAT.
func TestWitnesses(t *testing.T) {
	at := netip.MustParseAddrPort
	addrs := []netip.Addr{netip.MustParseAddr("203.0.113.10")}
	local, to := at("10.0.0.1:40001"), at("198.51.100.10:7000")
	sender := []Packet{
		{Out: true, Src: local, Dst: to, Syn: true, Count: 3},
		{Src: to, Dst: local, Syn: true, Ack: true, Count: 1},
		{Out: true, Src: at("10.0.0.1:40002"), Dst: to, Syn: true, Count: 9},
	}
	if w := Sent(sender, local, to); w != (preflight.Witness{Asked: true, Out: 3, In: 1}) {
		t.Errorf("%+v", w)
	}
	receiver := []Packet{
		{Src: at("203.0.113.10:40001"), Dst: at("10.1.0.1:7000"), Syn: true, Count: 3},
		{Out: true, Src: at("10.1.0.1:7000"), Dst: at("203.0.113.10:40001"), Syn: true, Ack: true, Count: 2},
		{Src: at("203.0.113.10:40002"), Dst: at("10.1.0.1:7000"), Syn: true, Count: 7},
	}
	if w := Got(receiver, local, 7000, addrs); w != (preflight.Witness{Asked: true, In: 3, Out: 2}) {
		t.Errorf("%+v", w)
	}
	// A NAT that changes ports leaves the address.
	if w := Got(receiver, at("192.168.1.5:50000"), 7000, addrs); w.In != 10 {
		t.Errorf("%+v", w)
	}
	if w := Got(receiver, at("192.168.1.5:50000"), 9042, addrs); w.In != 0 {
		t.Errorf("%+v", w)
	}
}

// A line without an end, from whoever finds the port, is read no further than a buffer.
func TestAStrangersLineIsBounded(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		talk(far, "a token", tls.Certificate{})
		far.Close()
	}()
	written := 0
	for chunk := bytes.Repeat([]byte("x"), 1024); written < 1<<20; written += len(chunk) {
		if _, err := near.Write(chunk); err != nil {
			break
		}
	}
	<-ended
	if written > 64<<10 {
		t.Errorf("%d bytes of a stranger's line were taken", written)
	}
}
