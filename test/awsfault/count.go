package awsfault

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Client speaks to the EC2 of one region behind a URL.
func Client(url, region string) *ec2.Client {
	return ec2.New(ec2.Options{Region: region, BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
}

// Stock is all that there is, as "region type id", whatever its tags. Terminated
// instances do not count.
type Stock []string

// Count looks at moto itself, region by region.
func Count(ctx context.Context, moto string, regions []string) (Stock, error) {
	var stock Stock
	for _, region := range regions {
		things, err := countRegion(ctx, Client(moto, region))
		if err != nil {
			return nil, fmt.Errorf("counting in %s: %w", region, err)
		}
		for _, t := range things {
			stock = append(stock, region+" "+t)
		}
	}
	slices.Sort(stock)
	return stock, nil
}

// Without is what a stock has more than another.
func (s Stock) Without(other Stock) Stock {
	return slices.DeleteFunc(slices.Clone(s), func(t string) bool { return slices.Contains(other, t) })
}

// living lists the instances that are not terminated, from all pages of the answer.
func living(ctx context.Context, api *ec2.Client, filters []types.Filter) ([]types.Instance, error) {
	var all []types.Instance
	for p := ec2.NewDescribeInstancesPaginator(api, &ec2.DescribeInstancesInput{Filters: filters}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, reservation := range out.Reservations {
			for _, i := range reservation.Instances {
				if i.State.Name != types.InstanceStateNameTerminated {
					all = append(all, i)
				}
			}
		}
	}
	return all, nil
}

func countRegion(ctx context.Context, api *ec2.Client) ([]string, error) {
	var things []string
	var firstErr error
	add := func(kind string, id *string) { things = append(things, kind+" "+aws.ToString(id)) }
	note := func(err error) bool {
		if err != nil && firstErr == nil {
			firstErr = err
		}
		return err == nil
	}
	if instances, err := living(ctx, api, nil); note(err) {
		for _, i := range instances {
			add("instance", i.InstanceId)
		}
	}
	if out, err := api.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{}); note(err) {
		for _, x := range out.Addresses {
			add("elastic-ip", x.AllocationId)
		}
	}
	if out, err := api.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{}); note(err) {
		for _, x := range out.SecurityGroups {
			add("security-group", x.GroupId)
		}
	}
	if out, err := api.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{}); note(err) {
		for _, x := range out.KeyPairs {
			add("key-pair", x.KeyPairId)
		}
	}
	if out, err := api.DescribeVolumes(ctx, &ec2.DescribeVolumesInput{}); note(err) {
		for _, x := range out.Volumes {
			add("volume", x.VolumeId)
		}
	}
	if out, err := api.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{}); note(err) {
		for _, x := range out.NetworkInterfaces {
			add("network-interface", x.NetworkInterfaceId)
		}
	}
	if out, err := api.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{}); note(err) {
		for _, x := range out.Vpcs {
			add("vpc", x.VpcId)
		}
	}
	if out, err := api.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{}); note(err) {
		for _, x := range out.Subnets {
			add("subnet", x.SubnetId)
		}
	}
	if out, err := api.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{}); note(err) {
		for _, x := range out.InternetGateways {
			add("internet-gateway", x.InternetGatewayId)
		}
	}
	if out, err := api.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{}); note(err) {
		for _, x := range out.RouteTables {
			add("route-table", x.RouteTableId)
		}
	}
	return things, firstErr
}
