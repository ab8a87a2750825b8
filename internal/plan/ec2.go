package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"crossring/internal/price"
	"crossring/internal/release"
	"crossring/internal/spec"
	"crossring/internal/topology"
)

// Devices that the two EBS volumes are attached as.
const (
	dataDevice      = "/dev/sdf"
	commitlogDevice = "/dev/sdg"
)

// ec2 plans what only EC2 has: the instances, the firewall, what it all costs, and
// the calls that make it.
func (b *builder) ec2(p *topology.Plan, rel release.Release) {
	s := b.spec.EC2
	ttl, err := time.ParseDuration(s.TTL)
	if err != nil {
		b.problem("ec2.ttl", "%s", err)
	}
	p.EC2 = &topology.EC2Plan{
		InstanceType: s.InstanceType, Architecture: s.Architecture,
		Image:   topology.EC2Image{SSM: s.AMI.SSM, Name: s.AMI.Name, Owner: s.AMI.Owner, IDs: maps.Clone(s.AMI.IDs)},
		SSHUser: s.SSHUser, RootGB: s.RootGB, Volumes: []topology.EC2Volume{}, Key: s.Key,
		VPC: s.VPC, VPCs: maps.Clone(s.VPCs), PublicIP: s.PublicIP,
		OperatorCIDRs: append([]string{}, s.OperatorCIDR...),
		TTLSeconds:    ttl.Seconds(), Owner: s.Owner, Mirror: s.CassandraMirror,
		HTTPTokens: "optional",
	}
	if rel.MetadataTypeKey {
		p.EC2.HTTPTokens = "required"
	}
	if v := s.Volumes; v != nil {
		p.EC2.Volumes = append(p.EC2.Volumes, volume(p.Disks.Data, dataDevice, v.Data), volume(p.Disks.Commitlog, commitlogDevice, v.Commitlog))
	}
	*p = Replanned(*p)
}

// Replanned is a plan with what follows from its nodes on EC2 worked out anew: the
// firewall, what is needed of the account's limits, the calls that make all of it, and
// the cost. Plans of other providers stay as they are.
func Replanned(p topology.Plan) topology.Plan {
	if p.EC2 == nil {
		return p
	}
	e := *p.EC2
	p.EC2 = &e
	p.Rules = rules(p, e.OperatorCIDRs)
	e.Quotas = quotas(p)
	p.Calls = calls(p)
	p.Cost = price.Estimate(p, price.Shipped())
	return p
}

func volume(disk, device string, v spec.Volume) topology.EC2Volume {
	return topology.EC2Volume{Disk: disk, Device: device, Type: v.Type, SizeGB: v.SizeGB, IOPS: v.IOPS, Throughput: v.Throughput}
}

// quotas are the limits of the account that the plan comes near to, by region.
// Security groups hold 60 inbound rules each; what is more goes into further groups.
func quotas(p topology.Plan) []topology.EC2Quota {
	const elasticIPs, vcpus = 5, 5 // EC2's defaults for a region
	var list []topology.EC2Quota
	open := openings(p)
	for _, region := range regions(p.Nodes) {
		nodes, openings := inRegion(p.Nodes, region), open[region]
		need := func(quota string, n, limit int) {
			list = append(list, topology.EC2Quota{Region: region, Quota: quota, Need: n, Limit: limit, Exceeds: limit > 0 && n > limit})
		}
		if p.EC2.PublicIP == spec.Elastic {
			need(topology.QuotaElasticIPs, len(nodes), elasticIPs)
		}
		if n := topology.VCPUs(p.EC2.InstanceType); n > 0 {
			need(topology.QuotaVCPUs, n*len(nodes), vcpus)
		}
		need(topology.QuotaRules, min(openings, topology.RulesPerGroup), topology.RulesPerGroup)
		need(topology.QuotaGroups, groupsFor(openings), topology.GroupsPerNode)
	}
	return list
}

// groupsFor is how many security groups some rules take.
func groupsFor(rules int) int {
	return max(1, (rules+topology.RulesPerGroup-1)/topology.RulesPerGroup)
}

// openings counts the different rules of each region: its nodes share their groups.
func openings(p topology.Plan) map[string]int {
	count := map[string]int{}
	for _, region := range regions(p.Nodes) {
		count[region] = len(p.Shared(region))
	}
	return count
}

func regions(nodes []topology.Node) []string {
	var list []string
	for _, n := range nodes {
		if !slices.Contains(list, n.Region) {
			list = append(list, n.Region)
		}
	}
	return list
}

func inRegion(nodes []topology.Node, region string) []topology.Node {
	var list []topology.Node
	for _, n := range nodes {
		if n.Region == region {
			list = append(list, n)
		}
	}
	return list
}

// calls lists the calls to EC2 that change something, in the order in which a region
// makes them; regions go side by side.
func calls(p topology.Plan) []string {
	list, open := []string{}, openings(p)
	for _, region := range regions(p.Nodes) {
		call := func(format string, args ...any) {
			list = append(list, region+" "+fmt.Sprintf(format, args...))
		}
		nodes := inRegion(p.Nodes, region)
		call("ImportKeyPair")
		if p.EC2.VPC == spec.VPCOwn {
			for _, c := range []string{"CreateVpc", "CreateInternetGateway", "AttachInternetGateway", "CreateRoute"} {
				call("%s", c)
			}
			var zones []string
			for _, n := range nodes {
				if !slices.Contains(zones, n.Zone) {
					zones = append(zones, n.Zone)
					call("CreateSubnet %s", n.Zone)
				}
			}
		}
		each := func(what string) {
			for _, n := range nodes {
				call("%s %s", what, n.Name)
			}
		}
		elastic := p.EC2.PublicIP == spec.Elastic
		if elastic {
			each("AllocateAddress")
		}
		groups := groupsFor(open[region])
		for g := range groups {
			call("CreateSecurityGroup %d", g+1)
		}
		authorize := func() {
			for g := range groups {
				call("AuthorizeSecurityGroupIngress %d", g+1)
			}
		}
		if elastic {
			authorize()
		}
		each("RunInstances")
		if elastic {
			each("AssociateAddress")
		} else {
			authorize()
		}
	}
	return list
}

// operators are the sources of a rule for the operator: the networks, as far as they are
// known.
func operators(cidrs []string) []topology.Source {
	if len(cidrs) == 0 {
		return []topology.Source{topology.FromOperator()}
	}
	var list []topology.Source
	for _, cidr := range cidrs {
		list = append(list, topology.FromNetwork(cidr))
	}
	return list
}

// Repriced is the plan with the costs of another price table.
func Repriced(p topology.Plan, t price.Table) topology.Plan {
	p.Wire = price.Wire(p, t)
	if p.EC2 != nil {
		p.Cost = price.Estimate(p, t)
		if p.Change != nil {
			c := *p.Change
			c.PerHourBeforeUSD = nil // is by the shipped prices
			p.Change = &c
		}
	}
	return p
}

// LocalZones says of each zone of a plan on EC2 that is none of its region's own what it needs.
func LocalZones(p topology.Plan) []string {
	var lines []string
	for _, n := range p.Nodes {
		group, local := n.BorderGroup()
		line := fmt.Sprintf("%s is a local zone: the account has to be opted in to it (aws ec2 modify-availability-zone-group --region %s --group-name %s --opt-in-status opted-in), and few instance types are offered there", n.Zone, n.Region, group)
		if local && p.EC2 != nil && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// CostLine is a plan's cost in a line for people; "" where there is none. What is not
// known is not 0.
func CostLine(p topology.Plan) string {
	c := p.Cost
	if c == nil || p.EC2 == nil {
		return ""
	}
	perHour, ttl := c.AtLeastPerHourUSD, c.AtLeastTTLUSD
	if c.PerHourUSD != nil { // an older crossring wrote no lower bounds
		perHour = *c.PerHourUSD
	}
	if c.TTLUSD != nil {
		ttl = *c.TTLUSD
	}
	least := ""
	if len(c.Unpriced) > 0 {
		least = "at least "
	}
	line := fmt.Sprintf("%s%.2f USD an hour, %s%.2f USD in %s with %.2f USD for transfer between regions (prices of %s)", least, perHour,
		least, ttl, time.Duration(p.EC2.TTLSeconds*float64(time.Second)), c.TransferUSD, c.PricesAsOf)
	if slices.ContainsFunc(c.Unpriced, func(what string) bool { return strings.HasPrefix(what, p.EC2.InstanceType+" ") }) {
		line = "unknown: there is no price of " + p.EC2.InstanceType + "; the rest is " + line
	}
	return line
}

// QuotaLines are a plan's quotas for people: "us-east-1: 6 elastic-ips, more than the 5 of a new account".
func QuotaLines(list []topology.EC2Quota) []string {
	var lines []string
	for _, q := range list {
		var b strings.Builder
		fmt.Fprintf(&b, "%s: %d %s", q.Region, q.Need, q.Quota)
		if q.Limit > 0 {
			fmt.Fprintf(&b, " (default limit %d)", q.Limit)
		}
		if q.Exceeds {
			b.WriteString(": more than a new account may have; ask for more in the Service Quotas console, up --dry-run says what this one has")
		}
		lines = append(lines, b.String())
	}
	return lines
}
