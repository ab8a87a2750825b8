package awsfault

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"

	"crossring/internal/plan"
	"crossring/internal/topology"
	"crossring/provision/ec2"
)

// grown is the plan with a node more in its first region.
func grown(p topology.Plan) topology.Plan {
	n := p.Nodes[0]
	n.Name, n.Index, n.Seed, n.Bootstrap, n.Tokens = n.Region+"-2", len(p.Nodes)+1, false, true, []string{"42"}
	return plan.Replanned(p.WithNodes(topology.InsertNode(p.Nodes, n)))
}

// rules are the inbound rules of the cluster's groups, "region port source" and how
// often.
func (b *bench) rules(t *testing.T) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, region := range b.regions {
		out, err := Client(lab.moto.URL, region).DescribeSecurityGroups(context.Background(),
			&awsec2.DescribeSecurityGroupsInput{Filters: by("tag:"+ec2.TagCluster, b.plan.Name)})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range out.SecurityGroups {
			for _, p := range g.IpPermissions {
				for _, r := range p.IpRanges {
					all[fmt.Sprintf("%s %d %s", region, aws.ToInt32(p.FromPort), aws.ToString(r.CidrIp))]++
				}
				for range p.UserIdGroupPairs {
					all[fmt.Sprintf("%s %d group", region, aws.ToInt32(p.FromPort))]++
				}
			}
		}
	}
	return all
}

// wantRules are those of a cluster's plan, each once.
func wantRules(inv topology.Inventory) map[string]int {
	public := map[string]string{}
	for _, n := range inv.Nodes {
		public[n.Name] = n.PublicAddress
	}
	all := map[string]int{}
	for _, r := range inv.Plan.Rules {
		for _, n := range inv.Nodes {
			if n.Name == r.Node {
				for _, source := range sourcesOf(r, public) {
					all[fmt.Sprintf("%s %d %s", n.Region, r.Port, source)] = 1
				}
			}
		}
	}
	return all
}

// sourcesOf are who a rule lets in, nodes by their public addresses.
func sourcesOf(r topology.Rule, public map[string]string) []string {
	if r.Source != topology.FromOthers() {
		return []string{r.Source.String()}
	}
	var list []string
	for name, address := range public {
		if name != r.Node {
			list = append(list, address+"/32")
		}
	}
	return list
}

// isWhole holds what there is against an inventory: as many things as its nodes need,
// and the rules that its plan has.
func (b *bench) isWhole(t *testing.T, inv topology.Inventory) {
	t.Helper()
	want := map[string]int{}
	for _, n := range inv.Nodes {
		for what, count := range map[string]int{"instance": 1, "elastic-ip": 1, "network-interface": 1, "volume": 3} {
			want[n.Region+" "+what] += count
		}
		want[n.Region+" security-group"], want[n.Region+" key-pair"] = 1, 1
		if h := inv.EC2.Hosts[n.Name]; n.PublicAddress == "" || n.PrivateAddress == "" || n.Host == nil || h.Instance == "" || h.Allocation == "" {
			t.Errorf("%+v, %+v", n, h)
		}
	}
	if got := b.made(t); !reflect.DeepEqual(got, want) {
		t.Errorf("there is %v, want %v", got, want)
	}
	if got, want := b.rules(t), wantRules(inv); !reflect.DeepEqual(got, want) {
		t.Errorf("the rules are %v, want %v", got, want)
	}
}

// still does something once more, which must change nothing.
func (b *bench) still(t *testing.T, what string, f func() (topology.Inventory, error)) topology.Inventory {
	t.Helper()
	b.proxy.Arm(nil)
	inv, err := f()
	if calls := b.proxy.Mutations(); err != nil || len(calls) > 0 {
		t.Errorf("%s once more: %v, %v", what, err, calls)
	}
	return inv
}

// A node more, a node less, a node renewed: what there is each time, and that nothing
// is done twice.
func TestResize(t *testing.T) {
	b := newBench(t, twoRegions)
	ctx := context.Background()
	b.proxy.Arm(nil)
	first, err := b.provider.Make(ctx, b.plan)
	if err != nil {
		t.Fatal(err)
	}
	more := grown(b.plan)
	b.proxy.Arm(nil)
	if err := b.provider.CheckResize(ctx, more); err != nil || len(b.proxy.Mutations()) > 0 {
		t.Fatalf("the check: %v, %v", err, b.proxy.Mutations())
	}
	b.isWhole(t, first)
	inv, err := b.provider.Resize(ctx, more)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a node more: %d calls, %v", len(b.proxy.Calls()), b.proxy.Mutations())
	b.isWhole(t, inv)
	for i, n := range first.Nodes {
		if got, err := inv.Node(n.Name); err != nil || !reflect.DeepEqual(got, first.Nodes[i]) {
			t.Errorf("%s became %+v, %v", n.Name, got, err)
		}
	}
	if names := []string{inv.Nodes[0].Name, inv.Nodes[1].Name, inv.Nodes[2].Name}; !slices.Equal(names, []string{"us-east-1-1", "us-east-1-2", "us-west-2-1"}) {
		t.Errorf("%v", names)
	}
	b.still(t, "more", func() (topology.Inventory, error) { return b.provider.Resize(ctx, more) })
	b.still(t, "make", func() (topology.Inventory, error) { return b.provider.Make(ctx, b.plan) })
	if lacks, err := b.provider.Lacking(ctx, inv); err != nil || len(lacks) > 0 {
		t.Errorf("lacks %v, %v", lacks, err)
	}

	// Its tokens are its own, and Make does not take them back.
	nodes := slices.Clone(inv.Nodes)
	nodes[1].Tokens, nodes[1].Seed = []string{"43"}, true
	if inv, err = b.provider.SaveNodes(inv, nodes); err != nil {
		t.Fatal(err)
	}
	again := b.still(t, "make", func() (topology.Inventory, error) { return b.provider.Make(ctx, b.plan) })
	if !reflect.DeepEqual(again.Nodes, nodes) {
		t.Errorf("make gives %+v", again.Nodes)
	}

	// Renewed, it has another instance and another address.
	old := nodes[1]
	b.proxy.Arm(nil)
	renewed, err := b.provider.Resize(ctx, inv.Plan, old)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a node renewed: %d calls, %v", len(b.proxy.Calls()), b.proxy.Mutations())
	b.isWhole(t, renewed)
	if n := renewed.Nodes[1]; n.PublicAddress == old.PublicAddress || n.Tokens[0] != "43" || renewed.EC2.Hosts[n.Name].Instance == inv.EC2.Hosts[n.Name].Instance {
		t.Errorf("%+v", n)
	}
	b.still(t, "renewed", func() (topology.Inventory, error) { return b.provider.Resize(ctx, inv.Plan, old) })

	// And gone; the next of that name is a new one.
	less := plan.Replanned(renewed.Plan.WithNodes(topology.WithoutNode(renewed.Nodes, old.Name)))
	for range 2 {
		b.proxy.Arm(nil)
		if inv, err = b.provider.Resize(ctx, less); err != nil {
			t.Fatal(err)
		}
		t.Logf("a node less: %d calls, %v", len(b.proxy.Calls()), b.proxy.Mutations())
		b.isWhole(t, inv)
		b.still(t, "less", func() (topology.Inventory, error) { return b.provider.Resize(ctx, less) })
		if inv, err = b.provider.Resize(ctx, more); err != nil {
			t.Fatal(err)
		}
		b.isWhole(t, inv)
	}
	if err := b.provider.Unmake(ctx, inv); err != nil {
		t.Fatal(err)
	}
	b.none(t)
}

// A node more takes the rules of its region past what one group holds: there is another
// group, and those that stood before are in it, too.
func TestResizeTakesAnotherGroup(t *testing.T) {
	var networks []string
	for i := range 28 {
		networks = append(networks, fmt.Sprintf("198.51.%d.0/24", i))
	}
	b := newBench(t, strings.Replace(twoRegions, "198.18.255.4/32", "["+strings.Join(networks, ", ")+"]", 1))
	ctx := context.Background()
	b.proxy.Arm(nil)
	if _, err := b.provider.Make(ctx, b.plan); err != nil {
		t.Fatal(err)
	}
	more := grown(b.plan)
	b.proxy.Arm(nil)
	inv, err := b.provider.Resize(ctx, more)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v", b.proxy.Mutations())
	instances, err := living(ctx, Client(lab.moto.URL, "us-east-1"), by("tag:"+ec2.TagCluster, b.plan.Name))
	if err != nil || len(instances) != 2 {
		t.Fatalf("%d instances, %v", len(instances), err)
	}
	for _, i := range instances {
		in := map[string]bool{}
		for _, x := range i.NetworkInterfaces {
			for _, g := range append(x.Groups, i.SecurityGroups...) {
				in[aws.ToString(g.GroupId)] = true
			}
		}
		if len(in) != 2 {
			t.Errorf("%s is in %v", aws.ToString(i.InstanceId), in)
		}
	}
	if got := b.made(t); got["us-east-1 security-group"] != 2 || got["us-west-2 security-group"] != 1 {
		t.Errorf("made %v", got)
	}
	if got, want := b.rules(t), wantRules(inv); !reflect.DeepEqual(got, want) {
		t.Errorf("the rules are %v, want %v", got, want)
	}
	if lacks, err := b.provider.Lacking(ctx, inv); err != nil || len(lacks) > 0 {
		t.Errorf("lacks %v, %v", lacks, err)
	}
	b.still(t, "make", func() (topology.Inventory, error) { return b.provider.Make(ctx, b.plan) })
	if inv, err = b.provider.Resize(ctx, b.plan); err != nil {
		t.Fatal(err)
	}
	if got, want := b.rules(t), wantRules(inv); !reflect.DeepEqual(got, want) {
		t.Errorf("the rules are %v, want %v", got, want)
	}
	b.still(t, "make", func() (topology.Inventory, error) { return b.provider.Make(ctx, b.plan) })
	b.down(t)
}

// A change for which the account has no room is refused before anything of it is done.
func TestResizeMeetsAQuota(t *testing.T) {
	b := newBench(t, twoRegions)
	ctx := context.Background()
	b.proxy.Arm(nil)
	inv, err := b.provider.Make(ctx, b.plan)
	if err != nil {
		t.Fatal(err)
	}
	b.proxy.ElasticIPs, b.proxy.VCPUs = 1, 4
	b.proxy.Arm(nil)
	check := b.provider.CheckResize(ctx, grown(b.plan))
	_, refused := b.provider.Resize(ctx, grown(b.plan))
	for _, err := range []error{check, refused} {
		var quota *ec2.QuotaError
		if !errors.As(err, &quota) || !strings.Contains(err.Error(), "elastic-ips") || !strings.Contains(err.Error(), "vcpus") {
			t.Errorf("%v", err)
		}
	}
	if calls := b.proxy.Mutations(); len(calls) > 0 {
		t.Errorf("called %v", calls)
	}
	// A node that is renewed needs no more than it had.
	old, err := inv.Node("us-east-1-1")
	if err != nil {
		t.Fatal(err)
	}
	if inv, err = b.provider.Resize(ctx, b.plan, old); err != nil {
		t.Fatal(err)
	}
	b.isWhole(t, inv)
	b.down(t)
}
