package ec2

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/internal/many"
	clusters "crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/rules"
)

// Lack is a planned opening that the security groups of a node do not have.
type Lack = rules.Lack

// TheGroup is the Source of a rule for the nodes of the region.
const TheGroup = rules.TheGroup

// Lacking compares the security groups that the instances are in with the plan's rules,
// and lists what is missing. What is open beyond the plan does not count. It only reads.
func (p Provider) Lacking(ctx context.Context, inv topology.Inventory) ([]Lack, error) {
	st, err := p.readState(inv.Plan.Name)
	if err != nil {
		return nil, err
	}
	p.Pace = p.Pace.WithDefaults()
	cfg, err := cloud.Connect(ctx, p.Pace.MaxPoll)
	if err != nil {
		return nil, err
	}
	s := &site{Provider: p, dir: clusters.Dir(p.StateDir, st.Plan.Name), st: st}
	found, err := many.Map(ctx, regionNames(inv.Nodes), atOnce, func(ctx context.Context, name string) ([]Lack, error) {
		return s.region(name, cfg).lacking(ctx, inv)
	})
	return slices.Concat(found...), many.Alone(err)
}

func (r *region) lacking(ctx context.Context, inv topology.Inventory) ([]Lack, error) {
	public := map[string]string{}
	for _, n := range inv.Nodes {
		public[n.Name] = n.PublicAddress
	}
	want, err := rules.Wanted(r.name, r.st.Plan, public)
	if err != nil {
		return nil, err
	}
	instances, err := r.cloud.Instances(ctx, r.cloud.Mine())
	if err != nil {
		return nil, err
	}
	attached := map[string][]string{} // group ids by instance
	var ids []string
	for _, i := range instances {
		attached[aws.ToString(i.InstanceId)] = groupsOf(i)
		ids = append(ids, groupsOf(i)...)
	}
	mine, err := r.cloud.Groups(ctx, r.cloud.Mine())
	if err != nil {
		return nil, fmt.Errorf("reading the security groups of %s: %w", r.name, err)
	}
	has := map[string][]types.IpPermission{}
	planned := map[string]string{} // id by part
	for _, g := range mine {
		has[aws.ToString(g.GroupId)] = g.IpPermissions
		planned[cloud.Tagged(g.Tags, TagPart)] = aws.ToString(g.GroupId)
	}
	// An instance may be in groups that are not the cluster's.
	ids = slices.DeleteFunc(ids, func(id string) bool { _, known := has[id]; return known })
	if len(ids) > 0 {
		others, err := r.cloud.Groups(ctx, []types.Filter{cloud.Filter("group-id", ids...)})
		if err != nil {
			return nil, fmt.Errorf("reading the security groups of %s: %w", r.name, err)
		}
		for _, g := range others {
			has[aws.ToString(g.GroupId)] = g.IpPermissions
		}
	}
	f := rules.Found{Attached: map[string][]string{}, Rules: has, Source: planned[r.wall.groupPart(0)]}
	for _, n := range r.nodes() {
		f.Attached[n.Name] = attached[inv.EC2.Hosts[n.Name].Instance]
	}
	for _, part := range slices.SortedFunc(maps.Keys(planned), func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }) {
		f.Own = append(f.Own, planned[part])
	}
	return rules.Lacks(r.nodes(), want, f), nil
}
