// Package hosts takes machines that are there already for a cluster's nodes: it
// reads which ones from an inventory file, sees that each can be used, and at the
// end removes from them what crossring put there.
package hosts

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"crossring/internal/deploy/prepare"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/fail"
	"crossring/internal/journal"
	"crossring/internal/many"
	"crossring/internal/plain"
	"crossring/internal/release"
	"crossring/internal/state"
	"crossring/internal/topology"
)

// Provider uses the machines of inventory files. Its own files are below a state
// directory.
type Provider struct {
	StateDir string
	Home     string // directory of the user, for "~/" in inventory files
	// Client reaches the machine of a node.
	Client func(inv topology.Inventory, n topology.Node) (*sshhost.Client, error)
	// Say takes a line for a person.
	Say func(format string, args ...any)
	Now func() time.Time
}

// Make finds a machine for each node and asks it whether it can be used. It
// changes nothing on them. One that can't be used does not hide the others: the
// error names each. A cluster that was made before keeps its machines.
func (p Provider) Make(ctx context.Context, plan topology.Plan) (topology.Inventory, error) {
	path := filepath.Join(state.Dir(p.StateDir, plan.Name), state.InventoryFile)
	inv, err := journal.ReadInventory(path)
	if err == nil {
		return inv, p.each(ctx, inv, func(ctx context.Context, n topology.Node) error { return p.check(ctx, inv, n) })
	}
	if !errors.Is(err, os.ErrNotExist) {
		return inv, err
	}
	list, err := p.entries(plan)
	if err != nil {
		return inv, err
	}
	id := make([]byte, 12)
	rand.Read(id) // never fails: it ends the process instead
	inv = topology.Inventory{
		Schema: topology.Schema, Plan: plan,
		Remote: &topology.Remote{ID: hex.EncodeToString(id), Dir: state.Dir(p.StateDir, plan.Name)},
	}
	if inv.Nodes, err = Assign(plan, plan.Hosts, list); err != nil {
		return topology.Inventory{}, err
	}
	if more := len(list) - len(inv.Nodes); more > 0 {
		p.Say("not used: %s of %s", plain.Count(more, "machine"), plan.Hosts)
	}
	if err := p.each(ctx, inv, func(ctx context.Context, n topology.Node) error { return p.check(ctx, inv, n) }); err != nil {
		return inv, err // nothing was changed anywhere: the file may be put right
	}
	return inv, journal.WriteInventory(path, inv)
}

// entries are the machines of a plan's inventory file.
func (p Provider) entries(plan topology.Plan) ([]Entry, error) {
	data, err := os.ReadFile(plan.Hosts)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &Problem{File: plan.Hosts, Message: "there is no such inventory file"}
	}
	if err != nil {
		return nil, fmt.Errorf("read inventory file: %w", err)
	}
	return Parse(plan.Hosts, data, p.Home)
}

// Fits says whether the inventory file of a plan can be read and has a machine for each node.
func (p Provider) Fits(plan topology.Plan) error {
	list, err := p.entries(plan)
	if err == nil {
		_, err = Assign(plan, plan.Hosts, list)
	}
	return err
}

// check sees that a machine is reached and fits.
func (p Provider) check(ctx context.Context, inv topology.Inventory, n topology.Node) error {
	c, err := p.Client(inv, n)
	if err != nil {
		return err
	}
	f, err := prepare.Ask(ctx, c, n, p.Now)
	if err != nil {
		return err
	}
	id, err := prepare.Claimed(ctx, c, n)
	if err != nil {
		return err
	}
	if id != "" && id != inv.Remote.ID {
		return fmt.Errorf("its machine is used by another cluster, with the id %s in %s", id, prepare.StateDir(n))
	}
	return f.Check(n, func(string) {}) // said when it is made ready
}

// stopGrace is how long a server may take to end by itself.
const stopGrace = 60 * time.Second

// LeftError says what could not be removed, and from where.
type LeftError struct {
	Cluster string
	Err     error
}

func (e *LeftError) Error() string {
	return fmt.Sprintf("cluster %s: not all could be removed: %v", e.Cluster, e.Err)
}

func (e *LeftError) Unwrap() error { return e.Err }

// ExitCode is that of something left behind.
func (e *LeftError) ExitCode() int { return fail.ExitLeftover }

// Hint is the command that tries again.
func (e *LeftError) Hint() string { return "crossring down " + e.Cluster }

// Unmake stops the servers and removes what was put on the machines, and looks
// whether it is gone. The cluster is forgotten only then.
func (p Provider) Unmake(ctx context.Context, inv topology.Inventory) error {
	rel, err := release.Of(inv.Plan.Version)
	if err != nil {
		return err
	}
	err = p.each(ctx, inv, func(ctx context.Context, n topology.Node) error { return p.clear(ctx, inv, n, rel) })
	if err != nil {
		return &LeftError{Cluster: inv.Plan.Name, Err: err}
	}
	if err := os.RemoveAll(inv.Remote.Dir); err != nil {
		return &LeftError{Cluster: inv.Plan.Name, Err: err}
	}
	return nil
}

func (p Provider) clear(ctx context.Context, inv topology.Inventory, n topology.Node, rel release.Release) error {
	c, err := p.Client(inv, n)
	if err != nil {
		return err
	}
	id, err := prepare.Claimed(ctx, c, n)
	if err != nil || id != inv.Remote.ID {
		return err // nothing on it is ours
	}
	f, err := prepare.Ask(ctx, c, n, p.Now)
	if err != nil {
		return err
	}
	s := prepare.Server{Machine: c, Node: n, ID: inv.Remote.ID, Main: rel.Main, Systemd: f.Systemd && n.Host.Root == ""}
	if err := s.Stop(ctx, stopGrace); err != nil {
		return err
	}
	left, err := prepare.Remove(ctx, c, prepare.Request{
		Cluster: inv.Plan.Name, ID: inv.Remote.ID, Node: n, Disks: inv.Plan.Disks, Release: rel, Now: p.Now,
	})
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("left behind: %s", strings.Join(left, ", "))
	}
	if err != nil {
		return err
	}
	if id, err = prepare.Claimed(ctx, c, n); err == nil && id != "" {
		err = fmt.Errorf("left behind: %s", prepare.StateDir(n))
	}
	return err
}

// atOnce is how many machines are spoken to at a time.
const atOnce = 32

// each does f for all nodes, many at once, and joins what went wrong, in their order.
func (p Provider) each(ctx context.Context, inv topology.Inventory, f func(context.Context, topology.Node) error) error {
	return many.Each(ctx, inv.Nodes, atOnce, func(ctx context.Context, n topology.Node) error {
		return fail.OfNode(n.Name, n.Host.Address, f(ctx, n))
	})
}
