package procs

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

func TestParseSockets(t *testing.T) {
	// As /proc shows them on a little-endian computer.
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0102D87F:1B58 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 648784 1 0000000000000000 100 0 0 10 0
   1: 0100007F:CD1E 0165D87F:1B58 01 00000000:00000000 02:000003E8 00000000     0        0 4294967296 2 0000000000000000 20 4 30 10 -1
   2: 00000000:2352 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 7 1 0000000000000000 100 0 0 10 0
   3: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 8 1 0000000000000000 100 0 0 10 0
   4: B80D01200000000000000000EFBE0000:0050 00000000000000000000000001000000:FFFF 01 00000000:00000000 00:00000000 00000000     0        0 9 1 0000000000000000 100 0 0 10 0
   5: 0000000000000000FFFF00000102D87F:1B58 0000000000000000FFFF00000100007F:0001 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000
   6: torn
`
	got, err := parseSockets(strings.NewReader(table))
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort
	want := []Socket{
		{at("127.216.2.1:7000"), at("0.0.0.0:0"), true, 648784},
		{at("127.0.0.1:52510"), at("127.216.101.1:7000"), false, 4294967296},
		{at("0.0.0.0:9042"), at("0.0.0.0:0"), true, 7},
		{at("[::]:8080"), at("[::]:0"), true, 8},
		{at("[2001:db8::beef]:80"), at("[::1]:65535"), false, 9},
		{at("127.216.2.1:7000"), at("127.0.0.1:1"), false, 0}, // an IPv6 socket that speaks IPv4
	}
	if len(got) != len(want) {
		t.Fatalf("%d sockets, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d: %+v, want %+v", i, got[i], want[i])
		}
	}
	for _, bad := range []string{"0102D87F", "0102D8:1B58", "x102D87F:1B58", "0102D87F:1B58F", "0102D87F:"} {
		line := "heading\n 0: " + bad + " 00000000:0000 0A 0 0 0 0 0 1\n"
		if got, err := parseSockets(strings.NewReader(line)); err == nil {
			t.Errorf("%q gives %v", bad, got)
		}
	}
}

func FuzzParseSockets(f *testing.F) {
	f.Add("heading\n 0: 0102D87F:1B58 00000000:0000 0A 0:0 0:0 0 0 0 648784\n")
	f.Add("heading\n 0: 00000000000000000000000000000000:1F90 0:0 0A a b c d e -1\n")
	f.Fuzz(func(t *testing.T, table string) {
		socks, err := parseSockets(strings.NewReader(table))
		if err == nil && len(socks) > strings.Count(table, "\n") {
			t.Errorf("%d sockets in %q", len(socks), table)
		}
	})
}

func TestSocketsOfThisProcess(t *testing.T) {
	for _, network := range []struct{ name, addr string }{{"tcp4", "127.0.0.1:0"}, {"tcp6", "[::1]:0"}} {
		l, err := net.Listen(network.name, network.addr)
		if err != nil {
			if network.name == "tcp6" {
				t.Logf("no IPv6 here: %v", err)
				continue
			}
			t.Fatal(err)
		}
		defer l.Close()
		c, err := net.Dial(network.name, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		socks, err := Sockets()
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{"listener": false, "connection": false}
		for _, s := range socks {
			what := ""
			switch {
			case s.Listening && s.Local.String() == l.Addr().String():
				what = "listener"
			case s.Local.String() == c.LocalAddr().String() && s.Remote.String() == c.RemoteAddr().String():
				what = "connection"
			default:
				continue
			}
			want[what] = true
			if !HasSocket(os.Getpid(), s.Inode) {
				t.Errorf("%s: this process should have the %s", network.name, what)
			}
			if p, ok := Owner(s.Inode); !ok || p.PID != os.Getpid() {
				t.Errorf("%s: the %s belongs to %+v, %t", network.name, what, p, ok)
			}
		}
		for what, seen := range want {
			if !seen {
				t.Errorf("%s: the %s is not listed", network.name, what)
			}
		}
	}
	if p, ok := Owner(1<<63 + 1); ok {
		t.Errorf("a socket that is not there belongs to %+v", p)
	}
}
