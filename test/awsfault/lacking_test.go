package awsfault

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Security groups that somebody changed are told from those that are as planned, or
// wider.
func TestLacking(t *testing.T) {
	b := newBench(t, twoRegions)
	ctx := context.Background()
	inv, err := b.provider.Make(ctx, b.plan)
	if err != nil {
		t.Fatal(err)
	}
	lacking := func(want ...string) {
		t.Helper()
		list, err := b.provider.Lacking(ctx, inv)
		if err != nil || len(list) != len(want) {
			t.Fatalf("lacks %v (%v), want %q", list, err, want)
		}
		for i, l := range list {
			if !strings.Contains(l.Node+": "+l.String(), want[i]) {
				t.Errorf("%s: %s, want %s", l.Node, l, want[i])
			}
		}
	}
	lacking()

	east, west := inv.Nodes[0], inv.Nodes[1]
	api := Client(lab.moto.URL, east.Region)
	instance := inv.EC2.Hosts[east.Name].Instance
	groups, err := api.DescribeSecurityGroups(ctx, &awsec2.DescribeSecurityGroupsInput{Filters: by("tag:crossring:cluster", b.plan.Name)})
	if err != nil || len(groups.SecurityGroups) != 1 {
		t.Fatal(groups, err)
	}
	group := groups.SecurityGroups[0]
	rule := func(proto string, from, to int32, cidr string) []types.IpPermission {
		return []types.IpPermission{{IpProtocol: &proto, FromPort: &from, ToPort: &to, IpRanges: []types.IpRange{{CidrIp: &cidr}}}}
	}
	revoke := func(p []types.IpPermission) {
		t.Helper()
		if _, err := api.RevokeSecurityGroupIngress(ctx, &awsec2.RevokeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: p}); err != nil {
			t.Fatal(err)
		}
	}
	peer := west.PublicAddress + "/32"
	internode := "security group " + aws.ToString(group.GroupId) + " (us-east-1) lacks tcp 7000 from " + peer + " (internode, from " + west.Name + ")"
	revoke(rule("tcp", 7000, 7000, peer))
	lacking(east.Name + ": " + internode)

	wider := rule("tcp", 6000, 8000, "0.0.0.0/0")
	if _, err := api.AuthorizeSecurityGroupIngress(ctx, &awsec2.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: wider}); err != nil {
		t.Fatal(err)
	}
	lacking()
	revoke(wider)
	// A rule of another protocol or network is none.
	if _, err := api.AuthorizeSecurityGroupIngress(ctx, &awsec2.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: rule("udp", 7000, 7000, peer)}); err != nil {
		t.Fatal(err)
	}
	lacking(internode)

	if _, err := b.provider.Make(ctx, b.plan); err != nil {
		t.Fatal(err)
	}
	lacking()

	other, err := api.CreateSecurityGroup(ctx, &awsec2.CreateSecurityGroupInput{GroupName: aws.String("other"), Description: aws.String("other"), VpcId: group.VpcId})
	if err != nil {
		t.Fatal(err)
	}
	of, err := living(ctx, api, by("instance-id", instance))
	if err != nil || len(of) != 1 || len(of[0].NetworkInterfaces) != 1 {
		t.Fatal(of, err)
	}
	card := of[0].NetworkInterfaces[0].NetworkInterfaceId
	for _, ids := range [][]string{{aws.ToString(other.GroupId)}, {aws.ToString(group.GroupId)}} {
		if _, err := api.ModifyNetworkInterfaceAttribute(ctx, &awsec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: card, Groups: ids}); err != nil {
			t.Fatal(err)
		}
		if ids[0] == aws.ToString(group.GroupId) {
			lacking()
			continue
		}
		is := "its instance is not in security group " + aws.ToString(group.GroupId) + " (us-east-1), which has tcp "
		lacking(is+"7000 from the group itself", is+"9042 from the group itself", is+"7000 from "+peer, is+"9042 from 198.18.255.4/32", is+"22 from 198.18.255.4/32")
	}
	if _, err := api.DeleteSecurityGroup(ctx, &awsec2.DeleteSecurityGroupInput{GroupId: other.GroupId}); err != nil {
		t.Fatal(err)
	}
	if err := b.provider.Unmake(ctx, inv); err != nil {
		t.Fatal(err)
	}
	b.none(t)
}
