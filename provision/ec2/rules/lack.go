package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

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

// Found is what there is of groups and rules.
type Found struct {
	Attached map[string][]string             // ids of the groups of each node's instance
	Rules    map[string][]types.IpPermission // inbound, of each group by its id
	Own      []string                        // ids of the cluster's groups that there are, in their order
	Source   string                          // id of the group that openings without a network let in
}

// Lacks lists what the nodes' groups do not have of what is wanted.
func Lacks(nodes []topology.Node, want []Opening, f Found) []Lack {
	var list []Lack
	for _, n := range nodes {
		in := f.Attached[n.Name]
		for _, o := range want {
			if slices.ContainsFunc(in, func(id string) bool { return Lets(f.Rules[id], o, f.Source) }) {
				continue
			}
			l := Lack{Node: n.Name, Region: n.Region, Port: o.Port, Source: o.CIDR, Why: o.Why}
			if l.Source == "" {
				l.Source = TheGroup
			}
			// The group that has the rule, and not the instance; or else that which up would
			// put it into.
			for _, id := range slices.Backward(f.Own) {
				if room := Count(f.Rules[id]) < topology.RulesPerGroup; l.Group == "" || room {
					l.Group = id
				}
			}
			if i := slices.IndexFunc(f.Own, func(id string) bool { return Lets(f.Rules[id], o, f.Source) }); i >= 0 {
				l.Group, l.Detached = f.Own[i], true
			}
			list = append(list, l)
		}
	}
	return list
}

// Lets says whether rules let an opening's packets in, be they wider than it. A prefix
// list is believed: what is in it is not read.
func Lets(rules []types.IpPermission, o Opening, source string) bool {
	return slices.ContainsFunc(rules, func(p types.IpPermission) bool {
		all := aws.ToString(p.IpProtocol) == "-1"
		if !all && (aws.ToString(p.IpProtocol) != "tcp" || o.Port < int(aws.ToInt32(p.FromPort)) || o.Port > int(aws.ToInt32(p.ToPort))) {
			return false
		}
		if o.CIDR == "" {
			return slices.ContainsFunc(p.UserIdGroupPairs, func(g types.UserIdGroupPair) bool { return aws.ToString(g.GroupId) == source })
		}
		return len(p.PrefixListIds) > 0 || strings.HasPrefix(o.CIDR, "pl-") ||
			slices.ContainsFunc(p.IpRanges, func(n types.IpRange) bool { return within(o.CIDR, aws.ToString(n.CidrIp)) })
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
