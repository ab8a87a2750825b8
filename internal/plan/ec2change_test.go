package plan

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"crossring/internal/spec"
	"crossring/internal/topology"
)

// onEC2 is a spec of two regions on EC2, us-east-1 in one zone.
func onEC2(t *testing.T, east, west int) spec.Spec {
	t.Helper()
	return parse(t, fmt.Sprintf(`
provider: ec2
regions: [{region: us-east-1, nodes: %d}, {region: us-west-2, nodes: %d}]
ec2: {operator_cidr: 198.18.255.4/32}
`, east, west))
}

// The calls of a change, and what the cluster is planned with afterwards: the same as
// one that is made so from the start.
func TestBetweenOnEC2(t *testing.T) {
	west := "us-west-2-1"
	open := func(how string) []string { return []string{"us-east-1 " + how + " 1", "us-west-2 " + how + " 1"} }
	add := func(n string) []string {
		return slices.Concat([]string{"us-east-1 AllocateAddress " + n}, open("AuthorizeSecurityGroupIngress"),
			[]string{"us-east-1 RunInstances " + n, "us-east-1 AssociateAddress " + n})
	}
	leave := func(n string) []string {
		return slices.Concat(open("RevokeSecurityGroupIngress"), []string{"us-east-1 TerminateInstances " + n, "us-east-1 ReleaseAddress " + n})
	}
	for name, tt := range map[string]struct {
		from, to int // in us-east-1
		replace  []string
		want     []string
	}{
		"more":     {1, 3, nil, slices.Concat(add("us-east-1-2"), add("us-east-1-3"))},
		"less":     {2, 1, nil, leave("us-east-1-2")},
		"replaced": {2, 2, []string{"us-east-1-2"}, slices.Concat(leave("us-east-1-2"), add("us-east-1-2"))},
		"alone": {1, 1, []string{west}, []string{"us-east-1 RevokeSecurityGroupIngress 1", "us-west-2 TerminateInstances " + west, "us-west-2 ReleaseAddress " + west,
			"us-west-2 AllocateAddress " + west, "us-east-1 AuthorizeSecurityGroupIngress 1", "us-west-2 RunInstances " + west, "us-west-2 AssociateAddress " + west}},
	} {
		t.Run(name, func(t *testing.T) {
			have, fresh := planOf(t, onEC2(t, tt.from, 1)), planOf(t, onEC2(t, tt.to, 1))
			p, err := Between(ChangeRequest{Have: have, Want: onEC2(t, tt.to, 1), Replace: tt.replace})
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(p.Calls, tt.want) {
				t.Errorf("calls\n%s\nwant\n%s", strings.Join(p.Calls, "\n"), strings.Join(tt.want, "\n"))
			}
			if !reflect.DeepEqual(p.EC2.Quotas, fresh.EC2.Quotas) || !reflect.DeepEqual(p.Cost, fresh.Cost) || !reflect.DeepEqual(p.Rules, fresh.Rules) {
				t.Errorf("rules, quotas or cost are not those of a fresh cluster of that size: %+v", p.EC2.Quotas)
			}
			if before := p.Change.PerHourBeforeUSD; before == nil || *before != *have.Cost.PerHourUSD {
				t.Errorf("cost before: %v", before)
			}
			if got := len(have.EC2.Quotas); got != 8 || !reflect.DeepEqual(have.Rules, planOf(t, onEC2(t, tt.from, 1)).Rules) {
				t.Error("the plan of before was changed")
			}
		})
	}
}

// A further security group, when the rules of the region outgrow the others.
func TestBetweenOnEC2TakesAnotherGroup(t *testing.T) {
	wide := func(east int) spec.Spec {
		s := onEC2(t, east, 1)
		s.EC2.OperatorCIDR = nil
		for i := range 28 { // two rules each, and two of the group
			s.EC2.OperatorCIDR = append(s.EC2.OperatorCIDR, fmt.Sprintf("198.18.100.%d/32", i))
		}
		return s
	}
	p, err := Between(ChangeRequest{Have: planOf(t, wide(1)), Want: wide(2)})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"us-east-1 AllocateAddress us-east-1-2", "us-east-1 CreateSecurityGroup 2", "us-east-1 AuthorizeSecurityGroupIngress 1",
		"us-west-2 AuthorizeSecurityGroupIngress 1", "us-east-1 RunInstances us-east-1-2", "us-east-1 ModifyInstanceAttribute us-east-1-1",
		"us-east-1 AssociateAddress us-east-1-2"}
	if !reflect.DeepEqual(p.Calls, want) {
		t.Errorf("calls %q", p.Calls)
	}
}

// A node that found no room in its zone counts for the one that it was planned in, and
// keeps the rack that it has.
func TestBetweenWithANodeInAnotherZone(t *testing.T) {
	planned := planOf(t, onEC2(t, 2, 1))
	have := planned
	have.Nodes = slices.Clone(planned.Nodes)
	have.Nodes[1].Zone, have.Nodes[1].Rack = "us-east-1b", "1b"
	p, err := Between(ChangeRequest{Have: have, Planned: &planned, Want: onEC2(t, 3, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if joins := slices.DeleteFunc(acts(p), func(s string) bool {
		return !strings.HasPrefix(s, topology.StepJoin) && !strings.HasPrefix(s, topology.StepDecommission)
	}); !slices.Equal(joins, []string{"join us-east-1-3"}) {
		t.Errorf("%q", acts(p))
	}
	if n := p.Nodes[1]; n.Rack != "1b" || n.Name != "us-east-1-2" {
		t.Errorf("%+v", n)
	}
	back := planned.WithNodes(p.Nodes)
	if back.Nodes[1].Zone != "us-east-1a" || back.Nodes[2].Name != "us-east-1-3" {
		t.Errorf("%+v", back.Nodes)
	}
}
