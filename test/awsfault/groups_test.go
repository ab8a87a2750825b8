package awsfault

import (
	"context"
	"fmt"
	"strings"
	"testing"

	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"

	"crossring/provision/ec2"
)

// More rules than one security group takes: there are two, every node is in both, and
// together they have all the rules, each once.
func TestSeveralGroups(t *testing.T) {
	var networks []string
	for i := range 32 {
		networks = append(networks, fmt.Sprintf("198.51.%d.0/24", i))
	}
	b := newBench(t, strings.Replace(twoRegions, "198.18.255.4/32", "["+strings.Join(networks, ", ")+"]", 1))
	b.proxy.Arm(nil)
	ctx := context.Background()
	inv, err := b.provider.Make(ctx, b.plan)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.made(t); got["us-east-1 security-group"] != 2 || got["us-west-2 security-group"] != 2 {
		t.Errorf("made %v", got)
	}
	for _, region := range b.regions {
		api := Client(lab.moto.URL, region)
		instances, err := living(ctx, api, by("tag:"+ec2.TagCluster, b.plan.Name))
		if err != nil || len(instances) != 1 || len(instances[0].NetworkInterfaces) != 1 || len(instances[0].NetworkInterfaces[0].Groups) != 2 {
			t.Fatalf("%s: %d instances, %+v, %v", region, len(instances), instances[0].NetworkInterfaces, err)
		}
		out, err := api.DescribeSecurityGroups(ctx, &awsec2.DescribeSecurityGroupsInput{Filters: by("tag:"+ec2.TagCluster, b.plan.Name)})
		if err != nil {
			t.Fatal(err)
		}
		rules := map[string]int{}
		for _, g := range out.SecurityGroups {
			in := 0
			for _, p := range g.IpPermissions {
				for _, r := range p.IpRanges {
					rules[fmt.Sprintf("%d from %s", *p.FromPort, *r.CidrIp)]++
					in++
				}
				in += len(p.UserIdGroupPairs)
			}
			if in > 60 {
				t.Errorf("%s: %d rules in one group", region, in)
			}
		}
		for _, n := range networks {
			for _, port := range []int{22, 9042} {
				if got := rules[fmt.Sprintf("%d from %s", port, n)]; got != 1 {
					t.Errorf("%s: port %d from %s %d times", region, port, n, got)
				}
			}
		}
	}
	b.proxy.Arm(nil)
	if _, err := b.provider.Make(ctx, b.plan); err != nil || len(b.proxy.Mutations()) > 0 {
		t.Errorf("the second make: %v, %v", err, b.proxy.Mutations())
	}
	if err := b.provider.Unmake(ctx, inv); err != nil {
		t.Fatal(err)
	}
	b.none(t)
}
