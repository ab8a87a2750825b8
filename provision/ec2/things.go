package ec2

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Tags of everything that is made.
const (
	TagCluster = "crossring:cluster" // name of the cluster
	TagRun     = "crossring:run"     // random, of one making
	TagOwner   = "crossring:owner"
	TagExpires = "crossring:expires" // RFC 3339, UTC
	TagPart    = "crossring:part"    // which part of the cluster it is
	tagName    = "Name"
)

// Thing is one resource of a cluster.
type Thing struct {
	Region string `json:"region"`
	Type   string `json:"type"` // as tags have it: instance, elastic-ip, …
	ID     string `json:"id"`
	Part   string `json:"part"`
}

func (t Thing) String() string { return fmt.Sprintf("%s %s in %s", t.Type, t.ID, t.Region) }

func list(things []Thing) string {
	lines := make([]string, len(things))
	for i, t := range things {
		lines[i] = t.String()
	}
	return strings.Join(lines, ", ")
}

// tags are those of one part, as EC2 takes them at creation.
func (r *region) tags(part string) []types.Tag {
	return tagList(map[string]string{
		TagCluster: r.st.Plan.Name, TagRun: r.st.Run, TagOwner: r.st.Owner, TagPart: part,
		TagExpires: r.st.Expires.UTC().Format(time.RFC3339),
		tagName:    r.st.Plan.Name + " " + strings.TrimPrefix(part, r.name+"/"),
	})
}

func tagList(values map[string]string) []types.Tag {
	var tags []types.Tag
	for _, key := range slices.Sorted(maps.Keys(values)) {
		tags = append(tags, types.Tag{Key: aws.String(key), Value: aws.String(values[key])})
	}
	return tags
}

func specify(kind types.ResourceType, tags []types.Tag) []types.TagSpecification {
	return []types.TagSpecification{{ResourceType: kind, Tags: tags}}
}

func tagged(tags []types.Tag, key string) string {
	for _, t := range tags {
		if aws.ToString(t.Key) == key {
			return aws.ToString(t.Value)
		}
	}
	return ""
}

// mine is the filter of a cluster's things: of this run or, when its state is lost,
// of the name.
func (r *region) mine() []types.Filter {
	if r.st.Run == "" {
		return []types.Filter{filter("tag:"+TagCluster, r.st.Plan.Name)}
	}
	return []types.Filter{filter("tag:"+TagRun, r.st.Run)}
}

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

// order is in which order things are removed: what holds comes before what is held.
var order = []string{"instance", "elastic-ip", "network-interface", "volume", "security-group", "key-pair", "internet-gateway", "subnet", "route-table", "vpc"}

// scan lists what there is with the cluster's tags, in the order of removal; an
// instance that is terminated is not there.
func (r *region) scan(ctx context.Context, filters []types.Filter) ([]Thing, error) {
	var things []Thing
	add := func(kind string, id *string, tags []types.Tag) {
		things = append(things, Thing{Region: r.name, Type: kind, ID: aws.ToString(id), Part: tagged(tags, TagPart)})
	}
	instances, err := r.instances(ctx, filters)
	if err != nil {
		return nil, err
	}
	for _, i := range instances {
		if i.State == nil || i.State.Name != types.InstanceStateNameTerminated {
			add("instance", i.InstanceId, i.Tags)
		}
	}
	steps := []func() error{
		func() error {
			out, err := r.api.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: filters})
			for i := range each(out, err) {
				add("elastic-ip", out.Addresses[i].AllocationId, out.Addresses[i].Tags)
			}
			return err
		},
		func() error {
			for p := ec2.NewDescribeNetworkInterfacesPaginator(r.api, &ec2.DescribeNetworkInterfacesInput{Filters: filters}); p.HasMorePages(); {
				out, err := p.NextPage(ctx)
				if err != nil {
					return err
				}
				for _, x := range out.NetworkInterfaces {
					add("network-interface", x.NetworkInterfaceId, x.TagSet)
				}
			}
			return nil
		},
		func() error {
			for p := ec2.NewDescribeVolumesPaginator(r.api, &ec2.DescribeVolumesInput{Filters: filters}); p.HasMorePages(); {
				out, err := p.NextPage(ctx)
				if err != nil {
					return err
				}
				for _, x := range out.Volumes {
					if x.State != types.VolumeStateDeleting && x.State != types.VolumeStateDeleted {
						add("volume", x.VolumeId, x.Tags)
					}
				}
			}
			return nil
		},
		func() error {
			groups, err := r.groups(ctx, filters)
			for _, x := range groups {
				add("security-group", x.GroupId, x.Tags)
			}
			return err
		},
		func() error {
			out, err := r.api.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{Filters: filters})
			if err != nil {
				return err
			}
			for _, x := range out.KeyPairs {
				add("key-pair", x.KeyPairId, x.Tags)
			}
			return nil
		},
		func() error { return r.scanVPC(ctx, filters, add) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, fmt.Errorf("looking for what there is in %s: %w", r.name, err)
		}
	}
	slices.SortStableFunc(things, func(a, b Thing) int {
		return cmp.Compare(slices.Index(order, a.Type), slices.Index(order, b.Type))
	})
	return things, nil
}

// each ranges over the addresses of an answer that may have failed.
func each(out *ec2.DescribeAddressesOutput, err error) []types.Address {
	if err != nil {
		return nil
	}
	return out.Addresses
}

func (r *region) scanVPC(ctx context.Context, filters []types.Filter, add func(kind string, id *string, tags []types.Tag)) error {
	gateways, err := r.api.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{Filters: filters})
	if err != nil {
		return err
	}
	for _, x := range gateways.InternetGateways {
		add("internet-gateway", x.InternetGatewayId, x.Tags)
	}
	subnets, err := r.api.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: filters})
	if err != nil {
		return err
	}
	for _, x := range subnets.Subnets {
		add("subnet", x.SubnetId, x.Tags)
	}
	tables, err := r.api.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: filters})
	if err != nil {
		return err
	}
	for _, x := range tables.RouteTables {
		add("route-table", x.RouteTableId, x.Tags)
	}
	vpcs, err := r.api.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: filters})
	if err != nil {
		return err
	}
	for _, x := range vpcs.Vpcs {
		add("vpc", x.VpcId, x.Tags)
	}
	return nil
}

// instances lists instances, terminated ones that EC2 still knows included.
func (r *region) instances(ctx context.Context, filters []types.Filter) ([]types.Instance, error) {
	var all []types.Instance
	for p := ec2.NewDescribeInstancesPaginator(r.api, &ec2.DescribeInstancesInput{Filters: filters}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing the instances of %s: %w", r.name, err)
		}
		for _, reservation := range out.Reservations {
			all = append(all, reservation.Instances...)
		}
	}
	return all, nil
}

func (r *region) groups(ctx context.Context, filters []types.Filter) ([]types.SecurityGroup, error) {
	var all []types.SecurityGroup
	for p := ec2.NewDescribeSecurityGroupsPaginator(r.api, &ec2.DescribeSecurityGroupsInput{Filters: filters}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, out.SecurityGroups...)
	}
	return all, nil
}

// findPart finds the id of a thing by its tag.
func (r *region) findPart(part string, find func(ctx context.Context, filters []types.Filter) ([]*string, error)) func(context.Context) (string, error) {
	return r.clerk.Standing(func(ctx context.Context) ([]string, error) {
		found, err := find(ctx, append(r.mine(), filter("tag:"+TagPart, part)))
		ids := make([]string, len(found))
		for i, id := range found {
			ids[i] = aws.ToString(id)
		}
		return ids, err
	})
}
