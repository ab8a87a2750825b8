package cql

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"crossring/internal/release"

	"github.com/gocql/gocql"
)

func rel(t *testing.T, series string) release.Release {
	t.Helper()
	r, err := release.Find(series)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestConfigByRelease(t *testing.T) {
	for _, r := range release.All() {
		cfg, err := Config(Endpoint{Addresses: []string{"192.0.2.1", "192.0.2.2"}, Release: r, Datacenter: "us-east", Keyspace: "k", InFlight: 128})
		if err != nil {
			t.Fatal(err)
		}
		if cfg.ProtoVersion != r.Proto || cfg.CQLVersion != r.CQLVersion || cfg.DisableInitialHostLookup != r.NoHostLookup || cfg.DisableSkipMetadata != r.KeepMetadata {
			t.Errorf("%s: %+v", r.Series, cfg)
		}
		if cfg.RetryPolicy != nil || cfg.DefaultIdempotence || cfg.Compressor != nil || cfg.Logger == nil || cfg.HostFilter == nil || cfg.QueryObserver != nil {
			t.Errorf("%s: %+v", r.Series, cfg)
		}
		// Each request in flight has a stream, with some to spare.
		if streams := cfg.NumConns * r.StreamsPerConn; streams < 128+streamsSpare {
			t.Errorf("%s: %d connections carry %d streams", r.Series, cfg.NumConns, streams)
		}
		if off := cfg.Events.DisableNodeStatusEvents && cfg.Events.DisableTopologyEvents; off != r.NoHostLookup {
			t.Errorf("%s: events are off: %v", r.Series, off)
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	e := Endpoint{Addresses: []string{"192.0.2.1"}, Release: rel(t, "5.0"), TLS: &tls.Config{ServerName: "n"}}
	cfg, err := Config(e)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Port != 9042 || cfg.Timeout != DefaultTimeout || cfg.ConnectTimeout != DefaultTimeout || cfg.Consistency != gocql.One || cfg.NumConns != 1 {
		t.Errorf("%+v", cfg)
	}
	if cfg.SslOpts == nil || cfg.SslOpts.Config != e.TLS {
		t.Errorf("TLS: %+v", cfg.SslOpts)
	}
	e.Watched, e.Timeout, e.Port, e.NumConns, e.Consistency = true, time.Minute, 19042, 7, "each_quorum"
	if cfg, err = Config(e); err != nil {
		t.Fatal(err)
	}
	if cfg.Timeout != 0 || cfg.WriteTimeout != time.Minute || cfg.Port != 19042 || cfg.NumConns != 7 || cfg.Consistency != gocql.EachQuorum {
		t.Errorf("%+v", cfg)
	}
}

func TestConfigErrors(t *testing.T) {
	for name, e := range map[string]Endpoint{
		"no addresses": {},
		"a name":       {Addresses: []string{"localhost"}},
		"consistency":  {Addresses: []string{"192.0.2.1"}, Consistency: "MOST"},
	} {
		if _, err := Config(e); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPinIsToTheContactsWithoutADatacenter(t *testing.T) {
	for _, e := range []Endpoint{
		{Addresses: []string{"192.0.2.1"}, Release: rel(t, "5.0")},
		{Addresses: []string{"192.0.2.1"}, Release: rel(t, "1.2"), Datacenter: "us-east"},
	} {
		cfg, err := Config(e)
		if err != nil {
			t.Fatal(err)
		}
		host := func(ip string) *gocql.HostInfo {
			h := &gocql.HostInfo{}
			return h.SetConnectAddress(net.ParseIP(ip))
		}
		if !cfg.HostFilter.Accept(host("192.0.2.1")) || cfg.HostFilter.Accept(host("192.0.2.2")) {
			t.Errorf("%s: the filter does not hold to the contacts", e.Release.Series)
		}
	}
}

func TestPinNamesTheDatacentersSeen(t *testing.T) {
	p := &pin{dc: "us-east-1", seen: map[string]bool{"us-west-2": true, "us-east": true}}
	got := p.mismatch()
	if got == nil || got.Error() != `no node is in datacenter "us-east-1"; the cluster has us-east, us-west-2` {
		t.Errorf("got %v", got)
	}
	p.seen["us-east-1"] = true
	if got := p.mismatch(); got != nil {
		t.Errorf("got %v", got)
	}
}

func TestTranslate(t *testing.T) {
	tr := translator{"10.0.0.1": "198.51.100.1", "10.0.0.3": "nonsense"}
	for from, want := range map[string]string{"10.0.0.1": "198.51.100.1", "10.0.0.2": "10.0.0.2", "10.0.0.3": "10.0.0.3"} {
		ip, port := tr.Translate(net.ParseIP(from), 9042)
		if ip.String() != want || port != 9042 {
			t.Errorf("%s goes to %v:%d", from, ip, port)
		}
	}
	e := Endpoint{Broadcast: map[string]string{"127.1.2.1": "127.1.102.1"}}
	if got := e.BroadcastAddress("127.1.2.1") + " " + e.BroadcastAddress("127.1.3.1"); got != "127.1.102.1 127.1.3.1" {
		t.Error(got)
	}
}

func TestQuoting(t *testing.T) {
	if got := Quote(`My"ks`); got != `"My""ks"` {
		t.Error(got)
	}
	got := literal(map[string]string{"us-east": "1", "a'b": "2", "class": "NetworkTopologyStrategy"})
	if want := `{'class': 'NetworkTopologyStrategy', 'a''b': '2', 'us-east': '1'}`; got != want {
		t.Error(got)
	}
	a := map[string]string{"x": "1", "y": "2"}
	for _, b := range []map[string]string{{"x": "1"}, {"x": "1", "z": "2"}, {"x": "1", "y": "3"}} {
		if equal(a, b) {
			t.Errorf("%v equals %v", a, b)
		}
	}
	if !equal(a, map[string]string{"y": "2", "x": "1"}) {
		t.Error("equal maps differ")
	}
}

// mute accepts connections and never says a word. gone reports each connection
// that its client has closed.
func mute(t *testing.T) (port int, gone <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	closed := make(chan struct{}, 16)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(io.Discard, c)
				closed <- struct{}{}
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, closed
}

// A node that accepts and says nothing, as one behind a partition: the wait ends
// with the context, and the connection does not stay behind.
func TestOpenEndsWithItsContext(t *testing.T) {
	for _, inFlight := range []int{1, 128} {
		port, gone := mute(t)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		e := Endpoint{Addresses: []string{"127.0.0.1"}, Port: port, Release: rel(t, "5.0"), InFlight: inFlight, ConnectTimeout: time.Hour}
		if _, err := Open(ctx, e); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			t.Fatal("the connection is still open")
		}
	}
}

func TestProbeFailsOnSilence(t *testing.T) {
	port, _ := mute(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := Probe(ctx, Endpoint{Addresses: []string{"127.0.0.1"}, Port: port, Release: rel(t, "5.0")}); err == nil {
		t.Error("a silent node is ready")
	}
}

func TestOpenRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = Probe(ctx, Endpoint{Addresses: []string{"127.0.0.1"}, Port: port, Release: rel(t, "1.2")})
	if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("got %v", err)
	}
}

func pipe(t *testing.T) (*batchConn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := &dialer{batch: true, writeTimeout: time.Minute}
	d.net.Control = userTimeout(time.Minute)
	c, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); peer.Close() })
	return c.(*batchConn), peer
}

func TestBatchConnKeepsOrder(t *testing.T) {
	c, peer := pipe(t)
	var want bytes.Buffer
	go func() {
		for i := range 5000 {
			if _, err := c.Write(bytes.Repeat([]byte{byte(i)}, 1+i%300)); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for i := range 5000 {
		want.Write(bytes.Repeat([]byte{byte(i)}, 1+i%300))
	}
	got := make([]byte, want.Len())
	if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("what arrives is not what was written: %v", err)
	}
	if _, err := peer.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, got[:6]); err != nil || string(got[:6]) != "answer" {
		t.Errorf("%q, %v", got[:6], err)
	}
}

// A write that cannot leave shows at the reading side and in the next write.
func TestBatchConnReportsALostPeer(t *testing.T) {
	c, peer := pipe(t)
	if err := peer.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	peer.Close()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Fatal("read from a peer that is gone")
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, err := c.Write(make([]byte, 1000)); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("writes to a peer that is gone succeed")
		}
	}
	_ = c.Close()
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("a closed connection takes writes")
	}
}

// A login is printed without its password, however it is printed, and reaches the driver.
func TestLoginIsNotPrinted(t *testing.T) {
	e := Endpoint{Addresses: []string{"127.0.0.1"}, Release: rel(t, "5.0"), Login: &Login{User: "somebody", Password: "the secret"}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format+" "+format, e, *e.Login); strings.Contains(got, "the secret") {
			t.Errorf("%s: %s", format, got)
		}
	}
	cfg, err := Config(e)
	if err != nil {
		t.Fatal(err)
	}
	want := gocql.PasswordAuthenticator{Username: "somebody", Password: "the secret"}
	if got, ok := cfg.Authenticator.(gocql.PasswordAuthenticator); !ok || got.Username != want.Username || got.Password != want.Password {
		t.Errorf("%v", cfg.Authenticator)
	}
}
