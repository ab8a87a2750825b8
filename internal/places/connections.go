package places

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"crossring/internal/deploy/sshhost"
	"crossring/internal/fail"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/containers"
)

// Connections are what one command has open: an SSH connection for each machine, and
// the doors to Docker APIs.
type Connections struct {
	mu      sync.Mutex
	clients map[string]*sshhost.Client
	// containers are the doors to Docker APIs, by the id of the cluster.
	containers map[string]*containers.Cluster
}

// Close ends all of them.
func (c *Connections) Close() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	for _, client := range c.clients {
		err = errors.Join(err, client.Close())
	}
	c.clients = nil
	for _, door := range c.containers {
		err = errors.Join(err, door.Close())
	}
	c.containers = nil
	return err
}

// bootWait is how long a machine may take to let somebody in: one that was made
// just now has to boot first.
const bootWait = 5 * time.Minute

// errNoConnections is that of a command that opens nothing.
var errNoConnections = errors.New("this command makes no connections")

// machines reaches machines by SSH. They are Machines.
type machines struct {
	Deps
	// boots says that a machine of the provider's may still have to boot.
	boots bool
}

// connectionsOf begins the keys of a node's connections: it may come to another machine.
func connectionsOf(inv topology.Inventory, node string) string {
	return inv.Remote.ID + " " + node + " "
}

// Disconnect forgets the machines of a node.
func (m machines) Disconnect(inv topology.Inventory, node string) error {
	if m.Connections == nil || inv.Remote == nil {
		return nil
	}
	m.Connections.mu.Lock()
	defer m.Connections.mu.Unlock()
	var err error
	for key, c := range m.Connections.clients {
		if strings.HasPrefix(key, connectionsOf(inv, node)) {
			delete(m.Connections.clients, key)
			err = errors.Join(err, c.Close())
		}
	}
	return err
}

// Client reaches the machine of a node.
func (m machines) Client(inv topology.Inventory, n topology.Node) (*sshhost.Client, error) {
	if n.Host == nil || inv.Remote == nil {
		return nil, fmt.Errorf("%s has no machine of its own", n.Name)
	}
	if m.Connections == nil {
		return nil, errNoConnections
	}
	m.Connections.mu.Lock()
	defer m.Connections.mu.Unlock()
	key := connectionsOf(inv, n.Name) + net.JoinHostPort(n.Host.Address, strconv.Itoa(n.Host.Port))
	if c, ok := m.Connections.clients[key]; ok {
		return c, nil
	}
	cfg, err := sshhost.For(*n.Host, filepath.Join(inv.Remote.Dir, state.KnownHosts), m.AgentSocket)
	if err != nil {
		return nil, fail.OfNode(n.Name, "", err)
	}
	if m.boots {
		// A machine that has been in a whole ring has booted; one that is new to it has not
		// been made ready yet.
		ready, err := state.Marked(inv.Remote.Dir, state.Ready)
		if err != nil {
			return nil, err
		}
		if !ready || n.Host.Java == "" {
			cfg.Booting, cfg.Wait = true, bootWait
		}
	}
	cfg.Waiting = func(text string) { m.Say("waiting for %s: %s", n.Name, text) }
	c := sshhost.New(cfg)
	if m.Connections.clients == nil {
		m.Connections.clients = map[string]*sshhost.Client{}
	}
	m.Connections.clients[key] = c
	return c, nil
}

// Dial opens a connection from the machine of a node: through a tunnel that stands in
// the background, or else over an SSH connection of this command's own.
func (m machines) Dial(ctx context.Context, inv topology.Inventory, n topology.Node, addr string) (net.Conn, error) {
	if m.Tunnel != nil {
		if conn, ok := m.Tunnel(ctx, inv, n, addr); ok {
			return conn, nil
		}
	}
	c, err := m.Client(inv, n)
	if err != nil {
		return nil, err
	}
	return c.Dial(ctx, addr)
}
