package ringcheck

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"crossring/ringcheck/nodetooltest"
)

// recordedRing merges the recorded answers of a state. The planned tokens of the
// cluster with vnodes do not matter here.
func recordedRing(t *testing.T, version, state string) Ring {
	t.Helper()
	keyspace := "gk"
	if state == "nokeyspace" {
		keyspace = ""
		if version == "1.2" {
			keyspace = "gk" // was asked for, and refused
		}
	}
	names := []string{"us-east-1-1", "us-west-2-1"}
	if state == "down" {
		names = names[:1]
	}
	ring, err := Collect(t.Context(), replay(t, version, state, keyspace, names...))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// withLoads gives nodes the loads that nodetool printed: it knows them as last
// gossiped, and Ring has them from the nodes themselves.
func withLoads(r Ring, loads map[string]string) Ring {
	for _, dc := range r.Datacenters {
		for i := range dc.Nodes {
			dc.Nodes[i].LoadBytes = nil
			dc.Nodes[i].LoadGossiped = loads[dc.Nodes[i].Address]
		}
	}
	return r
}

// states are the recorded ones.
var states = []struct{ version, state string }{
	{"1.2", "nokeyspace"},
	{"1.2", "keyspace"},
	{"1.2", "down"},
	{"1.2", "vnodes"},
	{"5.0", "nokeyspace"},
	{"5.0", "keyspace"},
	{"5.0", "down"},
	{"5.0", "vnodes"},
}

// TestLikeNodetool holds both formats against what the real nodetools printed,
// byte by byte but for white space at the very end and, on 1.2, the warning about
// vnodes, which that nodetool takes from the configuration beside it.
func TestLikeNodetool(t *testing.T) {
	trim := func(text string) string {
		if i := strings.Index(text, "  Warning: "); i >= 0 && !strings.Contains(text, "KiB") {
			text = text[:i]
		}
		return strings.TrimRight(text, " \n")
	}
	for _, s := range states {
		t.Run(s.version+" "+s.state, func(t *testing.T) {
			ring := recordedRing(t, s.version, s.state)
			want := string(recorded(t, s.version, s.state, "ring.txt"))
			rows, err := nodetooltest.ParseRing([]byte(want))
			if err != nil {
				t.Fatal(err)
			}
			loads := map[string]string{}
			for _, r := range rows {
				loads[r.Address] = r.Load
			}
			var b bytes.Buffer
			if err := WriteRing(&b, withLoads(ring, loads)); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); trim(got) != trim(want) {
				t.Errorf("ring:\n%q\nnodetool:\n%q", got, want)
			}

			want = string(recorded(t, s.version, s.state, "status.txt"))
			nodes, err := nodetooltest.ParseStatus([]byte(want))
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range nodes {
				loads[n.Address] = n.Load
			}
			b.Reset()
			if err := WriteStatus(&b, withLoads(ring, loads)); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); trim(got) != trim(want) {
				t.Errorf("status:\n%q\nnodetool:\n%q", got, want)
			}
		})
	}
}

// manyNodes is a ring of a version with several nodes in a datacenter, in all states.
func manyNodes(version string) Ring {
	node := func(addr, token string, status, state Said, load *int64) Node {
		return Node{
			Address: addr, Rack: "1a", Status: status, State: state, LoadBytes: load, Owns: ptr(0.25),
			HostID: "75bfdb1b-dfb4-487a-9fad-ade3bcd62874", Tokens: []string{token},
		}
	}
	return Ring{
		Version: version,
		Datacenters: []Datacenter{
			{"us-west-2", []Node{node("10.0.2.1", "7", Up, Moving, ptr[int64](0))}},
			{"us-east", []Node{
				node("10.0.1.1", "-9", Up, Normal, ptr[int64](1023)),
				node("10.0.1.2", "3", Down, Leaving, nil),
				node("10.0.1.100", "20", Up, Joining, ptr[int64](3<<40)),
			}},
		},
	}
}

func TestWriteStates(t *testing.T) {
	tests := []struct{ version, ring, status string }{
		{"1.2", `
Note: Ownership information does not include topology; for complete information, specify a keyspace

Datacenter: us-east
==========
Address     Rack        Status State   Load            Owns                Token
                                                                           20
10.0.1.1    1a          Up     Normal  1023 bytes      25.00%              -9
10.0.1.2    1a          Down   Leaving ?               25.00%              3
10.0.1.100  1a          Up     Joining 3 TB            25.00%              20

Datacenter: us-west-2
==========
Address     Rack        Status State   Load            Owns                Token

10.0.2.1    1a          Up     Moving  0 bytes         25.00%              7
`, `
Note: Ownership information does not include topology; for complete information, specify a keyspace
Datacenter: us-east
===================
Status=Up/Down
|/ State=Normal/Leaving/Joining/Moving
--  Address     Load       Tokens  Owns   Host ID                               Rack
UN  10.0.1.1    1023 bytes  1       25.0%  75bfdb1b-dfb4-487a-9fad-ade3bcd62874  1a
DL  10.0.1.2    ?          1       25.0%  75bfdb1b-dfb4-487a-9fad-ade3bcd62874  1a
UJ  10.0.1.100  3 TB       1       25.0%  75bfdb1b-dfb4-487a-9fad-ade3bcd62874  1a
Datacenter: us-west-2
=====================
Status=Up/Down
|/ State=Normal/Leaving/Joining/Moving
--  Address     Load       Tokens  Owns   Host ID                               Rack
UM  10.0.2.1    0 bytes    1       25.0%  75bfdb1b-dfb4-487a-9fad-ade3bcd62874  1a
`},
		{"5.0", `

Datacenter: us-east
==========
Address          Rack        Status State   Load            Owns                Token
                                                                                20
10.0.1.1         1a          Up     Normal  1023 bytes      ?                   -9
10.0.1.2         1a          Down   Leaving ?               ?                   3
10.0.1.100       1a          Up     Joining 3 TiB           ?                   20

Datacenter: us-west-2
==========
Address          Rack        Status State   Load            Owns                Token

10.0.2.1         1a          Up     Moving  0 bytes         ?                   7


  Note: Ownership information does not include topology; for complete information, specify a keyspace
`, `
Datacenter: us-east
===================
Status=Up/Down
|/ State=Normal/Leaving/Joining/Moving
--  Address     Load        Tokens  Owns  Host ID                               Rack
UN  10.0.1.1    1023 bytes  1       ?     75bfdb1b-dfb4-487a-9fad-ade3bcd62874  1a
DL  10.0.1.2    ?           1       ?     75bfdb1b-dfb4-487a-9fad-ade3bcd62874  1a
UJ  10.0.1.100  3 TiB       1       ?     75bfdb1b-dfb4-487a-9fad-ade3bcd62874  1a

Datacenter: us-west-2
=====================
Status=Up/Down
|/ State=Normal/Leaving/Joining/Moving
--  Address     Load        Tokens  Owns  Host ID                               Rack
UM  10.0.2.1    0 bytes     1       ?     75bfdb1b-dfb4-487a-9fad-ade3bcd62874  1a

Note: Ownership information does not include topology; for complete information, specify a keyspace
`},
	}
	lines := func(text string) string { // ends of lines are padded
		all := strings.Split(text, "\n")
		for i := range all {
			all[i] = strings.TrimRight(all[i], " ")
		}
		return strings.Trim(strings.Join(all, "\n"), "\n")
	}
	for _, tt := range tests {
		var b bytes.Buffer
		if err := WriteRing(&b, manyNodes(tt.version)); err != nil {
			t.Fatal(err)
		}
		if got := lines(b.String()); got != lines(tt.ring) {
			t.Errorf("%s ring:\n%s\nwant\n%s", tt.version, got, lines(tt.ring))
		}
		b.Reset()
		if err := WriteStatus(&b, manyNodes(tt.version)); err != nil {
			t.Fatal(err)
		}
		if got := lines(b.String()); got != lines(tt.status) {
			t.Errorf("%s status:\n%s\nwant\n%s", tt.version, got, lines(tt.status))
		}
	}
}

// A ring without nodes, and a writer that fails, must do no harm.
func TestWriteEdges(t *testing.T) {
	var b bytes.Buffer
	if err := WriteRing(&b, Ring{}); err != nil {
		t.Error(err)
	}
	if err := WriteStatus(&b, Ring{}); err != nil {
		t.Error(err)
	}
	full := errors.New("disk full")
	if err := WriteRing(failing{full}, manyNodes("5.0")); !errors.Is(err, full) {
		t.Errorf("WriteRing: %v", err)
	}
	if err := WriteStatus(failing{full}, manyNodes("5.0")); !errors.Is(err, full) {
		t.Errorf("WriteStatus: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestSize(t *testing.T) {
	for _, tt := range []struct {
		bytes  int64
		binary bool
		want   string
	}{
		{0, true, "0 bytes"},
		{1023, true, "1023 bytes"},
		{1024, true, "1 KiB"},
		{1024, false, "1 KB"},
		{36516, false, "35.66 KB"},
		{107008, true, "104.5 KiB"},
		{1 << 20, true, "1 MiB"},
		{5<<30 + 1<<29, false, "5.5 GB"},
		{1 << 50, true, "1024 TiB"},
	} {
		if got := Size(tt.bytes, tt.binary); got != tt.want {
			t.Errorf("Size(%d, %v) = %q, want %q", tt.bytes, tt.binary, got, tt.want)
		}
	}
}

// A rack, or a load, that fills its column does not run into the next one.
func TestRingColumnsStayApart(t *testing.T) {
	for _, rack := range []string{"1a", "us-west-2-lax", "us-west-2-lax-1a", "us-gov-west-1a-and-more", "日本日本日本日本日本日本日本"} {
		ring := Ring{Version: "5.0", Datacenters: []Datacenter{{Name: "us-west-2-lax", Nodes: []Node{{
			Address: "127.0.0.1", Rack: rack, Status: "Up", State: "Normal", LoadGossiped: "123456789012345.67 KiB", Tokens: []string{"1"}}}}}}
		var b bytes.Buffer
		if err := WriteRing(&b, ring); err != nil {
			t.Fatal(err)
		}
		fields := []string{"127.0.0.1", rack, "Up", "Normal", "123456789012345.67", "KiB"}
		if got := strings.Fields(b.String()[strings.Index(b.String(), "127.0.0.1"):]); strings.Join(got[:len(fields)], "|") != strings.Join(fields, "|") {
			t.Errorf("%q", got)
		}
	}
}
