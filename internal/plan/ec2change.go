package plan

import (
	"fmt"
	"slices"

	"crossring/internal/spec"
	"crossring/internal/topology"
)

// changeCalls lists the calls to EC2 that make of a cluster's hosts those of a changed
// plan, in the order of the change's steps. The rules of all regions follow each node
// that comes or goes; whether a group has room for them shows only then, so what is
// listed of groups is at least what is asked for.
func changeCalls(have, p topology.Plan) []string {
	list := []string{}
	now := slices.Clone(have.Nodes)
	groups := map[string]int{}
	for region, rules := range openingsOf(p, now) {
		groups[region] = groupsFor(rules)
	}
	call := func(region, format string, args ...any) {
		list = append(list, region+" "+fmt.Sprintf(format, args...))
	}
	elastic := p.EC2.PublicIP == spec.Elastic
	// A node alone in its region is let in by the others alone.
	open := func(how string, n topology.Node) {
		for _, region := range regions(now) {
			if region != n.Region || len(inRegion(topology.WithoutNode(now, n.Name), region)) > 0 {
				call(region, "%s 1", how)
			}
		}
	}
	leave := func(n topology.Node) {
		open("RevokeSecurityGroupIngress", n)
		call(n.Region, "TerminateInstances %s", n.Name)
		if elastic {
			call(n.Region, "ReleaseAddress %s", n.Name)
		}
	}
	come := func(n topology.Node) {
		if elastic {
			call(n.Region, "AllocateAddress %s", n.Name)
		}
		rules := openingsOf(p, now)
		var attach []topology.Node // instances that were there before a group
		for _, region := range regions(now) {
			if groups[region] < groupsFor(rules[region]) {
				attach = append(attach, topology.WithoutNode(inRegion(now, region), n.Name)...)
			}
			for ; groups[region] < groupsFor(rules[region]); groups[region]++ {
				call(region, "CreateSecurityGroup %d", groups[region]+1)
			}
		}
		if elastic {
			open("AuthorizeSecurityGroupIngress", n)
		}
		call(n.Region, "RunInstances %s", n.Name)
		for _, old := range attach {
			call(old.Region, "ModifyInstanceAttribute %s", old.Name)
		}
		if elastic {
			call(n.Region, "AssociateAddress %s", n.Name)
		} else {
			open("AuthorizeSecurityGroupIngress", n)
		}
	}
	zones := map[string]bool{}
	for _, n := range now {
		zones[n.Zone] = true
	}
	for _, s := range p.Change.Steps {
		switch s.Kind {
		case topology.StepReplace:
			n := now[find(now, s.Node)]
			leave(n)
			come(n)
		case topology.StepJoin:
			n := p.Nodes[find(p.Nodes, s.Node)]
			if p.EC2.VPC == spec.VPCOwn && !zones[n.Zone] {
				zones[n.Zone] = true
				call(n.Region, "CreateSubnet %s", n.Zone)
			}
			now = topology.InsertNode(now, n)
			come(n)
		case topology.StepDecommission:
			n := now[find(now, s.Node)]
			now = topology.WithoutNode(now, n.Name)
			leave(n)
		}
	}
	return list
}

// openingsOf counts the rules of each region that a plan has with other nodes.
func openingsOf(p topology.Plan, nodes []topology.Node) map[string]int {
	p.Nodes = nodes
	p.Rules = rules(p, p.EC2.OperatorCIDRs)
	return openings(p)
}
