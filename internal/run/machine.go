package run

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"crossring/internal/deploy"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/topology"
)

// remote says that the cluster is on machines of its own.
func (c cluster) remote() bool { return c.place.Machines != nil }

// host is a node's server, with its files.
func (c cluster) host(n topology.Node) deploy.Host { return c.place.Server(c.inv, c.rel, n) }

// machine reaches the machine of a node.
func (c cluster) machine(n topology.Node) (*sshhost.Client, error) {
	if c.place.Machines == nil {
		return nil, c.noMachines(n, "")
	}
	return c.place.Machines.Client(c.inv, n)
}

// noMachines refuses what needs a machine of the node's own. command is what was to be
// run there.
func (c cluster) noMachines(n topology.Node, command string) error {
	instead := ""
	if c.place.Inside != nil {
		instead = c.place.Inside(c.inv, n, command)
	}
	return c.place.NotHere(c.inv.Plan.Name, "machines of the nodes' own", instead)
}

// dialer opens connections to the nodes' private addresses from where they can be
// reached. nil for nodes that this computer reaches as it is.
func (c cluster) dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	if c.place.Dial == nil {
		return nil
	}
	return func(ctx context.Context, _, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		n, err := c.inv.Node(host)
		if err != nil {
			return nil, err
		}
		num, err := strconv.Atoi(port)
		if err != nil {
			return nil, fmt.Errorf("dialling %s: %w", addr, err)
		}
		return c.place.Dial(ctx, c.inv, n, num)
	}
}

// agentDialer reaches the agents. nil for nodes that this computer reaches as it is.
func (c cluster) agentDialer() func(context.Context, topology.Node, int) (net.Conn, error) {
	if c.place.DialAgent == nil {
		return nil
	}
	return func(ctx context.Context, n topology.Node, port int) (net.Conn, error) {
		return c.place.DialAgent(ctx, c.inv, n, port)
	}
}
