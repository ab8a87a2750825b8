package places

import (
	"context"
	"net"

	"crossring/internal/deploy"
	"crossring/internal/release"
	"crossring/internal/topology"
	"crossring/provision"
	"crossring/provision/containers"
	"crossring/yamlgen"
)

// containersPlace is a Docker API.
func containersPlace(d Deps) Place {
	dial := func(ctx context.Context, inv topology.Inventory, n topology.Node, port int) (net.Conn, error) {
		door, err := containerDoor(d, inv)
		if err != nil {
			return nil, err
		}
		return door.Dial(ctx, n, port)
	}
	return Place{
		Name: "containers", Makes: "a network and containers",
		Ready:    containers.Ready,
		OwnDisks: func(topology.Inventory) bool { return false },
		Maker: func(rel release.Release, sw Software) provision.Provider {
			return containers.Provider{StateDir: d.StateDir, Main: rel.Main, Log: d.Log,
				Agents: map[string]string{containers.JolokiaAgent: sw.Jars.Jolokia, containers.JammAgent: sw.Jars.Jamm}}
		},
		Server: func(inv topology.Inventory, _ release.Release, n topology.Node) deploy.Host {
			door, err := containerDoor(d, inv)
			if err != nil {
				return lostHost{err: err}
			}
			return containers.Host{Cluster: door, Node: n}
		},
		Env: inContainer,
		// From outside its network a node's address may mean nothing.
		Dial: dial, DialAgent: dial,
		DialFrom: func(ctx context.Context, inv topology.Inventory, from topology.Node, addr string) (net.Conn, error) {
			door, err := containerDoor(d, inv)
			if err != nil {
				return nil, err
			}
			return door.DialFrom(ctx, from, addr)
		},
		Read: func(ctx context.Context, inv topology.Inventory, n topology.Node, path string) ([]byte, error) {
			door, err := containerDoor(d, inv)
			if err != nil {
				return nil, err
			}
			return door.Read(ctx, n, path)
		},
		Inside: func(inv topology.Inventory, n topology.Node, command string) string {
			return "docker exec " + inv.Containers.IDs[n.Name] + " " + command
		},
	}
}

// containerDoor is the door to a cluster's containers: one for each command.
func containerDoor(d Deps, inv topology.Inventory) (*containers.Cluster, error) {
	if d.Connections == nil {
		return nil, errNoConnections
	}
	d.Connections.mu.Lock()
	defer d.Connections.mu.Unlock()
	id := inv.Containers.ID
	if d.Connections.containers == nil {
		d.Connections.containers = map[string]*containers.Cluster{}
	}
	// The containers' ids are known only when they have been made.
	if have := d.Connections.containers[id]; have != nil && len(have.Inventory.Containers.IDs) == len(inv.Containers.IDs) {
		return have, nil
	}
	made := &containers.Cluster{Inventory: inv}
	d.Connections.containers[id] = made
	return made, nil
}

// inContainer names the software by where it is in the image.
func inContainer(rel release.Release, _ topology.Node, _ yamlgen.Env) yamlgen.Env {
	env := yamlgen.Env{ClassPath: []string{containers.Lib + "/*"}, JolokiaAgent: containers.JolokiaAgent}
	if rel.Jamm {
		env.JammAgent = containers.JammAgent
	}
	return env
}
