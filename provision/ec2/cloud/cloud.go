// Package cloud is what EC2 is asked of things that bear a cluster's tags: what there is,
// whose it is, and how each is removed; and what EC2's errors mean.
package cloud

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/provision/ec2/sweep"
)

// Region is a region of EC2, as far as one cluster goes.
type Region struct {
	Name string
	API  *ec2.Client
	// Cluster and Run say what is the cluster's: what bears this run in its tags or, where
	// no run is known because the state is lost, the cluster's name.
	Cluster, Run string
}

// Mine is the filter of the cluster's things.
func (r Region) Mine() []types.Filter {
	if r.Run == "" {
		return []types.Filter{Filter("tag:"+sweep.TagCluster, r.Cluster)}
	}
	return []types.Filter{Filter("tag:"+sweep.TagRun, r.Run)}
}

// Once makes a call without the SDK's own repetitions.
func Once(o *ec2.Options) { o.Retryer = aws.NopRetryer{} }

// Filter is one filter of a question.
func Filter(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

// TagList are tags as EC2 takes them, by their keys.
func TagList(values map[string]string) []types.Tag {
	var tags []types.Tag
	for _, key := range slices.Sorted(maps.Keys(values)) {
		tags = append(tags, types.Tag{Key: aws.String(key), Value: aws.String(values[key])})
	}
	return tags
}

// Specify are the tags of what a call makes.
func Specify(kind types.ResourceType, tags []types.Tag) []types.TagSpecification {
	return []types.TagSpecification{{ResourceType: kind, Tags: tags}}
}

// Tagged is the value of a tag, "" where there is none.
func Tagged(tags []types.Tag, key string) string {
	for _, t := range tags {
		if aws.ToString(t.Key) == key {
			return aws.ToString(t.Value)
		}
	}
	return ""
}

// Seen is Scan with the filter of the cluster.
func (r Region) Seen(ctx context.Context) ([]sweep.Thing, error) { return r.Scan(ctx, r.Mine()) }

// Scan lists what there is by filters, in the order of removal; an instance that is
// terminated is not there.
func (r Region) Scan(ctx context.Context, filters []types.Filter) ([]sweep.Thing, error) {
	var things []sweep.Thing
	add := func(kind string, id *string, tags []types.Tag) {
		things = append(things, sweep.Thing{Region: r.Name, Type: kind, ID: aws.ToString(id), Part: Tagged(tags, sweep.TagPart)})
	}
	instances, err := r.Instances(ctx, filters)
	if err != nil {
		return nil, err
	}
	for _, i := range instances {
		if i.State == nil || i.State.Name != types.InstanceStateNameTerminated {
			add(sweep.Instance, i.InstanceId, i.Tags)
		}
	}
	steps := []func() error{
		func() error {
			out, err := r.API.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: filters})
			for i := range each(out, err) {
				add(sweep.ElasticIP, out.Addresses[i].AllocationId, out.Addresses[i].Tags)
			}
			return err
		},
		func() error {
			for p := ec2.NewDescribeNetworkInterfacesPaginator(r.API, &ec2.DescribeNetworkInterfacesInput{Filters: filters}); p.HasMorePages(); {
				out, err := p.NextPage(ctx)
				if err != nil {
					return err
				}
				for _, x := range out.NetworkInterfaces {
					add(sweep.Interface, x.NetworkInterfaceId, x.TagSet)
				}
			}
			return nil
		},
		func() error {
			for p := ec2.NewDescribeVolumesPaginator(r.API, &ec2.DescribeVolumesInput{Filters: filters}); p.HasMorePages(); {
				out, err := p.NextPage(ctx)
				if err != nil {
					return err
				}
				for _, x := range out.Volumes {
					if x.State != types.VolumeStateDeleting && x.State != types.VolumeStateDeleted {
						add(sweep.Volume, x.VolumeId, x.Tags)
					}
				}
			}
			return nil
		},
		func() error {
			groups, err := r.Groups(ctx, filters)
			for _, x := range groups {
				add(sweep.Group, x.GroupId, x.Tags)
			}
			return err
		},
		func() error {
			out, err := r.API.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{Filters: filters})
			if err != nil {
				return err
			}
			for _, x := range out.KeyPairs {
				add(sweep.KeyPair, x.KeyPairId, x.Tags)
			}
			return nil
		},
		func() error { return r.scanVPC(ctx, filters, add) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, fmt.Errorf("looking for what there is in %s: %w", r.Name, err)
		}
	}
	sweep.Sort(things)
	return things, nil
}

// each ranges over the addresses of an answer that may have failed.
func each(out *ec2.DescribeAddressesOutput, err error) []types.Address {
	if err != nil {
		return nil
	}
	return out.Addresses
}

func (r Region) scanVPC(ctx context.Context, filters []types.Filter, add func(kind string, id *string, tags []types.Tag)) error {
	gateways, err := r.API.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{Filters: filters})
	if err != nil {
		return err
	}
	for _, x := range gateways.InternetGateways {
		add(sweep.Gateway, x.InternetGatewayId, x.Tags)
	}
	subnets, err := r.API.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: filters})
	if err != nil {
		return err
	}
	for _, x := range subnets.Subnets {
		add(sweep.Subnet, x.SubnetId, x.Tags)
	}
	tables, err := r.API.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: filters})
	if err != nil {
		return err
	}
	for _, x := range tables.RouteTables {
		add(sweep.Table, x.RouteTableId, x.Tags)
	}
	vpcs, err := r.API.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: filters})
	if err != nil {
		return err
	}
	for _, x := range vpcs.Vpcs {
		add(sweep.VPC, x.VpcId, x.Tags)
	}
	return nil
}

// Instances lists instances, terminated ones that EC2 still knows included.
func (r Region) Instances(ctx context.Context, filters []types.Filter) ([]types.Instance, error) {
	var all []types.Instance
	for p := ec2.NewDescribeInstancesPaginator(r.API, &ec2.DescribeInstancesInput{Filters: filters}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing the instances of %s: %w", r.Name, err)
		}
		for _, reservation := range out.Reservations {
			all = append(all, reservation.Instances...)
		}
	}
	return all, nil
}

// Groups lists security groups.
func (r Region) Groups(ctx context.Context, filters []types.Filter) ([]types.SecurityGroup, error) {
	var all []types.SecurityGroup
	for p := ec2.NewDescribeSecurityGroupsPaginator(r.API, &ec2.DescribeSecurityGroupsInput{Filters: filters}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, out.SecurityGroups...)
	}
	return all, nil
}
