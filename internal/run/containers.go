package run

import (
	"context"
	"errors"
	"net"

	"crossring/internal/deploy"
	"crossring/internal/release"
	"crossring/internal/topology"
	"crossring/provision/containers"
	"crossring/yamlgen"
)

// containers is the provider of clusters of containers.
func (w World) containers(p topology.Plan, sw software) containers.Provider {
	rel, _ := release.Of(p.Version) // the plan was built with it
	return containers.Provider{StateDir: w.StateDir, Main: rel.Main, Log: w.Log,
		Agents: map[string]string{containers.JolokiaAgent: sw.jars.Jolokia, containers.JammAgent: sw.jars.Jamm}}
}

// containerCluster is the door to a cluster's containers: one for each command.
func (w World) containerCluster(c cluster) (*containers.Cluster, error) {
	if w.Connections == nil {
		return nil, errors.New("this command makes no connections")
	}
	w.Connections.mu.Lock()
	defer w.Connections.mu.Unlock()
	id := c.inv.Containers.ID
	if w.Connections.containers == nil {
		w.Connections.containers = map[string]*containers.Cluster{}
	}
	// The containers' ids are known only when they have been made.
	if have := w.Connections.containers[id]; have != nil && len(have.Inventory.Containers.IDs) == len(c.inv.Containers.IDs) {
		return have, nil
	}
	made := &containers.Cluster{Inventory: c.inv}
	w.Connections.containers[id] = made
	return made, nil
}

// containerHost is a node's container.
func (w World) containerHost(c cluster, n topology.Node) deploy.Host {
	door, err := w.containerCluster(c)
	if err != nil {
		return lostHost{err: err}
	}
	return containers.Host{Cluster: door, Node: n}
}

// containerDial reaches a port of a node from outside its network, where its address
// may mean nothing.
func (w World) containerDial(ctx context.Context, c cluster, n topology.Node, port int) (net.Conn, error) {
	door, err := w.containerCluster(c)
	if err != nil {
		return nil, err
	}
	return door.Dial(ctx, n, port)
}

// containerEnv names the software by where it is in the image.
func containerEnv(rel release.Release) yamlgen.Env {
	env := yamlgen.Env{ClassPath: []string{containers.Lib + "/*"}, JolokiaAgent: containers.JolokiaAgent}
	if rel.Jamm {
		env.JammAgent = containers.JammAgent
	}
	return env
}
