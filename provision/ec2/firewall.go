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

// makeGroups makes as many security groups as the plan's rules need.
func (r *region) makeGroups(ctx context.Context) ([]string, error) {
	count := 1
	for _, q := range r.st.Plan.EC2.Quotas {
		if q.Region == r.name && q.Quota == topology.QuotaGroups {
			count = max(count, q.Need)
		}
	}
	var ids []string
	for g := range count {
		part := r.part(fmt.Sprintf("security-group/%d", g+1))
		if rec := r.mem.get("CreateSecurityGroup", part); rec.made() {
			ids = append(ids, rec.ID)
			continue
		}
		id, err := r.change(ctx, mutation{action: "CreateSecurityGroup", part: part,
			find: r.findPart(part, func(ctx context.Context, filters []types.Filter) (ids []*string, err error) {
				groups, err := r.groups(ctx, filters)
				for _, x := range groups {
					ids = append(ids, x.GroupId)
				}
				return ids, err
			}),
			call: func(ctx context.Context) (string, error) {
				out, err := r.api.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &r.vpc,
					GroupName: aws.String(fmt.Sprintf("%s-%d", r.keyName(), g+1)), Description: aws.String("crossring cluster " + r.st.Plan.Name),
					TagSpecifications: specify(types.ResourceTypeSecurityGroup, r.tags(part))}, once)
				if err != nil {
					return "", err
				}
				return aws.ToString(out.GroupId), nil
			}})
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// open adds the rules that are missing. What is there already is not asked for again:
// one rule twice makes EC2 refuse the whole call.
func (r *region) open(ctx context.Context, groups []string, public map[string]string) error {
	want, err := r.wanted(public)
	if err != nil {
		return err
	}
	for g, id := range groups {
		from := g * topology.RulesPerGroup
		mine := want[min(from, len(want)):min(from+topology.RulesPerGroup, len(want))]
		if err := r.openGroup(ctx, g, id, groups[0], mine); err != nil {
			return err
		}
	}
	return nil
}

func (r *region) openGroup(ctx context.Context, g int, id, source string, want []opening) error {
	have, err := r.permissions(ctx, id)
	if err != nil {
		return err
	}
	missing := func(have []types.IpPermission) []types.IpPermission {
		var list []types.IpPermission
		for _, o := range want {
			if !opened(have, o, source) {
				list = append(list, permission(o, source))
			}
		}
		return list
	}
	if len(missing(have)) == 0 {
		return nil
	}
	_, err = r.change(ctx, mutation{action: "AuthorizeSecurityGroupIngress", part: r.part(fmt.Sprintf("security-group/%d", g+1)),
		call: func(ctx context.Context) (string, error) {
			have, err := r.permissions(ctx, id)
			if err != nil {
				return "", err
			}
			add := missing(have)
			if len(add) == 0 {
				return id, nil
			}
			_, err = r.api.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: add}, once)
			return id, err
		}, done: map[string]bool{"InvalidPermission.Duplicate": true}})
	return err
}

// permissions reads the inbound rules of a group, once EC2 shows it.
func (r *region) permissions(ctx context.Context, id string) ([]types.IpPermission, error) {
	var have []types.IpPermission
	found, err := r.look(ctx, func(ctx context.Context) (string, error) {
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
