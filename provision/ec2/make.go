package ec2

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/internal/journal"
	"crossring/internal/safely"
	clusters "crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/ledger"
)

// Make makes the hosts of a plan, its regions side by side, from wherever an earlier
// Make of it got to. It returns what was made, also when err is not nil. On a cluster
// that stands it changes nothing. When ctx ends, what is under way is finished, and
// nothing more is begun.
func (p Provider) Make(ctx context.Context, plan topology.Plan) (inv topology.Inventory, err error) {
	if plan.EC2 == nil || len(plan.EC2.OperatorCIDRs) == 0 {
		return inv, &PlanError{Region: plan.Name, Problem: "nobody says from which networks SSH and CQL may be reached",
			Fix: "set ec2.operator_cidr in the spec, or give --operator-cidr"}
	}
	st, fresh, err := p.begin(plan)
	if err != nil {
		return inv, err
	}
	// The inventory stands from the start, so that whoever finds the directory after a
	// crash knows what kind of cluster it is.
	if _, err := p.Inventory(plan.Name); errors.Is(err, fs.ErrNotExist) {
		if err := clusters.WriteInventory(clusters.Dir(p.StateDir, plan.Name), p.inventoryOf(st)); err != nil {
			return inv, err
		}
	}
	s, err := p.open(ctx, st, regionNames(plan.Nodes))
	if err != nil {
		return p.inventoryOf(st), errors.Join(err, p.forget(fresh, st))
	}
	defer func() { err = errors.Join(err, s.close()) }()
	changed, err := s.check(ctx, fresh)
	if err == nil && changed {
		err = s.save()
	}
	if err != nil {
		// Nothing was made, so nothing need be remembered.
		return p.inventoryOf(st), errors.Join(err, p.forget(fresh, st))
	}
	inv, err = s.make(ctx)
	if cause := ledger.Interrupted(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	if writeErr := clusters.WriteInventory(s.dir, inv); writeErr != nil {
		return inv, errors.Join(err, writeErr)
	}
	if err == nil && !s.st.Complete {
		s.st.Complete = true
		err = s.save()
	}
	return inv, err
}

// begin reads what an earlier Make decided, or decides.
func (p Provider) begin(plan topology.Plan) (st state, fresh bool, err error) {
	st, err = p.readState(plan.Name)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return st, false, err
	}
	id := make([]byte, 12)
	rand.Read(id) // never fails: it ends the process instead
	now := p.Now().UTC().Truncate(time.Second)
	st = state{Schema: topology.Schema, Plan: plan, Run: hex.EncodeToString(id), Owner: cmp.Or(plan.EC2.Owner, p.Owner), Made: now,
		Expires: now.Add(time.Duration(plan.EC2.TTLSeconds * float64(time.Second))), Images: map[string]cloud.Image{}}
	dir := clusters.Dir(p.StateDir, plan.Name)
	if err := journal.PrivateDir(dir); err != nil {
		return st, true, fmt.Errorf("make the cluster's directory: %w", err)
	}
	return st, true, safely.JSON(filepath.Join(dir, stateFile), st, 0o644)
}

// forget removes the directory of a cluster of which nothing was made.
func (p Provider) forget(fresh bool, st state) error {
	if !fresh {
		return nil
	}
	return os.RemoveAll(clusters.Dir(p.StateDir, st.Plan.Name))
}

func (s *site) save() error { return safely.JSON(filepath.Join(s.dir, stateFile), s.st, 0o644) }

// check sees that the plan can be made, in every region, before anything is made in
// one of them; and that the name is free. changed says that the state knows more now.
func (s *site) check(ctx context.Context, fresh bool) (changed bool, err error) {
	e := s.st.Plan.EC2
	for _, cidr := range e.OperatorCIDRs {
		if cidr == "0.0.0.0/0" && !s.st.Complete {
			s.Say("SSH and CQL will be open to the whole internet: operator_cidr has 0.0.0.0/0")
		}
	}
	if e.HTTPTokens == "optional" && !s.st.Complete {
		s.Say("instance metadata answers without a session token: Cassandra %s can't ask with one", s.st.Plan.Version)
	}
	if s.public, err = s.publicKey(); err != nil {
		return false, err
	}
	account := s.st.Account
	if fresh {
		if err := s.checkRegions(ctx, s.home); err != nil {
			return false, err
		}
	}
	if err := s.checkAccount(ctx); err != nil {
		return false, err
	}
	err = side(ctx, s.regions, func(ctx context.Context, r *region) error {
		if err := r.check(ctx); err != nil || s.st.Complete {
			return err
		}
		return r.checkTaken(ctx)
	})
	if err != nil {
		return false, err
	}
	changed = s.st.Account != account
	for _, r := range s.regions {
		if s.st.Images[r.name] != r.launch.image {
			s.st.Images[r.name], changed = r.launch.image, true
		}
	}
	return changed, nil
}

// make does the work, in steps that all regions take together: addresses of one
// region are in the rules of the others.
func (s *site) make(ctx context.Context) (topology.Inventory, error) {
	inv := s.inventoryOf(s.st)
	if s.st.Plan.EC2.Key == generatedKey {
		inv.EC2.KeyFile = filepath.Join(s.dir, keyFile)
	}
	elastic := s.st.Plan.EC2.PublicIP == elasticIP
	made := make([]part, len(s.regions))
	for i := range made {
		made[i] = part{addresses: map[string]address{}, instances: map[string]types.Instance{}}
	}
	// each does a step in all regions. What was made before a step failed is in made.
	each := func(step func(r *region, m *part) error) error {
		return side(ctx, numbersOf(s.regions), func(_ context.Context, i int) error { return step(s.regions[i], &made[i]) })
	}
	err := each(func(r *region, m *part) (err error) {
		if err = r.keyPair(ctx, s.public); err != nil {
			return err
		}
		if err = r.net.ensure(ctx); err != nil || !elastic {
			return err
		}
		m.addresses, err = r.addresses(ctx)
		return err
	})
	known := addressesOf(made)
	if err == nil {
		err = each(func(r *region, m *part) (err error) {
			if m.groups, err = r.wall.makeGroups(ctx); err != nil {
				return err
			}
			if elastic {
				if err := r.wall.open(ctx, m.groups, known); err != nil {
					return err
				}
			}
			m.instances, err = r.launch.instancesUp(ctx, m.groups)
			err = errors.Join(err, r.wall.attach(ctx, m.groups, m.instances))
			if elastic {
				err = errors.Join(err, r.associate(ctx, m.addresses, m.instances))
			}
			return err
		})
	}
	if err == nil && !elastic {
		known = addressesOf(made)
		err = each(func(r *region, m *part) error { return r.wall.open(ctx, m.groups, known) })
	}
	s.fill(&inv, made)
	return inv, err
}

// part is what was made in a region so far.
type part struct {
	addresses map[string]address
	groups    []string
	instances map[string]types.Instance
}

// addressesOf are the public addresses of all regions' nodes by name.
func addressesOf(made []part) map[string]string {
	public := map[string]string{}
	for _, m := range made {
		for node, i := range m.instances {
			public[node] = aws.ToString(i.PublicIpAddress)
		}
		for node, a := range m.addresses {
			public[node] = a.public
		}
	}
	return public
}

// sshPort is where the hosts are reached.
const sshPort = 22

// fill puts what was made into an inventory. A node that had to go to another zone has
// that zone and its rack.
func (s *site) fill(inv *topology.Inventory, made []part) {
	for k, n := range inv.Nodes {
		for _, m := range made {
			a, hasAddress := m.addresses[n.Name]
			i, hasInstance := m.instances[n.Name]
			if !hasAddress && !hasInstance {
				continue
			}
			host := topology.EC2Host{Allocation: a.allocation, Volumes: map[string]string{}}
			n.PublicAddress = a.public
			if hasInstance {
				host.Instance = aws.ToString(i.InstanceId)
				n.PrivateAddress = aws.ToString(i.PrivateIpAddress)
				if !hasAddress {
					n.PublicAddress = aws.ToString(i.PublicIpAddress)
				}
				if i.Placement != nil && aws.ToString(i.Placement.AvailabilityZone) != n.Zone {
					n.Zone = aws.ToString(i.Placement.AvailabilityZone)
					n.Datacenter, n.Rack = topology.EC2Names(s.st.Plan.NamingScheme, n.Zone)
				}
				s.volumes(host.Volumes, i)
			}
			n.Layout = topology.HostLayout("", s.st.Plan.Disks)
			n.Host = &topology.Host{Address: n.PublicAddress, Port: sshPort, User: s.st.Plan.EC2.SSHUser, Identity: inv.EC2.KeyFile, AnyDevice: true}
			inv.EC2.Hosts[n.Name] = host
		}
		inv.Nodes[k] = n
	}
}

// volumes notes which EBS volume is which disk.
func (s *site) volumes(by map[string]string, i types.Instance) {
	for _, d := range i.BlockDeviceMappings {
		for _, v := range s.st.Plan.EC2.Volumes {
			if aws.ToString(d.DeviceName) == v.Device && d.Ebs != nil {
				by[v.Disk] = aws.ToString(d.Ebs.VolumeId)
			}
		}
	}
}
