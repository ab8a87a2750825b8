// Package containers makes a cluster of containers on a Docker API, Docker's or
// Podman's: one for each node, of the official cassandra image or another one of the
// same entry point and paths, in a network of the cluster's own. testcontainers makes
// them; they outlive the command that did.
//
// All nodes are on one network: there are no regions with a distance between them, and
// no instance metadata. Nothing is published but the ports of CQL and of the Jolokia
// agent, each on 127.0.0.1.
package containers

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"crossring/internal/fail"
	"crossring/internal/journal"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision"
)

// Provider makes containers. Its own files are below a state directory.
type Provider struct {
	StateDir string
	Main     string // main class of the server
	// Agents are jars that go into every container, by their path there; "" is none.
	Agents map[string]string
	Log    *slog.Logger
}

// UnreachableError says that the Docker API does not answer.
type UnreachableError struct {
	Host string // address; "" where none was found
	Err  error
}

func (e *UnreachableError) Error() string {
	if e.Host == "" {
		return fmt.Sprintf("no Docker API found: %v", e.Err)
	}
	return fmt.Sprintf("the Docker API at %s does not answer: %v", e.Host, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// ExitCode is that of a prerequisite.
func (e *UnreachableError) ExitCode() int { return fail.ExitPrerequisite }

// Hint is a command that shows more, and one that helps where there is Podman.
func (e *UnreachableError) Hint() string {
	return "docker info   # with Podman: podman system service --time=0 unix:///run/podman/podman.sock & export DOCKER_HOST=unix:///run/podman/podman.sock"
}

// ImageError says that an image can't be used.
type ImageError struct {
	Image  string
	Reason string
	Err    error
}

func (e *ImageError) Error() string {
	s := fmt.Sprintf("image %s: %s", e.Image, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *ImageError) Unwrap() error { return e.Err }

// ExitCode is that of a prerequisite.
func (e *ImageError) ExitCode() int { return fail.ExitPrerequisite }

// Hint says which images there are.
func (e *ImageError) Hint() string {
	return "docker images   # and name one in the spec: containers: {image: NAME}"
}

// Labels of everything that is made.
const (
	labelCluster = "crossring.cluster"
	labelID      = "crossring.id"
	labelNode    = "crossring.node"
	labelDir     = "crossring.dir" // state directory of the cluster
)

// Make makes the network and a container for each node, and looks into them whether
// they are what the plan asks for. None is started. On a cluster that was made before
// it makes what is missing.
func (p Provider) Make(ctx context.Context, plan topology.Plan) (topology.Inventory, error) {
	const deadline = 15 * time.Minute // an image may have to be pulled
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	dir := state.Dir(p.StateDir, plan.Name)
	inv, err := readInventory(dir)
	known := err == nil
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return inv, err
	}
	host := plan.Containers.DockerHost
	if known {
		host = inv.Containers.DockerHost
	}
	m, err := reach(ctx, host)
	if err != nil {
		return inv, err
	}
	defer func() { _ = m.Close() }()
	if !known {
		id := make([]byte, 12)
		rand.Read(id) // never fails: it ends the process instead
		name := hex.EncodeToString(id)
		inv = topology.Inventory{Schema: topology.Schema, Plan: plan, Containers: &topology.Containers{
			ID: name, Dir: dir, DockerHost: m.DaemonHost(), IDs: map[string]string{},
			// Another state directory may have a cluster of the same name.
			Network: "crossring-" + plan.Name + "-" + name[:6],
		}}
		if inv.Nodes, err = m.place(ctx, plan, dir); err != nil {
			return topology.Inventory{}, err
		}
		// Written before anything is made: what is made is then found by its labels.
		if err := state.WriteInventory(dir, inv); err != nil {
			return topology.Inventory{}, err
		}
	}
	if err := m.make(ctx, p, &inv); err != nil {
		var image *ImageError
		if !known && errors.As(err, &image) {
			// The spec has to be put right, and nothing of it stands.
			err = errors.Join(err, p.Unmake(ctx, inv))
		}
		return inv, err
	}
	return inv, state.WriteInventory(dir, inv)
}

// Unmake removes the containers, their volumes and the network, all that bears the
// cluster's label, and looks whether it is gone.
func (p Provider) Unmake(ctx context.Context, inv topology.Inventory) error {
	const deadline = 3 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	m, err := connect(ctx, inv.Containers.DockerHost)
	if err != nil {
		return &provision.LeftError{Cluster: inv.Plan.Name, What: []string{"its containers (" + err.Error() + ")"}}
	}
	defer func() { _ = m.Close() }()
	left := m.remove(ctx, inv)
	if len(left) == 0 {
		if err := os.RemoveAll(inv.Containers.Dir); err != nil {
			left = append(left, fmt.Sprintf("%s (%v)", inv.Containers.Dir, err))
		}
	}
	if len(left) > 0 {
		return &provision.LeftError{Cluster: inv.Plan.Name, What: left}
	}
	return nil
}

// layout is where the official image keeps a node's files.
func layout() topology.Layout {
	const home = "/var/lib/cassandra"
	return topology.Layout{
		Root: home, Conf: "/etc/cassandra", Data: home + "/data", Commitlog: home + "/commitlog", SavedCaches: home + "/saved_caches",
		Hints: home + "/hints", CDC: home + "/cdc_raw", Log: "/var/log/cassandra", Tmp: "/tmp", Home: home,
	}
}

// serverUser is who the server runs as, of the image's users.
const serverUser = "cassandra"

// Paths in an image and in the containers made of it.
const (
	// Lib holds the server's jars.
	Lib = "/opt/cassandra/lib"
	// JolokiaAgent is what the ring is read through; crossring puts it there.
	JolokiaAgent = "/etc/cassandra/jolokia-agent.jar"
	// JammAgent measures objects. The image has one, of a name that differs.
	JammAgent = "/etc/cassandra/jamm-agent.jar"
)

func readInventory(dir string) (topology.Inventory, error) {
	path := filepath.Join(dir, state.InventoryFile)
	inv, err := journal.ReadInventory(path)
	if err != nil {
		return inv, err
	}
	if inv.Containers == nil {
		return inv, fmt.Errorf("read inventory %s: it is of no cluster of containers", path)
	}
	return inv, nil
}
