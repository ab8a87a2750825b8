package containers

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"

	"crossring/internal/topology"
)

func nodesOf(count int) topology.Inventory {
	inv := topology.Inventory{Containers: &topology.Containers{ID: fmt.Sprint(rand.Uint64())}}
	for i := range count {
		inv.Nodes = append(inv.Nodes, topology.Node{Name: fmt.Sprint("n", i), Ports: topology.DefaultPorts()})
	}
	return inv
}

// However many ports others have, every node of a cluster gets others.
func TestPublishAt(t *testing.T) {
	for _, count := range []int{1, 2, 7, topology.ContainerNodes} {
		inv := nodesOf(count)
		others := map[int]bool{}
		for range 4000 {
			others[firstPublished+rand.IntN(mostPublished)] = true
		}
		given := map[int]string{}
		for _, n := range inv.Nodes {
			for k := range published(n) {
				port, err := publishAt(inv, n, k, func(port int) bool { return !others[port] })
				if err != nil {
					t.Fatal(err)
				}
				if owner, twice := given[port]; twice || others[port] || port < firstPublished || port >= firstPublished+mostPublished {
					t.Errorf("%d nodes: port %d for %s, which %q has", count, port, n.Name, owner)
				}
				given[port] = n.Name
			}
		}
	}
	inv := nodesOf(3)
	tried := map[int]bool{}
	if _, err := publishAt(inv, inv.Nodes[1], 0, func(port int) bool { tried[port] = true; return false }); err == nil || len(tried) < mostPublished/6-1 {
		t.Errorf("%v after %d ports", err, len(tried))
	}
}

func TestFree(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if free(port) {
		t.Error("somebody listens there")
	}
	l.Close()
	if !free(port) {
		t.Error("nobody listens there any more")
	}
}
