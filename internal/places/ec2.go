package places

import (
	"context"
	"path/filepath"
	"time"

	"crossring/internal/deploy/prepare"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/plain"
	"crossring/internal/plan"
	"crossring/internal/release"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision"
	"crossring/provision/ec2"
)

// EC2 is the provider itself, for the verbs that are of EC2 alone.
func EC2(d Deps) ec2.Provider {
	return ec2.Provider{StateDir: d.StateDir, Log: d.Log, Say: d.Say, Now: d.Now, Owner: d.Owner}
}

// ec2Place are instances.
func ec2Place(d Deps) Place {
	m := machines{Deps: d, boots: true}
	p := EC2(d)
	return m.place(Place{
		Name: "ec2", Makes: "addresses, firewall rules and machines",
		Maker:  func(release.Release, Software) provision.Provider { return p },
		Ready:  p.Ready,
		Grower: ec2Grower{p}, Record: p, Cloud: p,
		Volumes: attached,
		Life: func(inv topology.Inventory) (made, ends time.Time, err error) {
			made, err = p.Made(inv.Plan.Name)
			if inv.EC2 != nil {
				ends = inv.EC2.ExpiresAt
			}
			return made, ends, err
		},
		Holds: func(inv topology.Inventory) string {
			if inv.EC2 == nil {
				return ""
			}
			return plain.Count(len(inv.EC2.Hosts), "instance") + " in EC2"
		},
	})
}

// ec2Grower makes and removes instances. All of it is one operation: the hosts become
// those of a plan, whatever an earlier attempt got to.
type ec2Grower struct{ ec2.Provider }

func (g ec2Grower) CheckResize(ctx context.Context, inv topology.Inventory, want topology.Plan, dead ...topology.Node) error {
	return g.Provider.CheckResize(ctx, plan.Replanned(inv.Plan.WithNodes(want.Nodes)), dead...)
}

func (g ec2Grower) AddNode(ctx context.Context, inv topology.Inventory, n topology.Node) (topology.Inventory, error) {
	nodes := inv.Nodes
	if _, err := inv.Node(n.Name); err != nil {
		nodes = topology.InsertNode(nodes, n)
	}
	return g.resize(ctx, inv, nodes)
}

func (g ec2Grower) ReplaceNode(ctx context.Context, inv topology.Inventory, dead topology.Node) (topology.Inventory, error) {
	return g.resize(ctx, inv, inv.Nodes, dead)
}

func (g ec2Grower) RemoveNode(ctx context.Context, inv topology.Inventory, name string) (topology.Inventory, error) {
	return g.resize(ctx, inv, topology.WithoutNode(inv.Nodes, name))
}

// resize has EC2 make and remove hosts. What it returns knows of the machines that were
// made ready what they turned out to be.
func (g ec2Grower) resize(ctx context.Context, inv topology.Inventory, nodes []topology.Node, dead ...topology.Node) (topology.Inventory, error) {
	dir := state.Dir(g.StateDir, inv.Plan.Name)
	// A new host may get an address that one of the cluster's had before.
	var known []string
	for _, n := range inv.Nodes {
		if n.Host != nil {
			known = append(known, n.Host.Address)
		}
	}
	if err := sshhost.Keep(filepath.Join(dir, state.KnownHosts), known); err != nil {
		return inv, err
	}
	made, err := g.Resize(ctx, plan.Replanned(inv.Plan.WithNodes(nodes)), dead...)
	if made.EC2 == nil {
		return inv, err
	}
	all, readErr := ReadPrepared(dir)
	if err == nil {
		err = readErr
	}
	return WithPrepared(made, all), err
}

// attached are the EBS volumes of a node by what they are for; none where the disks are
// the instance's own.
func attached(inv topology.Inventory, node string) map[string]prepare.Attached {
	if inv.EC2 == nil || inv.Plan.EC2 == nil {
		return nil
	}
	disks := map[string]prepare.Attached{}
	for _, v := range inv.Plan.EC2.Volumes {
		if id := inv.EC2.Hosts[node].Volumes[v.Disk]; id != "" {
			disks[v.Disk] = prepare.Attached{ID: id, Device: v.Device}
		}
	}
	return disks
}
