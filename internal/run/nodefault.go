package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/deploy"
	"crossring/internal/fail"
	"crossring/internal/health"
	"crossring/internal/places"
	"crossring/internal/topology"
	"crossring/internal/trust"
	"crossring/provision/local"
)

// FaultNode does something to the server of one node, NAME:NODE: a kind of
// topology.NodeFaultKinds. It says what is in force then.
func FaultNode(ctx context.Context, w cluster.World, kind, ref string) (health.Network, error) {
	name, node := cluster.SplitRef(ref)
	if err := cluster.CheckRef(ref); err != nil {
		return health.Network{Schema: topology.Schema}, err
	}
	if node == "" {
		return health.Network{Schema: topology.Schema}, fail.Usage("", fmt.Errorf("fault %s is of one node, NAME:NODE", kind), w.Command("status", name))
	}
	c, n, err := w.PickOne(ref)
	if err != nil {
		return health.Network{Schema: topology.Schema}, err
	}
	b, err := breaker(c)
	if err != nil {
		return health.Network{Schema: topology.Schema}, err
	}
	if err := b.FaultNode(ctx, c.Inv, kind, n.Name); err != nil {
		return health.Network{Schema: topology.Schema}, err
	}
	return health.Fault(ctx, w, name, local.Fault{})
}

func breaker(c cluster.Cluster) (places.Breaker, error) {
	if c.Place.Breaker == nil {
		return nil, c.Place.NotHere(c.Inv.Plan.Name, "faults of servers", "")
	}
	return c.Place.Breaker, nil
}

// RegionDown kills all servers of a region that run, as the loss of the region does. Their
// disks stay.
func RegionDown(ctx context.Context, w cluster.World, name, region string) (health.Network, error) {
	net, c, err := regionOf(w, name, region)
	if err != nil {
		return net, err
	}
	b, err := breaker(c)
	if err != nil {
		return net, err
	}
	st, err := c.Place.Network.Status(ctx, c.Inv)
	if err != nil {
		return net, err
	}
	var up []topology.Node
	for _, n := range inRegion(c, region) {
		if paused(st.Faults, n.Name) {
			return net, fail.Usage("", fmt.Errorf("%s is paused already", n.Name), w.Command("fault", "resume", name+":"+n.Name))
		}
		if st.Nodes[n.Name].Running {
			up = append(up, n)
		}
	}
	if len(up) == 0 {
		return net, fail.Usage("", fmt.Errorf("no node of %s runs", region), w.Command("fault", "region-up", name, region))
	}
	var all []error
	for _, n := range up {
		all = append(all, b.FaultNode(ctx, c.Inv, topology.FaultKill, n.Name))
	}
	if err := errors.Join(all...); err != nil {
		return net, err
	}
	return health.Fault(ctx, w, name, local.Fault{})
}

// RegionUp starts the servers of a region that do not run, and has those go on that are
// paused; it waits until each answers.
func RegionUp(ctx context.Context, w cluster.World, name, region string) (health.Network, error) {
	net, c, err := regionOf(w, name, region)
	if err != nil {
		return net, err
	}
	if _, err := breaker(c); err != nil {
		return net, err
	}
	st, err := c.Place.Network.Status(ctx, c.Inv)
	var gone *local.KeeperGoneError
	if err != nil && !errors.As(err, &gone) { // starting puts a keeper in its place
		return net, err
	}
	var down []topology.Node
	for _, n := range inRegion(c, region) {
		if !st.Nodes[n.Name].Running || paused(st.Faults, n.Name) {
			down = append(down, n)
		}
	}
	if len(down) == 0 {
		return net, fail.Usage("", fmt.Errorf("all nodes of %s run", region), w.Command("fault", "show", name))
	}
	if err := startAgain(ctx, w, name, down); err != nil {
		return net, err
	}
	return health.Fault(ctx, w, name, local.Fault{})
}

// Heal ends all faults of a cluster: those of its lines, and those of its servers.
func Heal(ctx context.Context, w cluster.World, name string) (health.Network, error) {
	net, err := health.Fault(ctx, w, name, local.Fault{})
	if err != nil {
		return net, err
	}
	if len(net.Faults) == 0 {
		w.Say("no fault is in force on cluster %s: there is nothing to heal", name)
		return net, nil
	}
	c, err := w.Open(name)
	if err != nil {
		return net, err
	}
	var down []topology.Node
	for _, f := range net.Faults {
		kind, _ := topology.FaultKindOf(f.Kind)
		if n, err := c.Inv.Node(f.A); kind.Node && err == nil {
			down = append(down, n)
			continue
		}
		end := local.Fault{Kind: kind.Mend, A: f.A, B: f.B}
		if kind.RTT {
			end.RTT = time.Duration(c.Inv.Plan.RTT(f.A, f.B) * float64(time.Millisecond))
		}
		if err := c.Place.Network.Fault(ctx, c.Inv, end); err != nil {
			return net, err
		}
		w.Say("ended: %s", f)
	}
	if len(down) > 0 {
		if err := startAgain(ctx, w, name, down); err != nil {
			return net, err
		}
	}
	return health.Fault(ctx, w, name, local.Fault{})
}

func startAgain(ctx context.Context, w cluster.World, name string, nodes []topology.Node) error {
	unlock, err := w.Lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	c, err := w.Open(name)
	if err != nil {
		return err
	}
	var targets []deploy.Target
	for _, n := range nodes {
		targets = append(targets, deploy.Target{Node: n, Host: c.Host(n)})
	}
	return trust.StartServers(ctx, w, c, targets)
}

func paused(faults []topology.NetworkFault, node string) bool {
	return slices.ContainsFunc(faults, func(f topology.NetworkFault) bool { return f.Kind == topology.FaultPause && f.A == node })
}

// regionOf opens a cluster that has a region.
func regionOf(w cluster.World, name, region string) (health.Network, cluster.Cluster, error) {
	net := health.Network{Schema: topology.Schema}
	if err := cluster.CheckName(name); err != nil {
		return net, cluster.Cluster{}, err
	}
	c, err := w.Open(name)
	if err != nil || len(inRegion(c, region)) > 0 {
		return net, c, err
	}
	var known []string
	for _, n := range c.Inv.Nodes {
		if !slices.Contains(known, n.Region) {
			known = append(known, n.Region)
		}
	}
	return net, c, fail.Usage("", fmt.Errorf("there is no region %q in cluster %s; there is %s", region, name, strings.Join(known, ", ")), w.Command("fault", "show", name))
}

func inRegion(c cluster.Cluster, region string) []topology.Node {
	return slices.DeleteFunc(slices.Clone(c.Inv.Nodes), func(n topology.Node) bool { return n.Region != region })
}
