package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"

	"crossring/internal/deploy/prepare"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/fail"
	"crossring/internal/many"
	"crossring/internal/places"
	"crossring/internal/state"
	"crossring/internal/topology"
)

// consoleWait is how long the console of an instance that was made just now may take to
// show its host keys: Nitro instances take up to two minutes. Others keep what they show
// for later, and are asked once.
const consoleWait = 2 * time.Minute

// HoldHostKeys puts the host keys of EC2's instances where SSH finds them, before it
// first connects: as the instances printed them on their consoles, which nobody between
// here and them can change. Of one that does not show them in time, the key that it
// shows first is held.
func HoldHostKeys(ctx context.Context, w World, c Cluster) error {
	if c.Place.Cloud == nil {
		return nil
	}
	file := filepath.Join(c.Inv.Remote.Dir, state.KnownHosts)
	var fresh []topology.Node
	for _, n := range c.Inv.Nodes {
		if n.Host == nil {
			continue
		}
		held, err := sshhost.Held(file, n.Host.Address, n.Host.Port)
		if err != nil {
			return err
		}
		if !held {
			fresh = append(fresh, n)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	return w.Stage("host keys from the consoles of the instances", func() error {
		wait, cancel := context.WithTimeout(ctx, consoleWait)
		defer cancel()
		outputs, err := c.Place.Cloud.Console(wait, c.Inv, fresh, sshhost.ConsoleDone)
		if ctx.Err() != nil {
			return fmt.Errorf("reading the consoles: %w", context.Cause(ctx))
		}
		if err != nil {
			w.Log.Warn("host keys", "err", err) // the account may not be allowed to
		}
		for _, n := range fresh {
			keys := sshhost.ConsoleKeys(outputs[n.Name])
			if len(keys) == 0 {
				w.Say("%s shows no host key on its console yet: the one it shows first is held", n.Name)
				continue
			}
			if err := sshhost.Hold(file, n.Host.Address, n.Host.Port, keys); err != nil {
				return err
			}
		}
		return nil
	})
}

// ReadyMachines makes every machine of a cluster ready for its node, all at once. The
// cluster it returns knows what they turned out to be.
func ReadyMachines(ctx context.Context, w World, c Cluster, sw places.Software) (Cluster, error) {
	from := prepare.Software{Jolokia: sw.Jars.Jolokia}
	mirror := c.Inv.Plan.Mirror
	if e := c.Inv.Plan.EC2; e != nil {
		mirror = e.Mirror
	}
	if mirror != "" {
		v := c.Rel.Version
		from.Mirror = strings.TrimSuffix(mirror, "/") + "/" + v + "/apache-cassandra-" + v + "-bin.tar.gz"
	} else {
		from.Pack = filepath.Join(w.CacheDir, "packs", "cassandra-"+sw.Jars.Version+".tar")
		if w.CassandraHome != "" {
			from.Pack = filepath.Join(c.Dir, "pack.tar")
		}
		if err := prepare.WritePack(from.Pack, sw.Jars.ClassPath, sw.Jars.Jamm, sw.Jars.Jolokia); err != nil {
			return c, err
		}
	}
	all, err := places.ReadPrepared(c.Dir)
	if err != nil {
		return c, err
	}
	if all == nil {
		all = map[string]prepare.Result{}
	}
	var mu sync.Mutex
	err = OnEach(c.Inv.Nodes, func(n topology.Node) error {
		m, err := c.Machine(n)
		if err != nil {
			return err
		}
		res, err := prepare.Prepare(ctx, m, prepare.Request{
			Cluster: c.Inv.Plan.Name, ID: c.Inv.Remote.ID, Node: n, Disks: c.Inv.Plan.Disks, Attached: c.attached(n),
			Release: c.Rel, Software: from,
			Note: func(text string) { w.Say("%s", text) },
			Step: func(text string) { w.Log.Info("machine", "node", n.Name, "step", text) },
			Now:  w.Now,
		})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		all[n.Name] = res
		return nil
	})
	c.Inv = places.WithPrepared(c.Inv, all)
	return c, errors.Join(c.PartialOf(err), places.WritePrepared(c.Dir, all))
}

// attached are the volumes of a node's machine by what they are for; none where its disks
// are its own.
func (c Cluster) attached(n topology.Node) map[string]prepare.Attached {
	if c.Place.Volumes == nil {
		return nil
	}
	return c.Place.Volumes(c.Inv, n.Name)
}

// OnEach does f for all nodes at once and joins what went wrong, in their order.
func OnEach(nodes []topology.Node, f func(topology.Node) error) error {
	return many.Each(context.Background(), nodes, len(nodes), func(_ context.Context, n topology.Node) error {
		return fail.OfNode(n.Name, "", f(n))
	})
}

// PartialOf gives an error of some machines the code that says so, when others
// are well.
func (c Cluster) PartialOf(err error) error {
	var many *multierror.Error
	if errors.As(err, &many) && len(many.Errors) < len(c.Inv.Nodes) {
		return fail.Partial("", err, "")
	}
	return err
}
