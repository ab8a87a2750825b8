// Package rules holds the security groups of a region against the plan: what is to be
// opened and where, what is to be closed, and what is missing. It asks nothing.
package rules

import (
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/internal/topology"
)

// Opening is one inbound rule: TCP to a port, from a network or, with none, from the
// region's first group.
type Opening struct {
	Port int
	CIDR string
	Why  string
}

// Wanted are the openings of a region, from the plan's rules. Sources that name a
// node become its public address.
func Wanted(region string, plan topology.Plan, public map[string]string) ([]Opening, error) {
	var list []Opening
	for _, rule := range plan.Shared(region) {
		o := Opening{Port: rule.Port, CIDR: rule.Source.String(), Why: rule.Why}
		if node := rule.Source.Node(); node != "" {
			if public[node] == "" {
				return nil, fmt.Errorf("opening %s for %s: its public address is not known", region, node)
			}
			o.CIDR, o.Why = public[node]+"/32", "internode, from "+node
		} else if rule.Source.IsGroup() {
			o.CIDR = ""
		}
		list = append(list, o)
	}
	// References to the group first: they belong to the group that all nodes are in.
	slices.SortStableFunc(list, func(a, b Opening) int { return rank(a) - rank(b) })
	return list, nil
}

func rank(o Opening) int {
	if o.CIDR == "" {
		return 0
	}
	return 1
}

// Assign gives each opening that no group has to the first group with room or, where
// none has any, to the last one: then EC2 says so.
func Assign(want []Opening, have [][]types.IpPermission, source string) [][]Opening {
	add := make([][]Opening, len(have))
	for _, o := range want {
		if slices.ContainsFunc(have, func(rules []types.IpPermission) bool { return Opened(rules, o, source) }) {
			continue
		}
		g := 0
		for g < len(have)-1 && Count(have[g])+len(add[g]) >= topology.RulesPerGroup {
			g++
		}
		add[g] = append(add[g], o)
	}
	return add
}

// Count is how many rules a group has, as EC2 counts them.
func Count(rules []types.IpPermission) int {
	n := 0
	for _, p := range rules {
		n += len(p.IpRanges) + len(p.Ipv6Ranges) + len(p.PrefixListIds) + len(p.UserIdGroupPairs)
	}
	return n
}

// Unwanted are the rules, of those that a group has, for a node that leaves, by its
// public address, and for those that stay, by name, which the plan does not have.
func Unwanted(region string, plan topology.Plan, have []types.IpPermission, leaves string, stay map[string]string) []types.IpPermission {
	ours := map[string]bool{leaves + "/32": leaves != ""}
	for _, public := range stay {
		ours[public+"/32"] = true
	}
	planned := map[Opening]bool{}
	for _, rule := range plan.Shared(region) {
		cidr := rule.Source.Network()
		if node := rule.Source.Node(); node != "" {
			cidr = stay[node] + "/32"
		}
		planned[Opening{Port: rule.Port, CIDR: cidr}] = true
	}
	var list []types.IpPermission
	for _, p := range have {
		for _, n := range p.IpRanges {
			cidr := aws.ToString(n.CidrIp)
			if ours[cidr] && !planned[Opening{Port: int(aws.ToInt32(p.FromPort)), CIDR: cidr}] {
				list = append(list, types.IpPermission{IpProtocol: p.IpProtocol, FromPort: p.FromPort, ToPort: p.ToPort, IpRanges: []types.IpRange{n}})
			}
		}
	}
	return list
}

// Opened says whether rules have an opening, as it is. Source is the group of Openings
// without a network.
func Opened(have []types.IpPermission, o Opening, source string) bool {
	return slices.ContainsFunc(have, func(p types.IpPermission) bool {
		if aws.ToString(p.IpProtocol) != "tcp" || aws.ToInt32(p.FromPort) != int32(o.Port) || aws.ToInt32(p.ToPort) != int32(o.Port) {
			return false
		}
		if o.CIDR == "" {
			return slices.ContainsFunc(p.UserIdGroupPairs, func(g types.UserIdGroupPair) bool { return aws.ToString(g.GroupId) == source })
		}
		return slices.ContainsFunc(p.IpRanges, func(n types.IpRange) bool { return aws.ToString(n.CidrIp) == o.CIDR })
	})
}

// Permission is an opening as EC2 takes it.
func Permission(o Opening, source string) types.IpPermission {
	p := types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(int32(o.Port)), ToPort: aws.Int32(int32(o.Port))}
	if o.CIDR == "" {
		p.UserIdGroupPairs = []types.UserIdGroupPair{{GroupId: &source, Description: aws.String(o.Why)}}
	} else {
		p.IpRanges = []types.IpRange{{CidrIp: aws.String(o.CIDR), Description: aws.String(o.Why)}}
	}
	return p
}
