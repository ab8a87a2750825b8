package ringcheck

import (
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestDecodeBulk(t *testing.T) {
	for body, want := range map[string]string{
		`[{"status":200,"value":1}]`: "",
		`[]`:                         "0 replies to 1 calls",
		`{"status":404,"error_type":"a.B","error":"a.B : no such bean"}`: "jmx: no such bean (status 404)",
		`{"status":200,"value":1}`:                                       "one reply to 1 calls",
		`<html>`:                                                         "decoding jolokia's answer: invalid character",
		``:                                                               "decoding jolokia's answer: unexpected end",
		`[{"status":200,"value":1}`:                                      "decoding jolokia's answer: unexpected end",
	} {
		_, err := decodeBulk([]byte(body), 1)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v, want %q", body, err, want)
		}
	}
}

// What is not Jolokia at all gives an error with the node's name.
func TestBulkHTTPStatus(t *testing.T) {
	q := oneNode(t, nil, nil)
	q.Dial = agents{"us-east-1-1": http.NotFoundHandler()}.dial(t)
	_, err := Collect(t.Context(), q)
	if err == nil || !strings.Contains(err.Error(), "asking jolokia of us-east-1-1: http status 404 Not Found") {
		t.Errorf("error %v", err)
	}
}

// FuzzDecodeView holds that no answer makes the decoder, the merge or the formats
// panic, and that shares stay numbers.
func FuzzDecodeView(f *testing.F) {
	f.Add(recorded(f, "1.2", "keyspace", "us-east-1-1.json"))
	f.Add(recorded(f, "1.2", "nokeyspace", "us-east-1-1.json"))
	f.Add(recorded(f, "5.0", "keyspace", "us-west-2-1.json"))
	f.Add(recorded(f, "5.0", "vnodes", "us-east-1-1.json"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, version := range []string{"1.2", "5.0"} {
			inv, rel := twoNodes(version), mustFind(t, version)
			endpoints := []string{inv.Nodes[0].PublicAddress, inv.Nodes[1].PublicAddress}
			replies, err := decodeBulk(body, len(ringCalls(rel, "gk", endpoints)))
			if err != nil {
				continue
			}
			v, err := decodeView(rel, "gk", endpoints, replies)
			if err != nil {
				continue
			}
			v.Node = inv.Nodes[0].Name
			ring := Merge(inv, Observation{Source: SourceJMX, Keyspace: "gk", Views: []View{v, {Node: inv.Nodes[1].Name, Err: errRefused}}})
			for _, dc := range ring.Datacenters {
				for _, n := range dc.Nodes {
					if n.OwnsEffective != nil && math.IsNaN(*n.OwnsEffective) {
						t.Errorf("%s owns NaN", n.Address)
					}
				}
			}
			var text strings.Builder
			if WriteRing(&text, ring) != nil || WriteStatus(&text, ring) != nil {
				t.Error("a ring that cannot be printed")
			}
		}
	})
}

func TestApplyGossip(t *testing.T) {
	const at, other = "10.0.0.1", "10.0.0.2"
	for status, want := range map[string]Peer{
		"NORMAL,0":              {State: Normal},
		"shutdown,true":         {Status: Down},
		"BOOT,5":                {State: Joining},
		"BOOT_REPLACE,10.0.0.1": {State: Joining},
		"LEAVING,5":             {State: Leaving},
		"MOVING,5":              {State: Moving},
		"":                      {},
	} {
		var v View
		v.change(at, func(p *Peer) { *p = Peer{Status: Up} })
		v.change(other, func(p *Peer) { *p = Peer{} })
		applyGossip(&v, at, true, gossiped{address: "/" + other, status: status, load: "2048.0"})
		applyGossip(&v, at, true, gossiped{address: "10.0.0.9", status: "LEFT,5,1", load: "1"})
		want.Load = "2 KiB"
		if got := v.Peers[other]; !reflect.DeepEqual(got, want) || len(v.Peers) != 2 || v.Mode != "" {
			t.Errorf("%q: %+v, want %+v; %+v", status, got, want, v)
		}
	}
	var v View
	v.change(at, func(p *Peer) { *p = Peer{Status: Up} })
	applyGossip(&v, at, true, gossiped{address: at, status: "LEAVING,5"})
	applyGossip(&v, at, true, gossiped{address: other, status: "BOOT,5", dc: "a", rack: "b", hostID: "c"})
	applyHints(&v, at, other, "UP")
	applyHints(&v, at, at, "DOWN")
	want := map[string]Peer{at: {Status: Up, State: Leaving}, other: {Status: Up, State: Joining, Datacenter: "a", Rack: "b", HostID: "c"}}
	if v.Mode != "LEAVING" || !reflect.DeepEqual(v.Peers, want) {
		t.Errorf("%+v", v)
	}
	applyHints(&v, at, "/"+other, "DOWN")
	if v.Peers[other].Status != Down {
		t.Errorf("%+v", v)
	}
}

func TestParseReplication(t *testing.T) {
	const nts = "org.apache.cassandra.locator.NetworkTopologyStrategy"
	got, err := parseReplication(map[string]string{"class": nts, "us-east": "1", "us-west-2": "2"})
	if want := map[string]int{"us-east": 1, "us-west-2": 2}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := parseReplication(map[string]string{"class": "org.apache.cassandra.locator.SimpleStrategy", "replication_factor": "1"}); err == nil {
		t.Error("SimpleStrategy: no error")
	}
	if _, err := parseReplication(map[string]string{"class": nts, "us-east": "3/1"}); err == nil {
		t.Error("a transient replica: no error")
	}
}

// The ownership worked out for CQL is the one that a real node answered.
func TestOwn(t *testing.T) {
	for _, version := range []string{"1.2", "5.0"} {
		ring, err := Collect(t.Context(), replay(t, version, "vnodes", "gk", "us-east-1-1", "us-west-2-1"))
		if err != nil {
			t.Fatal(err)
		}
		v := View{Partitioner: ring.Partitioner}
		told := map[string]float64{}
		for _, dc := range ring.Datacenters {
			for _, n := range dc.Nodes {
				told[n.Address] = *n.OwnsEffective
				v.change(n.Address, func(p *Peer) { p.Datacenter, p.Rack, p.Tokens = dc.Name, n.Rack, n.Tokens })
			}
		}
		if err := own(&v, map[string]int{"us-east": 1, "us-west-2": 1}); err != nil {
			t.Fatal(err)
		}
		for addr, share := range told {
			if got := *v.Peers[addr].OwnsEffective; math.Abs(got-share) > ownershipSlack {
				t.Errorf("%s %s: %v, the node says %v", version, addr, got, share)
			}
		}
	}
	v := View{Partitioner: "RandomPartitioner"}
	v.change("10.0.0.1", func(p *Peer) { p.Datacenter, p.Tokens = "a", []string{"x"} })
	if err := own(&v, map[string]int{"a": 1}); err == nil {
		t.Error("a token that is no number: no error")
	}
}
