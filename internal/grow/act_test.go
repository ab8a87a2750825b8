package grow

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"crossring/internal/cluster/clustertest"

	"crossring/internal/cluster"
	"crossring/internal/deploy"
	"crossring/internal/places"
	"crossring/internal/release"
	"crossring/internal/release/releasetest"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// asked is one call to an agent.
type asked struct {
	Type      string
	Attribute any
	Operation string
}

// agentOf is a place whose only node has an agent that answers as answer says, over
// pipes: nothing of it waits for a network.
func agentOf(t *testing.T, answer func(asked) map[string]any) places.Place {
	t.Helper()
	conns := make(chan net.Conn)
	stopped := make(chan struct{})
	l := pipes{conns: conns, stopped: stopped, once: &sync.Once{}}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var calls []asked
		if err := json.NewDecoder(r.Body).Decode(&calls); err != nil {
			t.Error(err)
		}
		var replies []map[string]any
		for _, c := range calls {
			replies = append(replies, answer(c))
		}
		if err := json.NewEncoder(w).Encode(replies); err != nil {
			t.Log(err) // whoever asked has gone
		}
	})}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		_ = <-served
	})
	return places.Place{
		DialAgent: func(ctx context.Context, _ topology.Inventory, _ topology.Node, _ int) (net.Conn, error) {
			ours, theirs := net.Pipe()
			select {
			case conns <- theirs:
				return ours, nil
			case <-stopped:
				return nil, net.ErrClosed
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
		Server: func(topology.Inventory, release.Release, topology.Node) deploy.Host { return endedHost{} },
	}
}

// pipes is a listener for connections that are handed to it.
type pipes struct {
	conns   chan net.Conn
	stopped chan struct{}
	once    *sync.Once
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.stopped:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error {
	p.once.Do(func() { close(p.stopped) })
	return nil
}

func (pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// endedHost is one whose server has ended.
type endedHost struct{ deploy.Host }

func (endedHost) State(context.Context) (topology.Process, error) {
	return topology.Process{Ended: "exit status 1"}, nil
}

func (endedHost) Tail(context.Context, int) ([]string, error) { return nil, nil }

// changing is a change of a cluster of one node.
func changing(t *testing.T, place places.Place) *growth {
	t.Helper()
	all := release.All()
	rel := all[len(all)-1]
	n := topology.Node{Name: "us-east-1-1", Datacenter: "us-east", Ports: topology.DefaultPorts(), PrivateAddress: "127.0.0.1", PublicAddress: "127.0.0.1", Tokens: []string{"1"}}
	c := cluster.Cluster{Dir: t.TempDir(), Rel: rel, Place: place}
	c.Inv.Plan.Name, c.Inv.Nodes = "lab", []topology.Node{n}
	return &growth{World: clustertest.Quiet(), Cluster: c, timeout: time.Minute, followed: time.Millisecond}
}

// A node that refuses for the time being is asked again, but not as fast as it can
// answer.
func TestRefusedNodeIsAskedInPeace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		g := changing(t, agentOf(t, func(c asked) map[string]any {
			if c.Type == "read" {
				return map[string]any{"status": 200, "value": ringcheck.ModeNormal}
			}
			if told++; told > 1000 {
				stop() // or it would be told without end, in one moment
			}
			return map[string]any{"status": 500, "error_type": "java.lang.UnsupportedOperationException", "error": "java.lang.UnsupportedOperationException : busy"}
		}))
		start := time.Now()
		g.World.Now = time.Now
		err := g.act(ctx, g.Inv.Nodes[0], action{
			under: ringcheck.ModeMoving,
			done:  func(context.Context, string) (bool, error) { return false, nil },
			do: func(ctx context.Context) error {
				return ringcheck.Move(ctx, cluster.Query(g.World, g.Cluster), g.Inv.Nodes[0], "2")
			},
		})
		var refused *ringcheck.RefusedError
		if !errors.As(err, &refused) {
			t.Errorf("%v, want that it was refused", err)
		}
		// A minute of half seconds, and once at its begin.
		if took := time.Since(start); took < time.Minute || told > 125 || told < 50 {
			t.Errorf("told %d times in %s", told, took)
		}
	})
}

// recorder keeps what is saved.
type recorder struct{ saved []string }

func (r *recorder) SaveNodes(inv topology.Inventory, nodes []topology.Node) (topology.Inventory, error) {
	inv.Nodes = nodes
	r.saved = nodes[0].Tokens
	return inv, nil
}

func (r *recorder) SaveInventory(topology.Inventory) error { return nil }

// What says how far a move is reads the cluster as it was when the move began: the
// inventory changes under it. The race detector is what holds this.
func TestFollowingAMove(t *testing.T) {
	var mu sync.Mutex
	at := "1"
	place := agentOf(t, func(c asked) map[string]any {
		mu.Lock()
		defer mu.Unlock()
		if c.Type == "exec" && c.Operation == release.Move {
			at = "2"
			return map[string]any{"status": 200, "value": nil}
		}
		if name, ok := c.Attribute.(string); ok && name == "OperationMode" {
			return map[string]any{"status": 200, "value": ringcheck.ModeNormal}
		}
		if _, ok := c.Attribute.(string); ok { // the load
			return map[string]any{"status": 200, "value": 1}
		}
		if c.Type == "exec" {
			return map[string]any{"status": 404, "error": "none"}
		}
		return map[string]any{"status": 200, "value": map[string]any{
			"ClusterName": "Lab", "PartitionerName": "x.Murmur3Partitioner", "ReleaseVersion": releasetest.Newest(), "SchemaVersion": "s",
			"OperationMode": "NORMAL", "LocalHostId": "id", "TokenToEndpointMap": map[string]string{at: "127.0.0.1"},
			"LiveNodes": []string{"127.0.0.1"}, "UnreachableNodes": []string{}, "JoiningNodes": []string{}, "LeavingNodes": []string{}, "MovingNodes": []string{},
			"EndpointToHostId": map[string]string{"127.0.0.1": "id"}, "HostIdMap": map[string]string{"127.0.0.1": "id"}, "LoadMap": map[string]string{},
		}}
	})
	r := &recorder{}
	place.Record = r
	g := changing(t, place)
	for range 30 {
		mu.Lock()
		at = "1"
		mu.Unlock()
		g.Inv.Nodes[0].Tokens = []string{"1"}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := g.move(ctx, topology.Step{Kind: topology.StepMove, Node: "us-east-1-1", Tokens: []string{"2"}})
		cancel()
		var dead *deploy.DeadError
		if !errors.As(err, &dead) { // the move was made; nobody waits for a ring whose server ended
			t.Fatalf("%v", err)
		}
		if !slices.Equal(r.saved, []string{"2"}) {
			t.Fatalf("saved %v", r.saved)
		}
	}
}
