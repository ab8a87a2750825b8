package cluster

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"crossring/internal/deploy"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/topology"
)

// Remote says that the cluster is on machines of its own.
func (c Cluster) Remote() bool { return c.Place.Machines != nil }

// Host is a node's server, with its files.
func (c Cluster) Host(n topology.Node) deploy.Host { return c.Place.Host(c.Inv, c.Rel, n) }

// Machine reaches the machine of a node.
func (c Cluster) Machine(n topology.Node) (*sshhost.Client, error) {
	if c.Place.Machines == nil {
		return nil, c.NoMachines(n, "")
	}
	return c.Place.Machines.Client(c.Inv, n)
}

// NoMachines refuses what needs a machine of the node's own. command is what was to be
// run there.
func (c Cluster) NoMachines(n topology.Node, command string) error {
	instead := ""
	if c.Place.Inside != nil {
		instead = c.Place.Inside(c.Inv, n, command)
	}
	return c.Place.NotHere(c.Inv.Plan.Name, "machines of the nodes' own", instead)
}

// Dialer opens connections to the nodes' private addresses from where they can be
// reached. nil for nodes that this computer reaches as it is.
func (c Cluster) Dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	if c.Place.Dial == nil {
		return nil
	}
	return func(ctx context.Context, _, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		n, err := c.Inv.Node(host)
		if err != nil {
			return nil, err
		}
		num, err := strconv.Atoi(port)
		if err != nil {
			return nil, fmt.Errorf("dialling %s: %w", addr, err)
		}
		return c.Place.Dial(ctx, c.Inv, n, num)
	}
}

// agentDialer reaches the agents. nil for nodes that this computer reaches as it is.
func (c Cluster) agentDialer() func(context.Context, topology.Node, int) (net.Conn, error) {
	if c.Place.DialAgent == nil {
		return nil
	}
	return func(ctx context.Context, n topology.Node, port int) (net.Conn, error) {
		return c.Place.DialAgent(ctx, c.Inv, n, port)
	}
}
