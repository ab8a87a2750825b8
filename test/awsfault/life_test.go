package awsfault

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/crypto/ssh"

	"crossring/provision/ec2"
	"crossring/test/harness"
)

// list lists the bench's own cluster, nil if there is none.
func (b *bench) list(t *testing.T) *ec2.Listed {
	t.Helper()
	all, err := b.provider.List(context.Background(), b.regions...)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		if l.Name == b.plan.Name {
			return &l
		}
	}
	return nil
}

func TestListExtendCollect(t *testing.T) {
	b := newBench(t, twoRegions)
	b.proxy.Arm(nil)
	ctx := context.Background()
	b.provider.Owner = "somebody"
	inv, err := b.provider.Make(ctx, b.plan)
	if err != nil {
		t.Fatal(err)
	}
	l := b.list(t)
	if l == nil || l.Nodes != 2 || l.Owner != "somebody" || !reflect.DeepEqual(l.Regions, b.regions) || !l.Expires.Equal(inv.EC2.ExpiresAt) || l.Since.IsZero() {
		t.Fatalf("listed as %+v", l)
	}
	until := inv.EC2.ExpiresAt.Add(time.Hour)
	if err := b.provider.Extend(ctx, inv, until); err != nil {
		t.Fatal(err)
	}
	if l := b.list(t); l == nil || !l.Expires.Equal(until) {
		t.Errorf("after extend: %+v", l)
	}
	if inv, err = b.provider.Inventory(b.plan.Name); err != nil || !inv.EC2.ExpiresAt.Equal(until) {
		t.Errorf("after extend: %v, %v", inv.EC2, err)
	}
	b.proxy.Arm(nil)
	if _, err := b.provider.Make(ctx, b.plan); err != nil || len(b.proxy.Mutations()) > 0 {
		t.Errorf("make after extend: %v, %v", err, b.proxy.Mutations())
	}
	// From another state directory, which knows nothing of it.
	other := provider(t.TempDir(), t.Logf)
	var taken *ec2.TakenError
	if _, err := other.Make(ctx, b.plan); !errors.As(err, &taken) || taken.ExitCode() != 8 {
		t.Errorf("made twice: %v", err)
	}
	if l := b.list(t); l.Expired(until) || !l.Expired(until.Add(time.Second)) || (ec2.Listed{}).Expired(until) {
		t.Errorf("expired at %s: %+v", until, l)
	}
	if err := other.Remove(ctx, *b.list(t)); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Join(other.StateDir, "foreign")); err != nil || len(left) > 0 {
		t.Errorf("left on disk: %v, %v", left, err)
	}
	b.none(t)
	if l := b.list(t); l != nil {
		t.Errorf("listed as %+v", l)
	}
}

func TestDryRun(t *testing.T) {
	b := newBench(t, twoRegions)
	b.proxy.Arm(nil)
	if err := b.provider.DryRun(context.Background(), b.plan); err != nil {
		t.Error(err)
	}
	if calls := b.proxy.Mutations(); len(calls) != 8 {
		t.Errorf("asked about %v", calls)
	}
	b.none(t)
	b.plan.EC2.InstanceType = "zz9.huge"
	var bad *ec2.PlanError
	if err := b.provider.DryRun(context.Background(), b.plan); !errors.As(err, &bad) || bad.ExitCode() != 2 {
		t.Errorf("an instance type that there is not: %v", err)
	}
}

// ecdsaKey is the file of a public key of a kind that EC2 does not know.
func ecdsaKey(t *testing.T) string {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "id_ecdsa.pub")
	if err := os.WriteFile(file, ssh.MarshalAuthorizedKey(public), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// What can't be made is refused in every region before anything is made in one.
func TestMakeRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(b *bench)
		want   string
	}{
		"type":         {func(b *bench) { b.plan.EC2.InstanceType = "zz9.huge" }, "zz9.huge is not offered here"},
		"architecture": {func(b *bench) { b.plan.EC2.Architecture = "arm64" }, "m5.xlarge is [x86_64], not arm64"},
		"zone":         {func(b *bench) { b.plan.Nodes[1].Zone = "us-west-2x" }, "m5.xlarge is not offered in us-west-2x"},
		"image":        {func(b *bench) { b.plan.EC2.Image.Name = "no-such-image-*" }, "there is no image no-such-image-* of 137112412989 for x86_64"},
		"disks":        {func(b *bench) { b.plan.EC2.Volumes = nil }, "m5.xlarge has no disks of its own"},
		"vpc": {func(b *bench) {
			b.plan.EC2.VPC, b.plan.EC2.VPCs = "", map[string]string{"us-east-1": "vpc-00000000", "us-west-2": "vpc-00000000"}
		}, "there is no vpc-00000000"},
		"operator":  {func(b *bench) { b.plan.EC2.OperatorCIDRs = nil }, "nobody says from which networks"},
		"quota":     {func(b *bench) { b.proxy.ElasticIPs, b.plan.EC2.Quotas[0].Need = 1, 2 }, "quota elastic-ips of us-east-1: 2 more needed, 0 in use, 1 allowed"},
		"key":       {func(b *bench) { b.plan.EC2.Key = "/no/such/key.pub" }, "reading the public key"},
		"key type":  {func(b *bench) { b.plan.EC2.Key = ecdsaKey(t) }, "has a key that EC2 does not import"},
		"old disks": {func(b *bench) { b.plan.EC2.InstanceType, b.plan.EC2.Volumes = "d2.xlarge", nil }, "the disks of d2.xlarge are not NVMe"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, twoRegions)
			tt.change(b)
			b.proxy.Arm(nil)
			_, err := b.provider.Make(context.Background(), b.plan)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if calls := b.proxy.Mutations(); len(calls) > 0 {
				t.Errorf("called %v", calls)
			}
			if _, err := b.provider.Inventory(b.plan.Name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("nothing was made, and yet there is an inventory: %v", err)
			}
			b.none(t)
		})
	}
}

// Without room in its zone a node goes to the next one, and says so; without room in
// any, the error names what was tried, and the next make tries again.
func TestCapacity(t *testing.T) {
	b := newBench(t, twoRegions)
	var said []string
	b.provider.Say = func(format string, args ...any) { said = append(said, format) }
	ctx := context.Background()
	b.proxy.Arm(&Fault{Region: "us-west-2", Action: "RunInstances", Nth: 1, Kind: Capacity})
	inv, err := b.provider.Make(ctx, b.plan)
	if err != nil {
		t.Fatal(err)
	}
	if n := inv.Nodes[1]; n.Zone != "us-west-2b" || n.Rack != "2b" || n.Datacenter != "us-west-2" {
		t.Errorf("%+v", n)
	}
	if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, "trying another zone") }) {
		t.Errorf("said %q", said)
	}
	if err := b.provider.Unmake(ctx, inv); err != nil {
		t.Fatal(err)
	}
	b.none(t)

	b.proxy.Arm(&Fault{Region: "us-west-2", Action: "RunInstances", Nth: 1, Kind: Capacity})
	b.proxy.Repeat(100)
	inv, err = b.provider.Make(ctx, b.plan)
	var full *ec2.CapacityError
	if !errors.As(err, &full) || full.Node != "us-west-2-1" || len(full.Tried) < 3 || inv.EC2.Hosts["us-east-1-1"].Instance == "" {
		t.Errorf("%v, %+v", err, inv.EC2)
	}
	b.proxy.Arm(nil)
	if inv, err = b.provider.Make(ctx, b.plan); err != nil || inv.Nodes[1].Zone != "us-west-2a" {
		t.Errorf("with room again: %v, %+v", err, inv.Nodes[1])
	}
	if err := b.provider.Unmake(ctx, inv); err != nil {
		t.Fatal(err)
	}
	b.none(t)
}

// What ctx interrupts is finished, told, and taken up again.
func TestInterrupt(t *testing.T) {
	b := newBench(t, twoRegions)
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("somebody typed Ctrl-C")
	b.proxy.Arm(&Fault{Region: "us-east-1", Action: "AllocateAddress", Nth: 1, Kind: Slow})
	b.proxy.Struck = func() { cancel(why) }
	inv, err := b.provider.Make(ctx, b.plan)
	if !errors.Is(err, why) {
		t.Errorf("interrupted: %v", err)
	}
	if got := b.made(t); got["us-east-1 elastic-ip"] != 1 || got["us-east-1 instance"] != 0 {
		t.Errorf("made %v", got)
	}
	if inv.EC2 == nil || inv.EC2.Run == "" || inv.EC2.Hosts["us-east-1-1"].Allocation == "" {
		t.Errorf("what was made is not told: %+v", inv.EC2)
	}
	b.proxy.Arm(nil)
	if inv, err = b.provider.Make(context.Background(), b.plan); err != nil {
		t.Fatal(err)
	}
	if got := b.made(t); !reflect.DeepEqual(got, wantTwo()) {
		t.Errorf("made %v", got)
	}
	if err := b.provider.Unmake(context.Background(), inv); err != nil {
		t.Fatal(err)
	}
	b.none(t)
}

// What was made a moment ago, EC2 may say it does not know: that is no reason to believe
// that it is gone.
func TestDownTooSoon(t *testing.T) {
	for _, action := range []string{"RunInstances", "AllocateAddress", "CreateSecurityGroup"} {
		t.Run(action, func(t *testing.T) {
			b := newBench(t, twoRegions)
			ctx, cancel := context.WithCancelCause(context.Background())
			b.proxy.Hide = 6 // more than make and the scans of down look in vain
			b.proxy.Arm(&Fault{Region: "us-east-1", Action: action, Nth: 1, Kind: NotFoundYet})
			b.proxy.Struck = func() { cancel(errors.New("somebody typed Ctrl-C")) }
			inv, err := b.provider.Make(ctx, b.plan)
			if err == nil {
				t.Error("not interrupted")
			}
			b.proxy.Arm(nil)
			if err := b.provider.Unmake(context.Background(), inv); err != nil {
				t.Error(err)
			}
			b.none(t)
			if t.Failed() {
				b.sweep(t)
			}
		})
	}
}

// An instance that somebody else took away is told, not replaced.
func TestGone(t *testing.T) {
	b := newBench(t, twoRegions)
	b.proxy.Arm(nil)
	ctx := context.Background()
	inv, err := b.provider.Make(ctx, b.plan)
	if err != nil {
		t.Fatal(err)
	}
	if err := terminate(ctx, b.proxy.URL, "us-west-2", inv.EC2.Hosts["us-west-2-1"].Instance); err != nil {
		t.Fatal(err)
	}
	b.proxy.Arm(nil)
	var gone *ec2.GoneError
	if _, err := b.provider.Make(ctx, b.plan); !errors.As(err, &gone) || gone.Node != "us-west-2-1" || len(b.proxy.Mutations()) > 0 {
		t.Errorf("%v, %v", err, b.proxy.Mutations())
	}
	if err := b.provider.Unmake(ctx, inv); err != nil {
		t.Fatal(err)
	}
	b.none(t)
}

// What can't be removed is listed.
func TestLeft(t *testing.T) {
	b := newBench(t, twoRegions)
	b.proxy.Arm(nil)
	ctx := context.Background()
	inv, err := b.provider.Make(ctx, b.plan)
	if err != nil {
		t.Fatal(err)
	}
	// A rule of somebody else's group refers to ours: ours can't be deleted.
	free, err := holdGroup(ctx, lab.moto.URL, "us-west-2", b.plan.Name)
	if err != nil {
		t.Fatal(err)
	}
	b.provider.Pace.Wait = 2 * time.Second
	err = b.provider.Unmake(ctx, inv)
	var left *ec2.LeftError
	if !errors.As(err, &left) || left.ExitCode() != 5 || len(left.Things) != 1 || left.Things[0].Type != "security-group" || left.Things[0].Region != "us-west-2" {
		t.Errorf("left: %v", err)
	}
	if err := free(); err != nil {
		t.Fatal(err)
	}
	if err := b.provider.Unmake(ctx, inv); err != nil {
		t.Error(err)
	}
	b.none(t)
}

// Many nodes: each call takes as long as one to another continent, and the time is
// told. 8 calls go side by side in each region.
func TestManyNodes(t *testing.T) {
	n, delay := 6, 10*time.Millisecond
	if harness.Long() {
		n, delay = 50, 100*time.Millisecond
	}
	b := newBench(t, strings.ReplaceAll(twoRegions, "region: us-", "nodes: "+strconv.Itoa(n)+", region: us-"))
	b.proxy.ElasticIPs, b.proxy.Delay = n, delay
	b.proxy.Arm(nil)
	ctx := context.Background()
	began := time.Now()
	inv, err := b.provider.Make(ctx, b.plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("2 × %d nodes, %s a call: made in %s, %d calls, %d of them change something", n, delay, time.Since(began).Round(time.Millisecond),
		len(b.proxy.Calls()), len(b.proxy.Mutations()))
	if got := b.made(t); got["us-east-1 instance"] != n || got["us-west-2 elastic-ip"] != n || len(inv.EC2.Hosts) != 2*n {
		t.Errorf("made %v", got)
	}
	b.proxy.Arm(nil)
	began = time.Now()
	if err := b.provider.Unmake(ctx, inv); err != nil {
		t.Fatal(err)
	}
	t.Logf("removed in %s, %d calls, %d of them change something", time.Since(began).Round(time.Millisecond), len(b.proxy.Calls()), len(b.proxy.Mutations()))
	b.none(t)
}

func terminate(ctx context.Context, url, region, id string) error {
	_, err := Client(url, region).TerminateInstances(ctx, &awsec2.TerminateInstancesInput{InstanceIds: []string{id}})
	return err
}

// holdGroup makes a security group with a rule that refers to the cluster's one, and
// returns what removes it.
func holdGroup(ctx context.Context, url, region, cluster string) (free func() error, err error) {
	api := Client(url, region)
	out, err := api.DescribeSecurityGroups(ctx, &awsec2.DescribeSecurityGroupsInput{Filters: by("tag:"+ec2.TagCluster, cluster)})
	if err != nil {
		return nil, err
	}
	if len(out.SecurityGroups) != 1 {
		return nil, fmt.Errorf("%d groups of %s", len(out.SecurityGroups), cluster)
	}
	g := out.SecurityGroups[0]
	other, err := api.CreateSecurityGroup(ctx, &awsec2.CreateSecurityGroupInput{VpcId: g.VpcId, GroupName: aws.String("somebody-elses"), Description: aws.String("test")})
	if err != nil {
		return nil, err
	}
	_, err = api.AuthorizeSecurityGroupIngress(ctx, &awsec2.AuthorizeSecurityGroupIngressInput{GroupId: other.GroupId, IpPermissions: []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: g.GroupId}}}}})
	return func() error {
		_, err := api.DeleteSecurityGroup(ctx, &awsec2.DeleteSecurityGroupInput{GroupId: other.GroupId})
		return err
	}, err
}
