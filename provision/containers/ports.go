package containers

import (
	"fmt"
	"hash/fnv"
	"net"
	"slices"
	"strconv"

	"crossring/internal/topology"
)

// Ports of this computer at which those of nodes are published: below the range from
// which systems give a connection its own port. One that the Docker API chooses is of
// that range, and may be a connection's by the time the container starts.
const (
	firstPublished = 20000
	mostPublished  = 12000
)

// publishAt chooses a port of this computer for the k-th published port of a node: one
// at which nobody listens now. No two nodes of a cluster are offered the same one.
func publishAt(inv topology.Inventory, n topology.Node, k int, isFree func(port int) bool) (int, error) {
	stride := len(published(n)) * len(inv.Nodes)
	span := mostPublished / stride * stride
	h := fnv.New32a()
	h.Write([]byte(inv.Containers.ID))
	begin := int(h.Sum32() % uint32(span))
	own := slices.IndexFunc(inv.Nodes, func(m topology.Node) bool { return m.Name == n.Name })*len(published(n)) + k
	for i := own; i < span; i += stride {
		if port := firstPublished + (begin+i)%span; isFree(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("publish a port of %s: none of those from %d on is free on this computer", n.Name, firstPublished)
}

// free says whether nobody listens at a port of 127.0.0.1.
func free(port int) bool {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
