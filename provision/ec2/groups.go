package ec2

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/internal/topology"
	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/ledger"
)

// groupPart names a security group of the region, from 0.
func (f *firewall) groupPart(g int) string { return f.part(fmt.Sprintf("security-group/%d", g+1)) }

// groupIDs are the security groups that were made.
func (f *firewall) groupIDs() []string {
	var ids []string
	for {
		id, ok := f.clerk.Made("CreateSecurityGroup", f.groupPart(len(ids)))
		if !ok {
			return ids
		}
		ids = append(ids, id)
	}
}

// makeGroups makes as many security groups as the plan's rules need. One that a larger
// plan needed stays.
func (f *firewall) makeGroups(ctx context.Context) ([]string, error) {
	need := 1
	for _, q := range f.st.Plan.EC2.Quotas {
		if q.Region == f.name && q.Quota == topology.QuotaGroups {
			need = max(need, q.Need)
		}
	}
	ids := f.groupIDs()
	for g := len(ids); g < need; g++ {
		part := f.groupPart(g)
		id, err := f.clerk.Change(ctx, ledger.Mutation{Action: "CreateSecurityGroup", Part: part,
			Find: f.findPart(part, func(ctx context.Context, filters []types.Filter) (ids []*string, err error) {
				groups, err := f.cloud.Groups(ctx, filters)
				for _, x := range groups {
					ids = append(ids, x.GroupId)
				}
				return ids, err
			}),
			Call: func(ctx context.Context) (string, error) {
				out, err := f.api.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &f.net.vpc,
					GroupName: aws.String(fmt.Sprintf("%s-%d", f.keyName(), g+1)), Description: aws.String("crossring cluster " + f.st.Plan.Name),
					TagSpecifications: cloud.Specify(types.ResourceTypeSecurityGroup, f.tags(part))}, cloud.Once)
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

// attach puts each instance into the groups that it is not in: those that were made
// after it. It stays in what else somebody put it into.
func (f *firewall) attach(ctx context.Context, groups []string, instances map[string]types.Instance) error {
	var nodes []string
	for _, n := range f.nodes() {
		if i, ok := instances[n.Name]; ok && slices.ContainsFunc(groups, func(id string) bool { return !slices.Contains(groupsOf(i), id) }) {
			nodes = append(nodes, n.Name)
		}
	}
	return side(ctx, nodes, func(ctx context.Context, node string) error {
		all := groupsOf(instances[node])
		for _, id := range groups {
			if !slices.Contains(all, id) {
				all = append(all, id)
			}
		}
		_, err := f.clerk.Change(ctx, ledger.Mutation{Action: "ModifyInstanceAttribute", Part: f.part("groups/" + node), Intent: all,
			Call: func(ctx context.Context) (string, error) {
				_, err := f.api.ModifyInstanceAttribute(ctx, &ec2.ModifyInstanceAttributeInput{InstanceId: instances[node].InstanceId, Groups: all}, cloud.Once)
				return aws.ToString(instances[node].InstanceId), err
			}})
		return err
	})
}

// groupsOf are the ids of the groups that an instance is in, by itself or by its
// interfaces.
func groupsOf(i types.Instance) []string {
	var ids []string
	add := func(groups []types.GroupIdentifier) {
		for _, g := range groups {
			if id := aws.ToString(g.GroupId); !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	add(i.SecurityGroups)
	for _, n := range i.NetworkInterfaces {
		add(n.Groups)
	}
	return ids
}
