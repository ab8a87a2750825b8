package ec2

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/internal/many"
	"crossring/internal/topology"
)

// Lack is a planned opening that the security groups of a node do not have: somebody
// took the rule away, or put the instance into other groups.
type Lack struct {
	Node   string
	Region string
	Group  string // id of the group that should have it; "" when that is gone
	Port   int
	Source string // network, or TheGroup
	Why    string // what the plan opens it for
	// Detached says that the group has the rule, and the instance is not in the group.
	Detached bool
}

// TheGroup is the Source of a rule for the nodes of the region.
const TheGroup = "the group itself"

func (l Lack) String() string {
	what := fmt.Sprintf("tcp %d from %s (%s)", l.Port, l.Source, l.Why)
	switch {
	case l.Group == "":
		return fmt.Sprintf("the cluster's security group in %s is gone, which has %s", l.Region, what)
	case l.Detached:
		return fmt.Sprintf("its instance is not in security group %s (%s), which has %s", l.Group, l.Region, what)
	}
	return fmt.Sprintf("security group %s (%s) lacks %s", l.Group, l.Region, what)
}

// Lacking compares the security groups that the instances are in with the plan's rules,
// and lists what is missing. What is open beyond the plan does not count. It only reads.
func (p Provider) Lacking(ctx context.Context, inv topology.Inventory) ([]Lack, error) {
	st, err := p.readState(inv.Plan.Name)
	if err != nil {
		return nil, err
	}
	p.Pace = p.Pace.WithDefaults()
	cfg, err := connect(ctx, p.Pace)
	if err != nil {
		return nil, err
	}
	s := &site{Provider: p, dir: p.Dir(st.Plan.Name), st: st}
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
	want, err := r.wanted(public)
	if err != nil {
		return nil, err
	}
	instances, err := r.instances(ctx, r.mine())
	if err != nil {
		return nil, err
	}
	attached := map[string][]string{} // group ids by instance
	var ids []string
	for _, i := range instances {
		attached[aws.ToString(i.InstanceId)] = groupsOf(i)
		ids = append(ids, groupsOf(i)...)
	}
	mine, err := r.groups(ctx, r.mine())
	if err != nil {
		return nil, fmt.Errorf("reading the security groups of %s: %w", r.name, err)
	}
	rules := map[string][]types.IpPermission{}
	planned := map[string]string{} // id by part
	for _, g := range mine {
		rules[aws.ToString(g.GroupId)] = g.IpPermissions
		planned[tagged(g.Tags, TagPart)] = aws.ToString(g.GroupId)
	}
	// An instance may be in groups that are not the cluster's.
	ids = slices.DeleteFunc(ids, func(id string) bool { _, known := rules[id]; return known })
	if len(ids) > 0 {
		others, err := r.groups(ctx, []types.Filter{filter("group-id", ids...)})
		if err != nil {
			return nil, fmt.Errorf("reading the security groups of %s: %w", r.name, err)
		}
		for _, g := range others {
			rules[aws.ToString(g.GroupId)] = g.IpPermissions
		}
	}
	source := planned[r.groupPart(0)]
	var own []string // groups of the cluster that there are, in their order
	for _, part := range slices.SortedFunc(maps.Keys(planned), func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }) {
		own = append(own, planned[part])
	}
	var list []Lack
	for _, n := range r.nodes() {
		in := attached[inv.EC2.Hosts[n.Name].Instance]
		for _, o := range want {
			if slices.ContainsFunc(in, func(id string) bool { return lets(rules[id], o, source) }) {
				continue
			}
			l := Lack{Node: n.Name, Region: r.name, Port: o.port, Source: o.cidr, Why: o.why}
			if l.Source == "" {
				l.Source = TheGroup
			}
			// The group that has the rule, and not the instance; or else that which up would
			// put it into.
			for _, id := range slices.Backward(own) {
				if room := count(rules[id]) < topology.RulesPerGroup; l.Group == "" || room {
					l.Group = id
				}
			}
			if i := slices.IndexFunc(own, func(id string) bool { return lets(rules[id], o, source) }); i >= 0 {
				l.Group, l.Detached = own[i], true
			}
			list = append(list, l)
		}
	}
	return list, nil
}

// lets says whether rules let an opening's packets in, be they wider than it. A prefix
// list is believed: what is in it is not read.
func lets(rules []types.IpPermission, o opening, source string) bool {
	return slices.ContainsFunc(rules, func(p types.IpPermission) bool {
		all := aws.ToString(p.IpProtocol) == "-1"
		if !all && (aws.ToString(p.IpProtocol) != "tcp" || o.port < int(aws.ToInt32(p.FromPort)) || o.port > int(aws.ToInt32(p.ToPort))) {
			return false
		}
		if o.cidr == "" {
			return slices.ContainsFunc(p.UserIdGroupPairs, func(g types.UserIdGroupPair) bool { return aws.ToString(g.GroupId) == source })
		}
		return len(p.PrefixListIds) > 0 || strings.HasPrefix(o.cidr, "pl-") ||
			slices.ContainsFunc(p.IpRanges, func(n types.IpRange) bool { return within(o.cidr, aws.ToString(n.CidrIp)) })
	})
}

// within says whether a network is part of another, or is it.
func within(small, big string) bool {
	s, err := netip.ParsePrefix(small)
	if err != nil {
		return small == big
	}
	b, err := netip.ParsePrefix(big)
	return err == nil && b.Bits() <= s.Bits() && b.Contains(s.Addr())
}
