package health

import (
	"slices"
	"testing"

	"crossring/internal/topology"
	"crossring/provision/ec2"
)

func TestFirewallMismatches(t *testing.T) {
	east := topology.Node{Name: "us-east-1-1", Region: "us-east-1", PublicAddress: "203.0.113.10", PrivateAddress: "10.11.0.10"}
	near := topology.Node{Name: "us-east-1-2", Region: "us-east-1", PublicAddress: "203.0.113.11", PrivateAddress: "10.11.0.11"}
	west := topology.Node{Name: "us-west-2-1", Region: "us-west-2", PublicAddress: "198.51.100.10", PrivateAddress: "10.22.0.10"}
	inv := topology.Inventory{Nodes: []topology.Node{east, near, west}}
	fromWest := ec2.Lack{Node: east.Name, Region: east.Region, Group: "sg-1", Port: 7000, Source: "198.51.100.10/32", Why: "internode, from us-west-2-1"}
	fromGroup := ec2.Lack{Node: east.Name, Region: east.Region, Group: "sg-1", Port: 7000, Source: ec2.TheGroup, Why: "internode, in the region"}
	ssh := ec2.Lack{Node: west.Name, Region: west.Region, Group: "sg-2", Port: 22, Source: "192.0.2.4/32", Why: "ssh"}
	cases := []struct {
		name  string
		lacks []ec2.Lack
		quiet []way
		want  []string
	}{
		{name: "all is well"},
		{"a rule, and the way that needs it", []ec2.Lack{fromWest}, []way{{west, east, 7000}}, []string{
			"us-west-2-1 gets no answer from port 7000 of us-east-1-1: silent: security group sg-1 (us-east-1) lacks tcp 7000 from 198.51.100.10/32 (internode, from us-west-2-1)"}},
		{"a rule that no way was tried for", []ec2.Lack{ssh}, nil, []string{
			"us-west-2-1: security group sg-2 (us-west-2) lacks tcp 22 from 192.0.2.4/32 (ssh)"}},
		{"a way that no rule explains", []ec2.Lack{fromWest}, []way{{near, east, 7000}}, []string{
			"us-east-1-2 gets no answer from port 7000 of us-east-1-1: silent: the security groups let it pass; a network ACL, a route or a firewall on the host does not",
			"us-east-1-1: security group sg-1 (us-east-1) lacks tcp 7000 from 198.51.100.10/32 (internode, from us-west-2-1)"}},
		{"within a region", []ec2.Lack{fromGroup}, []way{{near, east, 7000}}, []string{
			"us-east-1-2 gets no answer from port 7000 of us-east-1-1: silent: security group sg-1 (us-east-1) lacks tcp 7000 from the group itself (internode, in the region)"}},
		{"one that is not in its group", []ec2.Lack{{Node: east.Name, Region: east.Region, Group: "sg-1", Port: 7000, Source: "198.51.100.10/32", Why: "internode", Detached: true}}, nil, []string{
			"us-east-1-1: its instance is not in security group sg-1 (us-east-1), which has tcp 7000 from 198.51.100.10/32 (internode)"}},
		{"no group", []ec2.Lack{{Node: east.Name, Region: east.Region, Port: 22, Source: "192.0.2.4/32", Why: "ssh"}}, nil, []string{
			"us-east-1-1: the cluster's security group in us-east-1 is gone, which has tcp 22 from 192.0.2.4/32 (ssh)"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := firewallMismatches(c.lacks, c.quiet)
			if len(got) != len(c.want) {
				t.Fatalf("%+v", got)
			}
			for i, m := range got {
				if m.Message != c.want[i] || m.Kind != kindFirewall || m.Node == "" {
					t.Errorf("%+v\nwant %s", m, c.want[i])
				}
			}
		})
	}
	if a, b := (way{from: west, to: east}).address(), (way{from: near, to: east}).address(); a != "203.0.113.10" || b != "10.11.0.10" {
		t.Errorf("%s, %s", a, b)
	}
	var tried []string
	inv.Plan.Rules = []topology.Rule{{Node: east.Name, Port: 7000, Purpose: topology.ForInternode}, {Node: near.Name, Port: 7000, Purpose: topology.ForInternode}, {Node: west.Name, Port: 7000, Purpose: topology.ForInternode}}
	for _, v := range waysToTry(inv, []ec2.Lack{{Node: west.Name, Port: 7000, Source: near.PublicAddress + "/32"}}) {
		tried = append(tried, v.from.Name+" "+v.to.Name)
	}
	if want := []string{"us-east-1-2 us-west-2-1", "us-east-1-1 us-east-1-2", "us-east-1-1 us-west-2-1", "us-west-2-1 us-east-1-1", "us-west-2-1 us-east-1-2"}; !slices.Equal(tried, want) {
		t.Errorf("tried %q", tried)
	}
}
