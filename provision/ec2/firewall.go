package ec2

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/internal/topology"
	"crossring/provision/ec2/ledger"
)

// opening is one inbound rule: TCP to a port, from a network or, with none, from the
// region's first group.
type opening struct {
	port int
	cidr string
	why  string
}

// wanted are the openings of the region, from the plan's rules. Sources that name a
// node become its public address.
func (r *region) wanted(public map[string]string) ([]opening, error) {
	here := map[string]bool{}
	for _, n := range r.nodes() {
		here[n.Name] = true
	}
	var list []opening
	for _, rule := range r.st.Plan.Rules {
		if !here[rule.Node] {
			continue
		}
		o := opening{port: rule.Port, cidr: rule.Source, why: rule.Why}
		if node, ok := strings.CutPrefix(rule.Source, "node "); ok {
			if public[node] == "" {
				return nil, fmt.Errorf("opening %s for %s: its public address is not known", r.name, node)
			}
			o.cidr, o.why = public[node]+"/32", "internode, from "+node
		} else if rule.Source == "group" {
			o.cidr = ""
		}
		if !slices.ContainsFunc(list, func(have opening) bool { return have.port == o.port && have.cidr == o.cidr }) {
			list = append(list, o)
		}
	}
	// References to the group first: they belong to the group that all nodes are in.
	slices.SortStableFunc(list, func(a, b opening) int { return rank(a) - rank(b) })
	return list, nil
}

func rank(o opening) int {
	if o.cidr == "" {
		return 0
	}
	return 1
}

// open adds the rules that are missing. What is there already, in whichever group, is
// not asked for again: one rule twice makes EC2 refuse the whole call. A rule goes where
// there is room, so that those that stand stay where they are.
func (r *region) open(ctx context.Context, groups []string, public map[string]string) error {
	want, err := r.wanted(public)
	if err != nil {
		return err
	}
	have := make([][]types.IpPermission, len(groups))
	for g, id := range groups {
		if have[g], err = r.permissions(ctx, id); err != nil {
			return err
		}
	}
	for g, add := range assign(want, have, groups[0]) {
		if err := r.openGroup(ctx, g, groups[g], groups[0], add); err != nil {
			return err
		}
	}
	return nil
}

// assign gives each opening that no group has to the first group with room or, where
// none has any, to the last one: then EC2 says so.
func assign(want []opening, have [][]types.IpPermission, source string) [][]opening {
	add := make([][]opening, len(have))
	for _, o := range want {
		if slices.ContainsFunc(have, func(rules []types.IpPermission) bool { return opened(rules, o, source) }) {
			continue
		}
		g := 0
		for g < len(have)-1 && count(have[g])+len(add[g]) >= topology.RulesPerGroup {
			g++
		}
		add[g] = append(add[g], o)
	}
	return add
}

// count is how many rules a group has, as EC2 counts them.
func count(rules []types.IpPermission) int {
	n := 0
	for _, p := range rules {
		n += len(p.IpRanges) + len(p.Ipv6Ranges) + len(p.PrefixListIds) + len(p.UserIdGroupPairs)
	}
	return n
}

func (r *region) openGroup(ctx context.Context, g int, id, source string, want []opening) error {
	if len(want) == 0 {
		return nil
	}
	_, err := r.clerk.Change(ctx, ledger.Mutation{Action: "AuthorizeSecurityGroupIngress", Part: r.groupPart(g),
		Call: func(ctx context.Context) (string, error) {
			have, err := r.permissions(ctx, id)
			if err != nil {
				return "", err
			}
			var add []types.IpPermission
			for _, o := range want {
				if !opened(have, o, source) {
					add = append(add, permission(o, source))
				}
			}
			if len(add) == 0 {
				return id, nil
			}
			_, err = r.api.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: add}, once)
			return id, err
		}, Done: map[string]bool{"InvalidPermission.Duplicate": true}})
	return err
}

// close takes away the rules that let a node in which leaves, by its public address:
// that will be somebody else's. So go rules for nodes that stay, by name in stay, which
// the plan has no more: that of a node's own address, when it is the last of its region.
func (r *region) close(ctx context.Context, leaves string, stay map[string]string) error {
	for g, id := range r.groupIDs() {
		entries := func(ctx context.Context) ([]types.IpPermission, error) {
			have, err := r.permissions(ctx, id)
			return r.unwanted(have, leaves, stay), err
		}
		some, err := entries(ctx)
		if err != nil {
			return err
		}
		if len(some) == 0 {
			continue
		}
		_, err = r.clerk.Change(ctx, ledger.Mutation{Action: "RevokeSecurityGroupIngress", Part: r.groupPart(g), Intent: leaves,
			Call: func(ctx context.Context) (string, error) {
				some, err := entries(ctx)
				if err != nil || len(some) == 0 {
					return id, err
				}
				_, err = r.api.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &id, IpPermissions: some}, once)
				return id, err
			}, Done: map[string]bool{"InvalidPermission.NotFound": true}})
		if err != nil {
			return err
		}
	}
	return nil
}

// unwanted are the rules for a node that leaves and for those that stay which the plan
// does not have.
func (r *region) unwanted(have []types.IpPermission, leaves string, stay map[string]string) []types.IpPermission {
	ours := map[string]bool{leaves + "/32": leaves != ""}
	for _, public := range stay {
		ours[public+"/32"] = true
	}
	here := map[string]bool{}
	for _, n := range r.nodes() {
		here[n.Name] = true
	}
	planned := map[opening]bool{}
	for _, rule := range r.st.Plan.Rules {
		if !here[rule.Node] {
			continue
		}
		cidr := rule.Source
		if node, ok := strings.CutPrefix(cidr, "node "); ok {
			cidr = stay[node] + "/32"
		}
		planned[opening{port: rule.Port, cidr: cidr}] = true
	}
	var list []types.IpPermission
	for _, p := range have {
		for _, n := range p.IpRanges {
			cidr := aws.ToString(n.CidrIp)
			if ours[cidr] && !planned[opening{port: int(aws.ToInt32(p.FromPort)), cidr: cidr}] {
				list = append(list, types.IpPermission{IpProtocol: p.IpProtocol, FromPort: p.FromPort, ToPort: p.ToPort, IpRanges: []types.IpRange{n}})
			}
		}
	}
	return list
}

// permissions reads the inbound rules of a group, once EC2 shows it.
func (r *region) permissions(ctx context.Context, id string) ([]types.IpPermission, error) {
	var have []types.IpPermission
	found, err := r.clerk.Look(ctx, func(ctx context.Context) (string, error) {
		groups, err := r.groups(ctx, []types.Filter{filter("group-id", id)})
		if err != nil || len(groups) == 0 {
			return "", err
		}
		have = groups[0].IpPermissions
		return id, nil
	})
	if err == nil && found == "" {
		err = &GoneError{Cluster: r.st.Plan.Name, Node: r.name, What: "security group " + id}
	}
	return have, err
}

func opened(have []types.IpPermission, o opening, source string) bool {
	return slices.ContainsFunc(have, func(p types.IpPermission) bool {
		if aws.ToString(p.IpProtocol) != "tcp" || aws.ToInt32(p.FromPort) != int32(o.port) || aws.ToInt32(p.ToPort) != int32(o.port) {
			return false
		}
		if o.cidr == "" {
			return slices.ContainsFunc(p.UserIdGroupPairs, func(g types.UserIdGroupPair) bool { return aws.ToString(g.GroupId) == source })
		}
		return slices.ContainsFunc(p.IpRanges, func(n types.IpRange) bool { return aws.ToString(n.CidrIp) == o.cidr })
	})
}

func permission(o opening, source string) types.IpPermission {
	p := types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(int32(o.port)), ToPort: aws.Int32(int32(o.port))}
	if o.cidr == "" {
		p.UserIdGroupPairs = []types.UserIdGroupPair{{GroupId: &source, Description: aws.String(o.why)}}
	} else {
		p.IpRanges = []types.IpRange{{CidrIp: aws.String(o.cidr), Description: aws.String(o.why)}}
	}
	return p
}
