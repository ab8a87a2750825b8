package ringcheck

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"

	"crossring/internal/release"
	"crossring/internal/topology"
)

// defaultTimeout bounds the wait for one node's answer.
const defaultTimeout = 5 * time.Second

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

// Collect asks every node at once and makes one ring of the answers. A node that
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

// Observe asks every node at once, as Collect does, and returns the answers as they are.
func Observe(ctx context.Context, q Query) (Observation, error) {
	obs := Observation{Source: SourceJMX, Keyspace: q.Keyspace, Views: make([]View, len(q.Inventory.Nodes))}
	ask := askJolokia
	if q.CQL != nil {
		obs.Source, ask = SourceCQL, askCQL
	}
	endpoints := make([]string, len(q.Inventory.Nodes))
	for i, n := range q.Inventory.Nodes {
		endpoints[i] = n.PublicAddress
	}
	var wg sync.WaitGroup
	for i, n := range q.Inventory.Nodes {
		wg.Go(func() {
			nodeCtx, cancel := limit(ctx, q.timeout())
			defer cancel()
			v, err := ask(nodeCtx, q, n, endpoints)
			if err != nil {
				v = View{Err: err}
			}
			v.Node = n.Name
			obs.Views[i] = v
		})
	}
	wg.Wait()
	if len(obs.answered()) > 0 {
		return obs, nil
	}
	none := &NoAnswerError{Cluster: q.Inventory.Plan.Name, Asked: len(obs.Views)}
	var all *multierror.Error
	for _, v := range obs.Views {
		all = multierror.Append(all, v.Err)
	}
	if all != nil {
		all.ErrorFormat = joinErrors
		none.Err = all
	}
	return obs, none
}

// limit bounds the wait for a node's answer, and says so when it ends.
func limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("no answer within %s: %w", d, context.DeadlineExceeded))
}

// askJolokia gets one node's view from its agent: one bulk request, and a second
// one only where the ring has nodes that the plan has not.
func askJolokia(ctx context.Context, q Query, n topology.Node, endpoints []string) (View, error) {
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
	if more := unplaced(v, endpoints); len(more) > 0 {
		replies, err := a.bulk(ctx, placeCalls(more))
		if err != nil {
			return View{}, err
		}
		decodePlaces(more, replies, &v)
	}
	return v, nil
}

// unplaced lists the addresses of the ring whose datacenter was not asked for yet.
func unplaced(v View, endpoints []string) []string {
	asked := map[string]bool{}
	for _, e := range endpoints {
		asked[address(e)] = true
	}
	var more []string
	for _, addr := range slices.Sorted(maps.Keys(v.Peers)) {
		if !asked[addr] && len(v.Peers[addr].Tokens) > 0 {
			more = append(more, addr)
		}
	}
	return more
}
