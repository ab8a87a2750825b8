package ringcheck

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"crossring/internal/many"
	"crossring/internal/release"
	"crossring/internal/topology"
)

// defaultTimeout bounds the wait for one node's answer.
const defaultTimeout = 5 * time.Second

// atOnce is how many nodes are asked at a time. More would wait for each other here:
// of 200 nodes asked at once some had no time left to answer in.
const atOnce = 32

// Query says which ring to look at, and how.
type Query struct {
	Inventory topology.Inventory
	Release   release.Release
	Keyspace  string // for effective ownership; "" while there is none
	// CQL says how each node is reached by CQL, and has the ring read that way; nil reads
	// it by JMX, through the nodes' agents.
	CQL EndpointFunc
	// Password gives what the agents ask for, "" where they ask for none: nodes that an
	// older crossring started. nil is none, too.
	Password func() (string, error)
	// Timeout bounds the wait for each node's answer; 0 is 5 s.
	Timeout time.Duration
	// Dial reaches a node's agent; nil connects to its private address.
	Dial DialFunc
	// RTT between regions in milliseconds, as measured, goes into the Ring as it is.
	RTT map[string]float64
}

func (q Query) timeout() time.Duration {
	if q.Timeout > 0 {
		return q.Timeout
	}
	return defaultTimeout
}

// NoAnswerError says that not one node answered.
type NoAnswerError struct {
	Cluster string
	Asked   int
	Err     error // every node's reason
}

func (e *NoAnswerError) Error() string {
	return fmt.Sprintf("none of the %d nodes of %s answered: %v", e.Asked, e.Cluster, e.Err)
}

func (e *NoAnswerError) Unwrap() error { return e.Err }

// Collect asks every node and makes one ring of the answers. A node that
// does not answer is a mismatch, not an error. The error is a *NoAnswerError
// when no node answers; the ring has the reasons then, and no nodes.
func Collect(ctx context.Context, q Query) (Ring, error) {
	obs, err := Observe(ctx, q)
	ring := Merge(q.Inventory, obs)
	if q.RTT != nil {
		ring.RTT = q.RTT
	}
	return ring, err
}

// Observe asks every node, as Collect does, and returns the answers as they are.
func Observe(ctx context.Context, q Query) (Observation, error) {
	obs := Observation{Source: SourceJMX, Keyspace: q.Keyspace}
	ask := askJolokia
	if q.CQL != nil {
		obs.Source, ask = SourceCQL, askCQL
	}
	planned := make([]string, len(q.Inventory.Nodes))
	for i, n := range q.Inventory.Nodes {
		planned[i] = n.PublicAddress
	}
	var shared tokenLists
	obs.Views, _ = many.Map(ctx, q.Inventory.Nodes, atOnce, func(ctx context.Context, n topology.Node) (View, error) {
		ctx, cancel := limit(ctx, q.timeout())
		defer cancel()
		v, err := ask(ctx, q, n, planned)
		if err != nil {
			v = View{Err: err} // a finding, not an error
		}
		v.Node = n.Name
		shared.share(v.Peers)
		return v, nil
	})
	if len(obs.answered()) > 0 {
		return obs, nil
	}
	none := &NoAnswerError{Cluster: q.Inventory.Plan.Name, Asked: len(obs.Views)}
	var all []error
	for _, v := range obs.Views {
		all = append(all, v.Err)
	}
	none.Err = many.Join(all...)
	return obs, none
}

// limit bounds the wait for a node's answer, and says so when it ends.
func limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("no answer within %s: %w", d, context.DeadlineExceeded))
}

// askJolokia gets one node's view from its agent: one bulk request, and a second
// one only where the ring has nodes that the plan has not.
func askJolokia(ctx context.Context, q Query, n topology.Node, planned []string) (View, error) {
	i := slices.Index(planned, n.PublicAddress)
	endpoints := placedBy(i, planned)
	a := newAgent(n, q)
	defer a.close()
	replies, err := a.bulk(ctx, ringCalls(q.Release, q.Keyspace, endpoints))
	if err != nil {
		return View{}, err
	}
	v, err := decodeView(q.Release, q.Keyspace, endpoints, replies)
	if err != nil {
		return View{}, fmt.Errorf("asking jolokia of %s: %w", n.Name, err)
	}
	if more := unplannedBy(i, len(planned), unplaced(v, planned)); len(more) > 0 {
		replies, err := a.bulk(ctx, placeCalls(more))
		if err != nil {
			return View{}, err
		}
		decodePlaces(more, replies, &v)
	}
	return v, nil
}

// placesAsked is how many nodes' datacenters and racks one node is asked for: two calls
// each, where a node tells all else of all nodes in one. A ring of no more nodes is
// asked for everything. In a larger one each node's place is asked of itself and of
// 63 others, from all parts of the plan and so from all regions.
const placesAsked = 64

// placedBy are the endpoints that node i of the inventory is asked to place: itself
// first, and each is among those of placesAsked nodes.
func placedBy(i int, endpoints []string) []string {
	if len(endpoints) <= placesAsked {
		return endpoints
	}
	step := len(endpoints) / placesAsked
	list := make([]string, placesAsked)
	for k := range list {
		list[k] = endpoints[(i+k*step)%len(endpoints)]
	}
	return list
}

// unplannedBy are the endpoints, beyond the plan, that node i of nodes is asked to
// place: all as long as they are few, and else so many that each has four nodes to
// tell of it.
func unplannedBy(i, nodes int, endpoints []string) []string {
	count := max(placesAsked, 4*(len(endpoints)/nodes+1))
	if len(endpoints) <= count {
		return endpoints
	}
	first := i * len(endpoints) / nodes
	list := make([]string, count)
	for k := range list {
		list[k] = endpoints[(first+k)%len(endpoints)]
	}
	return list
}

// unplaced lists the addresses of the ring that are not planned.
func unplaced(v View, planned []string) []string {
	known := map[string]bool{}
	for _, e := range planned {
		known[address(e)] = true
	}
	var more []string
	for _, addr := range slices.Sorted(maps.Keys(v.Peers)) {
		if !known[addr] && len(v.Peers[addr].Tokens) > 0 {
			more = append(more, addr)
		}
	}
	return more
}

// tokenLists keeps one copy of what all views say alike: a node's tokens, which may be
// hundreds.
type tokenLists struct {
	sync.Mutex
	of map[string][]string // by address
}

func (l *tokenLists) share(peers map[string]Peer) {
	l.Lock()
	defer l.Unlock()
	if l.of == nil {
		l.of = map[string][]string{}
	}
	for addr, p := range peers {
		if have, ok := l.of[addr]; !ok {
			l.of[addr] = p.Tokens
		} else if slices.Equal(have, p.Tokens) {
			p.Tokens = have
			peers[addr] = p
		}
	}
}
