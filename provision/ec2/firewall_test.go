package ec2

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/internal/topology"
)

// ranges are the rules of a port for some networks.
func ranges(port int, cidrs ...string) types.IpPermission {
	p := types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(int32(port)), ToPort: aws.Int32(int32(port))}
	for _, c := range cidrs {
		p.IpRanges = append(p.IpRanges, types.IpRange{CidrIp: aws.String(c)})
	}
	return p
}

func networks(n int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("10.0.%d.0/24", i))
	}
	return list
}

// What stands stays where it is; what is missing goes where there is room.
func TestAssign(t *testing.T) {
	want := []opening{{port: 7000, cidr: "10.0.0.0/24"}, {port: 7000, cidr: "192.0.2.1/32"}, {port: 7000, cidr: "192.0.2.2/32"}, {port: 7000}}
	group := types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(7000), ToPort: aws.Int32(7000), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: aws.String("sg-1")}}}
	for name, tt := range map[string]struct {
		have [][]types.IpPermission
		want [][]opening
	}{
		"an empty group":       {[][]types.IpPermission{nil}, [][]opening{want}},
		"some of it":           {[][]types.IpPermission{{ranges(7000, "10.0.0.0/24"), group}}, [][]opening{{want[1], want[2]}}},
		"the first is full":    {[][]types.IpPermission{{ranges(7000, networks(60)...)}, {group}}, [][]opening{nil, {want[1], want[2]}}},
		"room for one":         {[][]types.IpPermission{{ranges(7000, networks(58)...), group}, nil}, [][]opening{{want[1]}, {want[2]}}},
		"in the second":        {[][]types.IpPermission{{group}, {ranges(7000, "10.0.0.0/24", "192.0.2.1/32", "192.0.2.2/32")}}, [][]opening{nil, nil}},
		"no room: EC2 says so": {[][]types.IpPermission{{ranges(7000, networks(60)...), group}}, [][]opening{{want[1], want[2]}}},
	} {
		if got := assign(want, tt.have, "sg-1"); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// Of the rules only those go that are for a node of the cluster and not planned: what
// people opened stays, and so does an operator who is at a node's address.
func TestUnwanted(t *testing.T) {
	s := &site{st: state{Plan: topology.Plan{
		Nodes: []topology.Node{{Name: "a1", Region: "a"}},
		Rules: []topology.Rule{
			{Node: "a1", Port: 7000, Source: "node b1"}, {Node: "a1", Port: 22, Source: "192.0.2.9/32"}, {Node: "b1", Port: 7000, Source: "node a1"},
		}}}}
	r := &region{site: s, name: "a"}
	have := []types.IpPermission{ranges(7000, "192.0.2.1/32", "192.0.2.2/32", "192.0.2.9/32", "203.0.113.0/24"), ranges(22, "192.0.2.9/32")}
	got := r.unwanted(have, "192.0.2.9", map[string]string{"a1": "192.0.2.1", "b1": "192.0.2.2"})
	if want := []types.IpPermission{ranges(7000, "192.0.2.1/32"), ranges(7000, "192.0.2.9/32")}; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
