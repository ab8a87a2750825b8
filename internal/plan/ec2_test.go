package plan

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"crossring/internal/price"
	"crossring/internal/topology"
)

func TestBuildEC2(t *testing.T) {
	p := build(t, `
provider: ec2
cassandra: "1.2"
regions: [{region: us-east-1, nodes: 2}, {region: us-west-2}]
ec2:
  operator_cidr: [198.18.255.4/32, 198.18.100.0/24]
  volumes: {data: {size_gb: 100}, commitlog: {type: io2, size_gb: 10, iops: 500}}
  vpc: own
  ttl: 2h
`)
	if p.EC2.HTTPTokens != "optional" || build(t, "provider: ec2\nregions: [{region: us-east-1}]").EC2.HTTPTokens != "required" {
		t.Error("1.2 can't ask with a token, 5.0 can")
	}
	want := []topology.EC2Volume{
		{Disk: "fs1", Device: "/dev/sdf", Type: "gp3", SizeGB: 100},
		{Disk: "fs2", Device: "/dev/sdg", Type: "io2", SizeGB: 10, IOPS: 500},
	}
	if !reflect.DeepEqual(p.EC2.Volumes, want) || p.EC2.TTLSeconds != 7200 {
		t.Errorf("%+v", p.EC2)
	}
	sources := map[string]int{}
	for _, r := range p.Rules {
		if r.Node == "us-west-2-1" {
			sources[r.Source.String()]++
		}
	}
	if want := map[string]int{"group": 2, "every other node": 1, "198.18.255.4/32": 2, "198.18.100.0/24": 2}; !reflect.DeepEqual(sources, want) {
		t.Errorf("rules of us-west-2-1 by source: %v", sources)
	}
	west := slices.DeleteFunc(slices.Clone(p.Calls), func(c string) bool { return !strings.HasPrefix(c, "us-west-2 ") })
	wantCalls := []string{"ImportKeyPair", "CreateVpc", "CreateInternetGateway", "AttachInternetGateway", "CreateRoute", "CreateSubnet us-west-2a",
		"AllocateAddress us-west-2-1", "CreateSecurityGroup 1", "AuthorizeSecurityGroupIngress 1", "RunInstances us-west-2-1", "AssociateAddress us-west-2-1"}
	if got := strings.ReplaceAll(strings.Join(west, ", "), "us-west-2 ", ""); got != strings.Join(wantCalls, ", ") {
		t.Errorf("calls %s", got)
	}
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back topology.Plan
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back.EC2, p.EC2) || !reflect.DeepEqual(back.Cost, p.Cost) {
		t.Errorf("the plan changes on its way through JSON: %v\n%s", err, data)
	}
}

// With ephemeral addresses the rules wait for the instances, and no Elastic IP counts.
func TestBuildEC2Ephemeral(t *testing.T) {
	p := build(t, "provider: ec2\nregions: [{region: us-east-1}]\nec2: {public_ip: ephemeral}")
	if got := strings.Join(p.Calls, ", "); got != "us-east-1 ImportKeyPair, us-east-1 CreateSecurityGroup 1, us-east-1 RunInstances us-east-1-1, us-east-1 AuthorizeSecurityGroupIngress 1" {
		t.Error(got)
	}
	if got := QuotaLines(p.EC2.Quotas); !reflect.DeepEqual(got, []string{"us-east-1: 16 vcpus (default limit 5): more than a new account may have; ask for more in the Service Quotas console, up --dry-run says what this one has", "us-east-1: 4 inbound-rules-per-group (default limit 60)", "us-east-1: 1 groups-per-interface (default limit 5)"}) {
		t.Errorf("%q", got)
	}
}

// What has no price is not 0, and a sum without it is not what it costs.
func TestCostLine(t *testing.T) {
	for _, c := range []struct{ more, want, not string }{
		{"", "USD an hour", "at least"},
		{"instance_type: zz9.huge", "unknown: there is no price of zz9.huge; the rest is at least ", ""},
		{"volumes: {data: {type: gp2, size_gb: 500}, commitlog: {size_gb: 50}}", "at least ", "unknown"},
	} {
		p := build(t, "provider: ec2\nregions: [{region: us-east-1}]\nec2: {"+c.more+"}")
		if c.more != "" && c.not != "" { // a table that lacks a kind of volume
			prices := price.Shipped()
			for name, r := range prices.Regions {
				r.VolumeGBMonth = map[string]float64{"gp3": r.VolumeGBMonth["gp3"]}
				prices.Regions[name] = r
			}
			p = Repriced(p, prices)
		}
		if line := CostLine(p); !strings.Contains(line, c.want) || c.not != "" && strings.Contains(line, c.not) {
			t.Errorf("%s: %q", c.more, line)
		}
	}
}

func TestLocalZones(t *testing.T) {
	p := build(t, "provider: ec2\nregions: [{region: us-west-2, zone: us-west-2-lax-1a}, {region: us-east-1, zone: us-east-1a}]")
	if lines := LocalZones(p); len(lines) != 1 || !strings.Contains(lines[0], "--group-name us-west-2-lax-1 --opt-in-status opted-in") {
		t.Errorf("%q", lines)
	}
}

// 100 peers do not fit into one security group.
func TestBuildEC2Quotas(t *testing.T) {
	p := build(t, "provider: ec2\nregions: [{region: us-east-1, nodes: 100}, {region: us-west-2, nodes: 7}]")
	want := []topology.EC2Quota{
		{Region: "us-east-1", Quota: topology.QuotaElasticIPs, Need: 100, Limit: 5, Exceeds: true},
		{Region: "us-east-1", Quota: topology.QuotaVCPUs, Need: 1600, Limit: 5, Exceeds: true},
		{Region: "us-east-1", Quota: topology.QuotaRules, Need: 60, Limit: 60}, // 107 peers, of its own region too, group twice, operator twice
		{Region: "us-east-1", Quota: topology.QuotaGroups, Need: 2, Limit: 5},
		{Region: "us-west-2", Quota: topology.QuotaElasticIPs, Need: 7, Limit: 5, Exceeds: true},
		{Region: "us-west-2", Quota: topology.QuotaVCPUs, Need: 112, Limit: 5, Exceeds: true},
		{Region: "us-west-2", Quota: topology.QuotaRules, Need: 60, Limit: 60}, // 107 peers and 4
		{Region: "us-west-2", Quota: topology.QuotaGroups, Need: 2, Limit: 5},
	}
	if !reflect.DeepEqual(p.EC2.Quotas, want) {
		t.Errorf("%+v", p.EC2.Quotas)
	}
}

func TestRepriced(t *testing.T) {
	p := build(t, "provider: ec2\nregions: [{region: us-east-1}]")
	before := *p.Cost
	table := price.Table{AsOf: "2030-01-01", PublicIPv4Hour: 1, Regions: map[string]price.Region{"us-east-1": {InstanceHour: map[string]float64{"m5d.4xlarge": 2}}}}
	after := Repriced(p, table).Cost
	if after.AtLeastPerHourUSD != 3 || after.PricesAsOf != "2030-01-01" || before.AtLeastPerHourUSD == 3 || len(after.Unpriced) != 1 {
		t.Errorf("%+v", after)
	}
}
