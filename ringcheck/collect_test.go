package ringcheck

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"crossring/internal/release"
	"crossring/internal/topology"
)

const errRefused = syscall.ECONNREFUSED

// replay is the query for a recorded state of a cluster.
func replay(t *testing.T, version, state, keyspace string, names ...string) Query {
	t.Helper()
	a := agents{}
	for _, name := range names {
		a[name] = player(t, recorded(t, version, state, name+".json"))
	}
	return Query{
		Inventory: twoNodes(version), Release: mustFind(t, version), Keyspace: keyspace, Dial: a.dial(t),
	}
}

func ptr[T any](v T) *T { return &v }

// TestCollectRecorded decodes what real nodes answered, over HTTP, and holds that
// the request is the recorded one.
func TestCollectRecorded(t *testing.T) {
	east := Node{
		Name: "us-east-1-1", Address: "127.43.102.1", PrivateAddress: "127.43.2.1", Rack: "1a", Status: Up, State: Normal,
		Owns: ptr(0.004255319), OwnsEffective: ptr(1.0), Tokens: []string{"0"}, SeenUpBy: ptr(2), Asked: 2,
	}
	west := Node{
		Name: "us-west-2-1", Address: "127.43.103.1", PrivateAddress: "127.43.3.1", Rack: "2a", Status: Up, State: Normal,
		Owns: ptr(0.9957447), OwnsEffective: ptr(1.0), Tokens: []string{westToken}, SeenUpBy: ptr(2), Asked: 2,
	}
	with := func(n Node, edit func(*Node)) Node { edit(&n); return n }
	tests := []struct {
		version, state, keyspace string
		east, west               Node
	}{
		{
			"1.2", "keyspace", "gk",
			with(east, func(n *Node) {
				n.LoadBytes, n.LoadGossiped, n.HostID = ptr[int64](194137), "189.59 KB", "75bfdb1b-dfb4-487a-9fad-ade3bcd62874"
			}),
			with(west, func(n *Node) {
				n.LoadBytes, n.LoadGossiped, n.HostID = ptr[int64](194179), "189.63 KB", "f58e6633-5da8-475b-b4e9-9133cba6ce6f"
			}),
		},
		{
			"5.0", "keyspace", "gk",
			with(east, func(n *Node) {
				n.LoadBytes, n.LoadGossiped, n.HostID = ptr[int64](136056), "132.87 KiB", "17b37348-b714-4f8f-9f7c-747a3be178dd"
			}),
			with(west, func(n *Node) {
				n.LoadBytes, n.LoadGossiped, n.HostID = ptr[int64](136094), "132.9 KiB", "25dcbaf9-f9dc-4cdb-98d9-bf3732dde939"
			}),
		},
		{
			"5.0", "nokeyspace", "",
			with(east, func(n *Node) {
				n.OwnsEffective, n.OwnsSystem = nil, ptr(1.0)
				n.LoadBytes, n.LoadGossiped, n.HostID = ptr[int64](117014), "114.27 KiB", "17b37348-b714-4f8f-9f7c-747a3be178dd"
			}),
			with(west, func(n *Node) {
				n.OwnsEffective, n.OwnsSystem = nil, ptr(1.0)
				n.LoadBytes, n.LoadGossiped, n.HostID = ptr[int64](117052), "114.31 KiB", "25dcbaf9-f9dc-4cdb-98d9-bf3732dde939"
			}),
		},
	}
	for _, tt := range tests {
		t.Run(tt.version+" "+tt.state, func(t *testing.T) {
			q := replay(t, tt.version, tt.state, tt.keyspace, "us-east-1-1", "us-west-2-1")
			q.RTT = map[string]float64{"us-east -> us-west-2": 80.2}
			ring, err := Collect(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			tt.east.ReleaseVersion, tt.west.ReleaseVersion = recordedAs[tt.version], recordedAs[tt.version]
			want := Ring{
				Schema: topology.Schema, Cluster: "GK Cluster", Version: recordedAs[tt.version], Partitioner: "RandomPartitioner",
				Keyspace: tt.keyspace, Source: SourceJMX, RTT: q.RTT, AgreedSchema: true, SchemaVersions: ring.SchemaVersions,
				Datacenters: []Datacenter{{"us-east", []Node{tt.east}}, {"us-west-2", []Node{tt.west}}},
				Mismatches:  []Mismatch{},
			}
			if !reflect.DeepEqual(ring, want) {
				t.Errorf("got\n%s\nwant\n%s", asJSON(t, ring), asJSON(t, want))
			}
			if !ring.OK() {
				t.Error("not OK")
			}
			if len(ring.SchemaVersions) != 1 {
				t.Errorf("schema versions %v, want one", ring.SchemaVersions)
			}
			for _, addrs := range ring.SchemaVersions {
				if !reflect.DeepEqual(addrs, []string{"127.43.102.1", "127.43.103.1"}) {
					t.Errorf("schema version on %v", addrs)
				}
			}
		})
	}
}

// On 1.2 effective ownership throws while there is no user keyspace.
func TestCollectKeyspaceMissing(t *testing.T) {
	ring, err := Collect(t.Context(), replay(t, "1.2", "nokeyspace", "gk", "us-east-1-1", "us-west-2-1"))
	if err != nil {
		t.Fatal(err)
	}
	if ring.Keyspace != "" {
		t.Errorf("keyspace %q, want none", ring.Keyspace)
	}
	want := "no node says who owns keyspace gk: jmx: Couldn't find any Non System Keyspaces to infer replication topology (status 500)"
	if len(ring.Mismatches) != 1 || ring.Mismatches[0].Kind != KindOwnership || ring.Mismatches[0].Message != want {
		t.Errorf("mismatches %+v, want one: %s", ring.Mismatches, want)
	}
}

func TestCollectNodeDown(t *testing.T) {
	for _, version := range []string{"1.2", "5.0"} {
		ring, err := Collect(t.Context(), replay(t, version, "down", "gk", "us-east-1-1"))
		if err != nil {
			t.Fatal(err)
		}
		if len(ring.Datacenters) != 2 || len(ring.Datacenters[1].Nodes) != 1 {
			t.Fatalf("%s: %s", version, asJSON(t, ring))
		}
		up, down := ring.Datacenters[0].Nodes[0], ring.Datacenters[1].Nodes[0]
		if up.Status != Up || *up.SeenUpBy != 1 || up.Asked != 2 {
			t.Errorf("%s: %s", version, asJSON(t, up))
		}
		if down.Status != Down || down.State != Normal || *down.SeenUpBy != 0 || down.LoadBytes != nil || down.ReleaseVersion != "" {
			t.Errorf("%s: %s", version, asJSON(t, down))
		}
		want := []Mismatch{
			{KindUnreachable, "us-west-2-1", "an answer", "none",
				"us-west-2-1 did not answer: asking jolokia of us-west-2-1: dial tcp: connect: connection refused"},
			{KindStatus, "us-west-2-1", Up, Down, "us-west-2-1 is down as seen by us-east-1-1"},
		}
		if !reflect.DeepEqual(ring.Mismatches, want) {
			t.Errorf("%s: %+v\nwant %+v", version, ring.Mismatches, want)
		}
		if !ring.AgreedSchema {
			t.Errorf("%s: the one node that answered does not agree with itself", version)
		}
	}
}

func TestCollectNoAnswer(t *testing.T) {
	ring, err := Collect(t.Context(), replay(t, "5.0", "keyspace", "gk"))
	var none *NoAnswerError
	if !errors.As(err, &none) || none.Asked != 2 || none.Cluster != "demo" || !errors.Is(err, errRefused) {
		t.Fatalf("error %v, want *NoAnswerError that wraps the refusals", err)
	}
	if len(ring.Mismatches) == 0 || ring.Mismatches[0].Kind != KindUnreachable || ring.Schema != topology.Schema {
		t.Errorf("ring %s", asJSON(t, ring))
	}
	if len(ring.Datacenters) != 0 || ring.OK() {
		t.Errorf("a ring of nothing: %s", asJSON(t, ring))
	}
}

// A node that accepts and never answers costs its timeout and no more.
func TestCollectSilentNode(t *testing.T) {
	a := agents{
		"us-east-1-1": player(t, recorded(t, "5.0", "keyspace", "us-east-1-1.json")),
		"us-west-2-1": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			readCalls(t, r) // only then does the server notice that the client is gone
			<-r.Context().Done()
		}),
	}
	q := Query{
		Inventory: twoNodes("5.0"), Release: mustFind(t, "5.0"), Keyspace: "gk", Dial: a.dial(t),
		Timeout: 300 * time.Millisecond,
	}
	ring, err := Collect(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if len(ring.Mismatches) != 1 || !strings.Contains(ring.Mismatches[0].Message, "no answer within 300ms") {
		t.Errorf("mismatches %+v", ring.Mismatches)
	}
	if n := ring.Datacenters[1].Nodes[0]; n.Status != Down || *n.SeenUpBy != 1 {
		t.Errorf("the silent node is %s, seen up by %d; want Down, 1", n.Status, *n.SeenUpBy)
	}
}

func TestCollectCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Collect(ctx, replay(t, "5.0", "keyspace", "gk", "us-east-1-1", "us-west-2-1"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// fresh is what a node of a one-node ring answers.
func fresh() answers {
	return answers{
		"ClusterName": "GK Cluster", "PartitionerName": "org.apache.cassandra.dht.RandomPartitioner", "ReleaseVersion": recordedAs["5.0"],
		"SchemaVersion": "s1", "OperationMode": "NORMAL", "LocalHostId": "id1",
		"LiveNodes": []string{"127.43.102.1"}, "UnreachableNodes": []string{}, "JoiningNodes": []string{},
		"LeavingNodes": []string{}, "MovingNodes": []string{}, "TokenToEndpointMap": map[string]string{"0": "127.43.102.1"},
		"Ownership": map[string]float64{"/127.43.102.1": 1}, "LoadMap": map[string]string{}, "Count": 5,
		"EndpointToHostId":           map[string]string{"127.43.102.1": "id1"},
		release.GetDatacenter:        "us-east",
		release.GetRack:              "1a",
		mustOwnershipOp + " missing": errors.New("The keyspace missing, does not exist"),
	}
}

const mustOwnershipOp = "effectiveOwnershipWithPort(java.lang.String)"

// oneNode is a query to one scripted node that should be alone in the ring.
func oneNode(t *testing.T, table answers, seen func(call)) Query {
	t.Helper()
	inv := twoNodes("5.0")
	inv.Nodes = inv.Nodes[:1]
	return Query{
		Inventory: inv, Release: mustFind(t, "5.0"),
		Dial: agents{"us-east-1-1": scripted(t, table, seen)}.dial(t),
	}
}

// An address that is not planned is asked for in a second request.
func TestCollectUnplanned(t *testing.T) {
	table := fresh()
	table["TokenToEndpointMap"] = map[string]string{"0": "127.43.102.1", "9": "/127.43.9.9:7000"}
	table["LiveNodes"] = []string{"127.43.102.1", "127.43.9.9"}
	table[release.GetDatacenter+" 127.43.9.9"] = "elsewhere"
	table[release.GetRack+" 127.43.9.9"] = "r9"
	ring, err := Collect(t.Context(), oneNode(t, table, nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(ring.Datacenters) != 2 || ring.Datacenters[1].Name != "elsewhere" {
		t.Fatalf("datacenters %s", asJSON(t, ring.Datacenters))
	}
	n := ring.Datacenters[1].Nodes[0]
	if n.Name != "" || n.Address != "127.43.9.9" || n.Rack != "r9" || n.Status != Up {
		t.Errorf("node %s", asJSON(t, n))
	}
	want := []Mismatch{{KindUnexpectedNode, "127.43.9.9", "not in the ring", "in the ring",
		"127.43.9.9 is in the ring but not in the plan, as seen by us-east-1-1"}}
	if !reflect.DeepEqual(ring.Mismatches, want) {
		t.Errorf("mismatches %+v, want %+v", ring.Mismatches, want)
	}
}

// One request per node is what makes ring fast.
func TestCollectOneRequest(t *testing.T) {
	var requests atomic.Int32
	q := oneNode(t, fresh(), func(c call) {
		if _, storage := c.Attribute.([]any); storage {
			requests.Add(1)
		}
	})
	if ring, err := Collect(t.Context(), q); err != nil || !ring.OK() {
		t.Fatalf("%+v, %v", ring.Mismatches, err)
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestCollectAttributes(t *testing.T) {
	tests := map[string]struct {
		edit func(answers)
		want string // in the error; "" for none
	}{
		"no ownership yet":   {func(a answers) { a["Ownership"] = errors.New("no tokens") }, ""},
		"attribute missing":  {func(a answers) { delete(a, "LiveNodes") }, "attribute LiveNodes: No such attribute"},
		"wrong type":         {func(a answers) { a["TokenToEndpointMap"] = []string{"x"} }, "attribute TokenToEndpointMap: json"},
		"load missing":       {func(a answers) { delete(a, "Count") }, "reading load: jmx: no Count (status 404)"},
		"place unknown":      {func(a answers) { a[release.GetRack] = errors.New("unknown endpoint") }, ""},
		"text in host ids":   {func(a answers) { a["EndpointToHostId"] = "ERROR: boom" }, "attribute EndpointToHostId: boom"},
		"no partitioner":     {func(a answers) { a["PartitionerName"] = errors.New("gone") }, "attribute PartitionerName: gone"},
		"load map forgotten": {func(a answers) { a["LoadMap"] = nil }, "attribute LoadMap"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			table := fresh()
			tt.edit(table)
			_, err := Collect(t.Context(), oneNode(t, table, nil))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
