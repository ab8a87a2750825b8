package awsfault

import (
	"context"
	"reflect"
	"testing"
)

// wantTwo is what two regions of one node are made of.
func wantTwo() map[string]int {
	want := map[string]int{}
	for _, region := range []string{"us-east-1", "us-west-2"} {
		want[region+" instance"], want[region+" elastic-ip"], want[region+" security-group"] = 1, 1, 1
		want[region+" key-pair"], want[region+" network-interface"], want[region+" volume"] = 1, 1, 3
	}
	return want
}

func TestMakeUnmake(t *testing.T) {
	b := newBench(t, twoRegions)
	b.proxy.Arm(nil)
	ctx := context.Background()
	inv, err := b.provider.Make(ctx, b.plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("make: %d calls, %d of them change something", len(b.proxy.Calls()), len(b.proxy.Mutations()))
	if got := b.made(t); !reflect.DeepEqual(got, wantTwo()) {
		t.Errorf("made %v", got)
	}
	for _, n := range inv.Nodes {
		if n.PublicAddress == "" || n.PrivateAddress == "" || n.Host == nil || n.Host.Address != n.PublicAddress || len(inv.EC2.Hosts[n.Name].Volumes) != 2 {
			t.Errorf("%+v, %+v", n, inv.EC2.Hosts[n.Name])
		}
	}
	read, err := b.provider.Inventory(b.plan.Name)
	if err != nil || !reflect.DeepEqual(read.Nodes, inv.Nodes) {
		t.Errorf("read back: %v, %+v", err, read.Nodes)
	}

	b.proxy.Arm(nil)
	again, err := b.provider.Make(ctx, b.plan)
	if err != nil {
		t.Fatal(err)
	}
	if calls := b.proxy.Mutations(); len(calls) > 0 || !reflect.DeepEqual(again.Nodes, inv.Nodes) {
		t.Errorf("the second make called %v", calls)
	}

	b.proxy.Arm(nil)
	if err := b.provider.Unmake(ctx, inv); err != nil {
		t.Fatal(err)
	}
	t.Logf("unmake: %d calls, %d of them change something", len(b.proxy.Calls()), len(b.proxy.Mutations()))
	b.none(t)
}

// Two nodes a region in a VPC of the cluster's own, with addresses that EC2 gives.
func TestMakeOwnVPC(t *testing.T) {
	b := newBench(t, `
regions: [{region: us-east-1, nodes: 2}, {region: us-east-1, zone: us-east-1b}, {region: us-west-2}]
ec2:
  instance_type: m5d.4xlarge
  ami: {name: "al2023-ami-2023*", owner: "137112412989"}
  vpc: own
  public_ip: ephemeral
  operator_cidr: [198.18.255.4/32, 198.18.100.0/24]
`)
	b.proxy.Arm(nil)
	ctx := context.Background()
	inv, err := b.provider.Make(ctx, b.plan)
	if err != nil {
		t.Fatal(err)
	}
	got := b.made(t)
	for what, want := range map[string]int{"us-east-1 instance": 3, "us-west-2 instance": 1, "us-east-1 elastic-ip": 0, "us-east-1 vpc": 1,
		"us-east-1 subnet": 2, "us-west-2 subnet": 1, "us-west-2 internet-gateway": 1, "us-east-1 volume": 3} {
		if got[what] != want {
			t.Errorf("%s: %d, want %d", what, got[what], want)
		}
	}
	for _, n := range inv.Nodes {
		if n.PublicAddress == "" || n.PrivateAddress == "" {
			t.Errorf("%+v", n)
		}
	}
	b.proxy.Arm(nil)
	if _, err := b.provider.Make(ctx, b.plan); err != nil || len(b.proxy.Mutations()) > 0 {
		t.Errorf("the second make called %v: %v", b.proxy.Mutations(), err)
	}
	if err := b.provider.Unmake(ctx, inv); err != nil {
		t.Fatal(err)
	}
	b.none(t)
}
