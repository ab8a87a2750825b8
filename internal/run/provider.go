package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"crossring/internal/deploy"
	"crossring/internal/deploy/prepare"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/journal"
	"crossring/internal/topology"
	"crossring/provision"
	"crossring/provision/containers"
	"crossring/provision/local"
	"crossring/provision/local/procs"
)

// Connections are the SSH connections of one command: each machine has one.
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

// maker is the provider of a plan. To make something it needs the software, to judge
// or to remove it does not.
func (w World) maker(p topology.Plan, sw software) (provision.Provider, error) {
	switch p.Provider {
	case "local":
		return w.provider(sw.java), nil
	case "hosts":
		return w.hosts(), nil
	case "ec2":
		return w.ec2(), nil
	case "ccm":
		return w.ccm(sw), nil
	case "containers":
		return w.containers(p, sw), nil
	}
	return nil, Usage("", fmt.Errorf("there is no provider %q", p.Provider), "crossring plan -f FILE")
}

// kept says that the cluster has a keeper: that of the local provider.
func (c cluster) kept() bool { return c.inv.Local != nil }

// here says whether a provider's nodes are processes of this computer, on its Java.
func here(p topology.Plan) bool { return p.Provider == "local" || p.Provider == "ccm" }

// fits says whether a plan's nodes can run where this program runs, before anything is
// asked for that would not help either: ccm's processes are found as local ones are.
func fits(p topology.Plan) error {
	if !here(p) {
		return nil
	}
	return procs.NeedLinux("provider "+p.Provider, local.Instead)
}

// remote says that the cluster is on machines of its own, and not on this computer.
func (c cluster) remote() bool { return c.inv.Remote != nil }

// knownHosts holds the host keys of a cluster, in its directory.
const knownHosts = "known_hosts"

// bootWait is how long a machine may take to let somebody in: one that was made
// just now has to boot first.
const bootWait = 5 * time.Minute

// connectionsOf begins the keys of a node's connections: it may come to another machine.
func connectionsOf(inv topology.Inventory, node string) string {
	return inv.Remote.ID + " " + node + " "
}

// disconnect forgets the machines of a node.
func (w World) disconnect(inv topology.Inventory, node string) error {
	if w.Connections == nil || inv.Remote == nil {
		return nil
	}
	w.Connections.mu.Lock()
	defer w.Connections.mu.Unlock()
	var err error
	for key, c := range w.Connections.clients {
		if strings.HasPrefix(key, connectionsOf(inv, node)) {
			delete(w.Connections.clients, key)
			err = errors.Join(err, c.Close())
		}
	}
	return err
}

// client reaches the machine of a node.
func (w World) client(inv topology.Inventory, n topology.Node) (*sshhost.Client, error) {
	if n.Host == nil || inv.Remote == nil {
		return nil, fmt.Errorf("%s has no machine of its own", n.Name)
	}
	if w.Connections == nil {
		return nil, errors.New("this command makes no connections")
	}
	w.Connections.mu.Lock()
	defer w.Connections.mu.Unlock()
	key := connectionsOf(inv, n.Name) + net.JoinHostPort(n.Host.Address, strconv.Itoa(n.Host.Port))
	if c, ok := w.Connections.clients[key]; ok {
		return c, nil
	}
	cfg, err := sshhost.For(*n.Host, filepath.Join(inv.Remote.Dir, knownHosts), w.AgentSocket)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name, err)
	}
	if inv.Plan.Provider == "ec2" {
		// A machine that has been in a whole ring has booted; one that is new to it has not
		// been made ready yet.
		ready, err := isMarked(inv.Remote.Dir, readyMark)
		if err != nil {
			return nil, err
		}
		if !ready || n.Host.Java == "" {
			cfg.Booting, cfg.Wait = true, bootWait
		}
	}
	cfg.Waiting = func(text string) { w.Say("waiting for %s: %s", n.Name, text) }
	c := sshhost.New(cfg)
	if w.Connections.clients == nil {
		w.Connections.clients = map[string]*sshhost.Client{}
	}
	w.Connections.clients[key] = c
	return c, nil
}

// lostHost is a host that can't be spoken of: whatever it is asked, it answers
// with why.
type lostHost struct {
	deploy.Host
	err error
}

func (h lostHost) Start(context.Context) error                         { return h.err }
func (h lostHost) Stop(context.Context, time.Duration) error           { return h.err }
func (h lostHost) State(context.Context) (topology.Process, error)     { return topology.Process{}, h.err }
func (h lostHost) Tail(context.Context, int) (lines []string, e error) { return nil, h.err }

// remoteHost is a node's place on its machine.
func (w World) remoteHost(c cluster, n topology.Node) deploy.Host {
	m, err := w.client(c.inv, n)
	if err != nil {
		return lostHost{err: err}
	}
	return prepare.Server{Machine: m, Node: n, ID: c.inv.Remote.ID, Main: c.rel.Main, Systemd: n.Host.Systemd}
}

// dialer opens connections to the nodes' private addresses from where they can be
// reached: each from its own machine. nil for a cluster on this computer.
func (w World) dialer(c cluster) func(ctx context.Context, network, addr string) (net.Conn, error) {
	if !c.remote() && c.inv.Containers == nil {
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
		if c.inv.Containers != nil {
			num, err := strconv.Atoi(port)
			if err != nil {
				return nil, err
			}
			return w.containerDial(ctx, c, n, num)
		}
		return w.dialOn(ctx, c.inv, n, addr)
	}
}

// agentDialer reaches the Jolokia agents, which listen on their machines' 127.0.0.1
// alone. nil for a cluster on this computer.
func (w World) agentDialer(c cluster) func(context.Context, topology.Node, int) (net.Conn, error) {
	if c.inv.Containers != nil {
		return func(ctx context.Context, n topology.Node, port int) (net.Conn, error) {
			return w.containerDial(ctx, c, n, port)
		}
	}
	if !c.remote() {
		return nil
	}
	return func(ctx context.Context, n topology.Node, port int) (net.Conn, error) {
		return w.dialOn(ctx, c.inv, n, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
}

// preparedFile, in a cluster's directory, says what the machines turned out to be.
const preparedFile = "prepared.json"

func readPrepared(dir string) (map[string]prepare.Result, error) {
	data, err := os.ReadFile(filepath.Join(dir, preparedFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what the machines are: %w", err)
	}
	var all map[string]prepare.Result
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, preparedFile), err)
	}
	return all, nil
}

func writePrepared(dir string, all map[string]prepare.Result) error {
	if err := journal.ReplaceJSON(filepath.Join(dir, preparedFile), all, 0o644); err != nil {
		return fmt.Errorf("write what the machines are: %w", err)
	}
	return nil
}

// withPrepared notes at each node what its machine turned out to be.
func withPrepared(inv topology.Inventory, all map[string]prepare.Result) topology.Inventory {
	nodes := append([]topology.Node{}, inv.Nodes...)
	for i, n := range nodes {
		if r, ok := all[n.Name]; ok && n.Host != nil {
			h := *n.Host
			h.Java, h.Systemd = r.Java, r.Facts.Systemd && h.Root == ""
			nodes[i].Host = &h
		}
	}
	inv.Nodes = nodes
	return inv
}
