package ec2

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Of a VPC that has private subnets too, one is taken that the internet reaches.
func TestSortSubnets(t *testing.T) {
	subnet := func(id string, byDefault bool) types.Subnet {
		return types.Subnet{SubnetId: aws.String(id), DefaultForAz: aws.Bool(byDefault)}
	}
	table := func(gateway string, main bool, subnets ...string) types.RouteTable {
		t := types.RouteTable{Routes: []types.Route{
			{DestinationCidrBlock: aws.String("10.0.0.0/16"), GatewayId: aws.String("local")},
			{DestinationCidrBlock: aws.String("0.0.0.0/0"), GatewayId: aws.String(gateway)}}}
		if main {
			t.Associations = append(t.Associations, types.RouteTableAssociation{Main: aws.Bool(true)})
		}
		for _, s := range subnets {
			t.Associations = append(t.Associations, types.RouteTableAssociation{SubnetId: aws.String(s)})
		}
		return t
	}
	for name, c := range map[string]struct {
		subnets []types.Subnet
		tables  []types.RouteTable
		want    string
	}{
		"private by the main table": {[]types.Subnet{subnet("a", false), subnet("b", false)}, []types.RouteTable{table("vgw-1", true), table("igw-1", false, "b")}, "b a"},
		"private by its own":        {[]types.Subnet{subnet("a", false), subnet("b", false)}, []types.RouteTable{table("vgw-1", false, "a"), table("igw-1", true)}, "b a"},
		"both":                      {[]types.Subnet{subnet("b", false), subnet("a", false)}, []types.RouteTable{table("igw-1", true)}, "a b"},
		"neither":                   {[]types.Subnet{subnet("b", false), subnet("a", false)}, nil, "a b"},
		"the default one":           {[]types.Subnet{subnet("a", false), subnet("b", true)}, []types.RouteTable{table("igw-1", false, "a")}, "b a"},
	} {
		sortSubnets(c.subnets, c.tables)
		var got []string
		for _, s := range c.subnets {
			got = append(got, aws.ToString(s.SubnetId))
		}
		if !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
