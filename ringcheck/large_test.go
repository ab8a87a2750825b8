package ringcheck

import (
	"context"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/quick"
	"testing/synctest"
	"time"

	"crossring/internal/topology"
	"crossring/ringcheck/replaytest"
)

// large is the query for a ring of so many nodes, each of which answers as the nodes of
// the recorded one do, and what they were asked.
func large(t *testing.T, nodes int) (Query, *tally) {
	t.Helper()
	inv := twoNodes("5.0")
	inv.Nodes, inv.Plan.Keyspace = nil, topology.Keyspace{}
	var ring []replaytest.Node
	for i := range nodes {
		n := topology.Node{
			Name: fmt.Sprintf("n%d", i+1), Index: i + 1, Datacenter: fmt.Sprintf("dc%d", i*4/nodes), Rack: "1a", Tokens: []string{strconv.Itoa(1000 + i)},
			PublicAddress: fmt.Sprintf("10.1.%d.%d", i/250, 1+i%250), PrivateAddress: fmt.Sprintf("10.2.%d.%d", i/250, 1+i%250), Ports: topology.DefaultPorts(),
		}
		inv.Nodes = append(inv.Nodes, n)
		ring = append(ring, replaytest.Node{Address: n.PublicAddress, Datacenter: n.Datacenter, Rack: n.Rack, Tokens: n.Tokens})
	}
	inv.Plan.Nodes = inv.Nodes
	played, err := replaytest.New(recorded(t, "5.0", "keyspace", "us-east-1-1.json"), ring)
	if err != nil {
		t.Fatal(err)
	}
	seen, a := &tally{}, agents{}
	for i, n := range inv.Nodes {
		of := played.Of(i, func(calls int) { seen.add(calls) })
		a[n.Name] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen.enter(1)
			of.ServeHTTP(w, r)
			seen.enter(-1)
		})
	}
	return Query{Inventory: inv, Release: mustFind(t, "5.0"), Keyspace: "gk", Dial: a.dial(t)}, seen
}

// tally counts what agents were asked.
type tally struct {
	sync.Mutex
	requests, calls, now, most int
}

func (a *tally) add(calls int) {
	a.Lock()
	defer a.Unlock()
	a.requests, a.calls = a.requests+1, a.calls+calls
}

func (a *tally) enter(n int) {
	a.Lock()
	defer a.Unlock()
	a.now += n
	a.most = max(a.most, a.now)
}

// A ring of 200 nodes is looked at with one request of each node, a bounded number of
// them at a time, and calls that grow with the nodes and not with their pairs.
func TestLargeRing(t *testing.T) {
	for _, nodes := range []int{2, 64, 200} {
		q, seen := large(t, nodes)
		ring, err := Collect(t.Context(), q)
		if err != nil || len(ring.Mismatches) > 0 {
			t.Fatalf("%d nodes: %v, %+v", nodes, err, ring.Mismatches)
		}
		count := 0
		for _, dc := range ring.Datacenters {
			for _, n := range dc.Nodes {
				count++
				if n.SeenUpBy == nil || *n.SeenUpBy != nodes || n.Rack != "1a" || n.HostID == "" || n.Owns == nil || n.OwnsEffective == nil {
					t.Fatalf("%d nodes: %+v", nodes, n)
				}
			}
		}
		if count != nodes {
			t.Errorf("%d of %d nodes are in the ring", count, nodes)
		}
		if seen.requests != nodes || seen.most > atOnce || seen.calls > nodes*(3+2*64) {
			t.Errorf("%d nodes: %d requests, %d at a time at most, %d calls", nodes, seen.requests, seen.most, seen.calls)
		}
		t.Logf("%d nodes: %d requests, %d at a time at most, %d calls", nodes, seen.requests, seen.most, seen.calls)
	}
}

// Nodes are asked 32 at a time at most, and all of them, whoever does not answer.
func TestAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inv := twoNodes("5.0")
		inv.Nodes = slices.Repeat(inv.Nodes[:1], 97)
		var now, all atomic.Int32
		q := Query{Inventory: inv, Release: mustFind(t, "5.0"), Timeout: time.Second, Dial: func(ctx context.Context, _ topology.Node, _ int) (net.Conn, error) {
			now.Add(1)
			all.Add(1)
			<-ctx.Done()
			now.Add(-1)
			return nil, ctx.Err()
		}}
		for name, look := range map[string]func(){
			"ring":      func() { _, _ = Observe(t.Context(), q) },
			"estimates": func() { _, _ = KeyEstimates(t.Context(), q, "gk", "rows", false) },
		} {
			all.Store(0)
			done := make(chan bool)
			go func() {
				look()
				close(done)
			}()
			synctest.Wait() // for all that can go on without an answer
			if n := now.Load(); n != 32 {
				t.Errorf("%s: %d are asked at once", name, n)
			}
			<-done
			if n := all.Load(); n != 97 {
				t.Errorf("%s: %d were asked", name, n)
			}
		}
	})
}

// Whatever one node of a large ring says of its own place is seen, and so is what it
// says wrongly of another one that it is asked for.
func TestLargeRingWrongPlace(t *testing.T) {
	q, _ := large(t, 200)
	q.Inventory.Nodes = slices.Clone(q.Inventory.Nodes)
	q.Inventory.Nodes[150].Rack = "1b"
	ring, err := Collect(t.Context(), q)
	if err != nil || len(ring.Mismatches) != 1 || ring.Mismatches[0].Kind != KindRack || ring.Mismatches[0].Node != "n151" {
		t.Errorf("%v, %+v", err, ring.Mismatches)
	}
}

// Each place is told by itself and by as many others as were to tell it, and what is
// not planned by four nodes at least.
func TestWhoPlacesWhom(t *testing.T) {
	for _, nodes := range []int{1, 2, 63, 64, 65, 127, 128, 200, 1000} {
		var all []string
		for i := range nodes {
			all = append(all, strconv.Itoa(i))
		}
		told := map[string]int{}
		for i := range nodes {
			list := placedBy(i, all)
			if !slices.Contains(list, strconv.Itoa(i)) {
				t.Errorf("node %d of %d is not asked for its own place", i, nodes)
			}
			for _, e := range list {
				told[e]++
			}
		}
		for _, e := range all {
			if told[e] != min(nodes, placesAsked) {
				t.Fatalf("%d nodes: the place of %s is asked of %d", nodes, e, told[e])
			}
		}
		for _, askers := range []int{1, 3, 64, 500} {
			told := map[string]int{}
			calls := 0
			for i := range askers {
				list := unplannedBy(i, askers, all)
				calls += len(list)
				for _, e := range list {
					told[e]++
				}
			}
			for _, e := range all {
				if told[e] < min(4, askers) {
					t.Fatalf("%d of %d that are not planned is asked of %d of %d", nodes, len(all), told[e], askers)
				}
			}
			if calls > max(placesAsked*askers, 4*(nodes+askers)) {
				t.Errorf("%d unplanned nodes: %d calls of %d nodes", nodes, calls, askers)
			}
		}
	}
}

// Tokens are ordered as the numbers that they are, however they are written.
func TestCompareTokensAsNumbers(t *testing.T) {
	same := func(a, b int64, more uint8, large bool) bool {
		x, y := big.NewInt(a>>(more%64)), big.NewInt(b>>(more/2%64))
		if large {
			x.Mul(x, big.NewInt(1e18))
		}
		return compareTokens(x.String(), y.String()) == x.Cmp(y)
	}
	if err := quick.Check(same, nil); err != nil {
		t.Error(err)
	}
	for _, p := range [][2]string{{"-5", "-4"}, {"-10", "-9"}, {"-1", "0"}, {"9", "10"}, {"007", "8"}, {"+3", "4"}, {"7", "x"}, {"-0", "1"}, {"a", "b"}, {"5", ""}} {
		if compareTokens(p[0], p[1]) != -1 || compareTokens(p[1], p[0]) != 1 || compareTokens(p[0], p[0]) != 0 {
			t.Errorf("%q is not before %q", p[0], p[1])
		}
	}
	if compareTokens("-0", "0") != 0 || compareTokens("07", "7") != 0 {
		t.Error("one number in two forms is two")
	}
}
