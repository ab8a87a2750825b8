package rules

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
	want := []Opening{{Port: 7000, CIDR: "10.0.0.0/24"}, {Port: 7000, CIDR: "192.0.2.1/32"}, {Port: 7000, CIDR: "192.0.2.2/32"}, {Port: 7000}}
	group := types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(7000), ToPort: aws.Int32(7000), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: aws.String("sg-1")}}}
	for name, tt := range map[string]struct {
		have [][]types.IpPermission
		want [][]Opening
	}{
		"an empty group":       {[][]types.IpPermission{nil}, [][]Opening{want}},
		"some of it":           {[][]types.IpPermission{{ranges(7000, "10.0.0.0/24"), group}}, [][]Opening{{want[1], want[2]}}},
		"the first is full":    {[][]types.IpPermission{{ranges(7000, networks(60)...)}, {group}}, [][]Opening{nil, {want[1], want[2]}}},
		"room for one":         {[][]types.IpPermission{{ranges(7000, networks(58)...), group}, nil}, [][]Opening{{want[1]}, {want[2]}}},
		"in the second":        {[][]types.IpPermission{{group}, {ranges(7000, "10.0.0.0/24", "192.0.2.1/32", "192.0.2.2/32")}}, [][]Opening{nil, nil}},
		"no room: EC2 says so": {[][]types.IpPermission{{ranges(7000, networks(60)...), group}}, [][]Opening{{want[1], want[2]}}},
	} {
		if got := Assign(want, tt.have, "sg-1"); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// Of the rules only those go that are for a node of the cluster and not planned: what
// people opened stays, and so does an operator who is at a node's address.
func TestUnwanted(t *testing.T) {
	plan := topology.Plan{
		Nodes: []topology.Node{{Name: "a1", Region: "a"}},
		Rules: []topology.Rule{
			{Node: "a1", Port: 7000, Source: topology.FromNode("b1")}, {Node: "a1", Port: 22, Source: topology.FromNetwork("192.0.2.9/32")}, {Node: "b1", Port: 7000, Source: topology.FromNode("a1")},
		}}
	have := []types.IpPermission{ranges(7000, "192.0.2.1/32", "192.0.2.2/32", "192.0.2.9/32", "203.0.113.0/24"), ranges(22, "192.0.2.9/32")}
	got := Unwanted("a", plan, have, "192.0.2.9", map[string]string{"a1": "192.0.2.1", "b1": "192.0.2.2"})
	if want := []types.IpPermission{ranges(7000, "192.0.2.1/32"), ranges(7000, "192.0.2.9/32")}; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestWanted(t *testing.T) {
	plan := topology.Plan{Nodes: []topology.Node{{Name: "us-east-1-1", Region: "us-east-1"}, {Name: "us-west-2-1", Region: "us-west-2"}, {Name: "us-west-2-2", Region: "us-west-2"}}}
	for _, r := range []topology.Rule{{Port: 7000, Source: topology.FromOthers()}, {Port: 9042, Source: topology.FromNetwork("203.0.113.4/32")}, {Port: 7000, Source: topology.FromGroup()}, {Port: 7000, Source: topology.FromGroup()}} {
		r.Node = "us-east-1-1"
		plan.Rules = append(plan.Rules, r)
	}
	got, err := Wanted("us-east-1", plan, map[string]string{"us-west-2-1": "198.51.100.1", "us-west-2-2": "198.51.100.2"})
	want := []Opening{{7000, "", ""}, {7000, "198.51.100.1/32", "internode, from us-west-2-1"}, {7000, "198.51.100.2/32", "internode, from us-west-2-2"}, {9042, "203.0.113.4/32", ""}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %+v", err, got)
	}
	if _, err := Wanted("us-east-1", plan, map[string]string{"us-west-2-1": "198.51.100.1"}); err == nil {
		t.Error("an address that is not known opened something")
	}
	have := []types.IpPermission{Permission(want[0], "sg-1"), Permission(want[3], "sg-1")}
	if !Opened(have, want[0], "sg-1") || Opened(have, want[0], "sg-2") || Opened(have, want[1], "sg-1") || !Opened(have, want[3], "sg-1") {
		t.Errorf("in %+v", have)
	}
}
