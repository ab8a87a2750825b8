package containers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"crossring/internal/topology"
)

// Cluster reaches the containers of one cluster. It connects when it is first asked
// something, and may be used by several goroutines.
type Cluster struct {
	Inventory topology.Inventory

	mu sync.Mutex
	m  *machine
	at map[string]string // published address by node and port
}

func (c *Cluster) machine(ctx context.Context) (machine, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		m, err := connect(ctx, c.Inventory.Containers.DockerHost)
		if err != nil {
			return m, err
		}
		c.m = &m
	}
	return *c.m, nil
}

// Close lets go of the Docker API.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		return nil
	}
	return c.m.Close()
}

// Dial opens a connection to a port of a node, from outside its network.
func (c *Cluster) Dial(ctx context.Context, n topology.Node, port int) (net.Conn, error) {
	key := n.Name + " " + strconv.Itoa(port)
	c.mu.Lock()
	addr := c.at[key]
	c.mu.Unlock()
	var d net.Dialer
	if addr != "" {
		if conn, err := d.DialContext(ctx, "tcp", addr); err == nil {
			return mapped{conn, n, port}, nil
		}
		// A container that was started again may have another port.
	}
	info, err := c.inspect(ctx, n)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(published(n), func(p network.Port) bool { return int(p.Num()) == port }) {
		return c.DialFrom(ctx, n, net.JoinHostPort(n.PrivateAddress, strconv.Itoa(port)))
	}
	p, _ := network.PortFrom(uint16(port), network.TCP)
	if info.NetworkSettings != nil {
		if b := info.NetworkSettings.Ports[p]; len(b) > 0 {
			addr = net.JoinHostPort("127.0.0.1", b[0].HostPort)
			c.mu.Lock()
			if c.at == nil {
				c.at = map[string]string{}
			}
			c.at[key] = addr
			c.mu.Unlock()
			conn, err := d.DialContext(ctx, "tcp", addr)
			if err != nil {
				return nil, fmt.Errorf("port %d of %s: %w", port, n.Name, err)
			}
			return mapped{conn, n, port}, nil
		}
	}
	return nil, fmt.Errorf("port %d of %s is not published: its container is %s", port, n.Name, status(info))
}

// Read is a file of a node's container; os.ErrNotExist where there is none.
func (c *Cluster) Read(ctx context.Context, n topology.Node, name string) ([]byte, error) {
	m, err := c.machine(ctx)
	if err != nil {
		return nil, err
	}
	return m.get(ctx, c.id(n), name)
}

// mapped is a connection by way of a published port. Its other end is the node, as
// far as anybody is concerned: the driver takes the port of the whole ring from it.
type mapped struct {
	net.Conn
	node topology.Node
	port int
}

// RemoteAddr is the node's own address.
func (m mapped) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.ParseIP(m.node.PrivateAddress), Port: m.port}
}

func status(info container.InspectResponse) string {
	if info.State == nil {
		return "in no state"
	}
	return string(info.State.Status)
}

// goneError says that a node has no container any more.
type goneError struct{ node string }

func (e *goneError) Error() string { return "the container of " + e.node + " is gone" }

// Permanent says that it won't come back by itself.
func (e *goneError) Permanent() bool { return true }

func (c *Cluster) inspect(ctx context.Context, n topology.Node) (container.InspectResponse, error) {
	m, err := c.machine(ctx)
	if err != nil {
		return container.InspectResponse{}, err
	}
	res, err := m.ContainerInspect(ctx, c.id(n), client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		return res.Container, &goneError{n.Name}
	}
	if err != nil {
		return res.Container, fmt.Errorf("look at the container of %s: %w", n.Name, err)
	}
	return res.Container, nil
}

func (c *Cluster) id(n topology.Node) string { return c.Inventory.Containers.IDs[n.Name] }

// Host is one node's container.
type Host struct {
	Cluster *Cluster
	Node    topology.Node
}

// Put writes a file in the container.
func (h Host) Put(ctx context.Context, name string, data []byte, mode fs.FileMode) error {
	m, err := h.Cluster.machine(ctx)
	if err != nil {
		return err
	}
	return m.put(ctx, h.Cluster.id(h.Node), name, data, mode)
}

// Start starts the container unless it runs.
func (h Host) Start(ctx context.Context) error {
	m, err := h.Cluster.machine(ctx)
	if err != nil {
		return err
	}
	if _, err := m.ContainerStart(ctx, h.Cluster.id(h.Node), client.ContainerStartOptions{}); err != nil {
		return fmt.Errorf("start the container: %w", err)
	}
	return nil
}

// Stop stops the container: gently at first, and by force after grace.
func (h Host) Stop(ctx context.Context, grace time.Duration) error {
	p, err := h.State(ctx)
	if err != nil || !p.Running {
		return err
	}
	m, err := h.Cluster.machine(ctx)
	if err != nil {
		return err
	}
	seconds := int(grace.Seconds())
	if _, err := m.ContainerStop(ctx, h.Cluster.id(h.Node), client.ContainerStopOptions{Timeout: &seconds}); err != nil {
		return fmt.Errorf("stop the container: %w", err)
	}
	return nil
}

// State is that of the container's first process, which is the server.
func (h Host) State(ctx context.Context) (topology.Process, error) {
	p := topology.Process{Node: h.Node.Name}
	info, err := h.Cluster.inspect(ctx, h.Node)
	if err != nil || info.State == nil {
		return p, err
	}
	s := info.State
	p.Running, p.PID = s.Running, s.Pid
	when := s.StartedAt
	if !p.Running {
		p.PID, when = 0, s.FinishedAt
		if s.Status != container.StateCreated && !strings.HasPrefix(s.StartedAt, "0001-") {
			p.Ended = "exit status " + strconv.Itoa(s.ExitCode)
			if s.ExitCode > 128 {
				p.Ended = "signal " + strconv.Itoa(s.ExitCode-128)
			}
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, when); err == nil {
		p.Since = t
	}
	return p, nil
}

// Tail gives the last lines of what the server logged or, before that, printed.
func (h Host) Tail(ctx context.Context, lines int) ([]string, error) {
	m, err := h.Cluster.machine(ctx)
	if err != nil {
		return nil, err
	}
	data, err := m.get(ctx, h.Cluster.id(h.Node), path.Join(h.Node.Layout.Log, "system.log"))
	if errors.Is(err, os.ErrNotExist) || err == nil && len(data) == 0 {
		data, err = m.printed(ctx, h.Cluster.id(h.Node), lines)
	}
	if err != nil {
		return nil, fmt.Errorf("read log of %s: %w", h.Node.Name, err)
	}
	text := strings.TrimRight(string(data), "\n")
	if text == "" {
		return nil, nil
	}
	all := strings.Split(text, "\n")
	return all[max(0, len(all)-max(0, lines)):], nil
}
