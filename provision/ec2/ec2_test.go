package ec2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"crossring/internal/topology"
	"crossring/provision/ec2/ledger"
)

// apiError is an error as the SDK returns it.
func apiError(status int, code string) error {
	err := error(&smithy.GenericAPIError{Code: code, Message: "it said so"})
	return &smithy.OperationError{ServiceID: "EC2", OperationName: "Test", Err: &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err}}}
}

func TestClassify(t *testing.T) {
	for _, tt := range []struct {
		err                                     error
		throttled, unknown, notFound, noCapcity bool
	}{
		{err: apiError(503, "RequestLimitExceeded"), throttled: true},
		{err: apiError(400, "Throttling"), throttled: true},
		{err: apiError(500, "InternalError"), unknown: true},
		{err: apiError(503, "Unavailable"), unknown: true},
		// EC2 sends it with status 500, and knows very well that it did nothing.
		{err: apiError(500, "InsufficientInstanceCapacity"), noCapcity: true},
		{err: apiError(400, "Unsupported"), noCapcity: true},
		{err: apiError(400, "InsufficientFreeAddressesInSubnet"), noCapcity: true},
		{err: apiError(400, "InvalidGroup.NotFound"), notFound: true},
		{err: apiError(400, "UnauthorizedOperation")},
		{err: errors.New("connection reset by peer"), unknown: true},
		{err: context.DeadlineExceeded, unknown: true},
		// What a message says does not count.
		{err: fmt.Errorf("RequestLimitExceeded: %w", apiError(400, "InvalidParameterValue"))},
	} {
		if throttled(tt.err) != tt.throttled || unknown(tt.err) != tt.unknown || notFound(tt.err) != tt.notFound || capacity(code(tt.err)) != tt.noCapcity {
			t.Errorf("%v: throttled %t, unknown %t, not found %t, no capacity %t", tt.err, throttled(tt.err), unknown(tt.err), notFound(tt.err), capacity(code(tt.err)))
		}
	}
	if unknown(nil) || throttled(nil) {
		t.Error("no error is an error")
	}
	var quota *QuotaError
	if err := named("us-east-1", apiError(400, "VcpuLimitExceeded")); !errors.As(err, &quota) || quota.Quota != "vcpus" || code(err) != "VcpuLimitExceeded" {
		t.Errorf("quota: %v", err)
	}
}

func TestToken(t *testing.T) {
	seen := map[string]bool{}
	for _, run := range []string{"a", "b"} {
		for _, node := range []string{"us-east-1-1", "us-east-1-11"} {
			for _, zone := range []string{"us-east-1a", "us-east-1b"} {
				for attempt := range 3 {
					tok := token(run, node, zone, "m5.large", attempt)
					if len(tok) != 64 || seen[tok] || tok != token(run, node, zone, "m5.large", attempt) {
						t.Errorf("token %s", tok)
					}
					seen[tok] = true
				}
			}
		}
	}
}

// bench is a region without an EC2, with a ledger.
func bench(t *testing.T, plan topology.Plan) *region {
	t.Helper()
	p := Provider{StateDir: t.TempDir(), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Say: t.Logf, Now: time.Now,
		Pace: Pace{Poll: time.Millisecond, MaxPoll: time.Millisecond, Looks: 3, Call: time.Second, Wait: time.Second}}
	s := &site{Provider: p, dir: p.StateDir, st: state{Plan: plan, Run: "0123456789abcdef"}}
	s.mem = reopened(t, s)
	return s.region("us-east-1", aws.Config{})
}

// reopened is the ledger as the next process would read it.
func reopened(t *testing.T, s *site) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(filepath.Join(s.dir, journalFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// The ledger reads EC2's errors by their codes, and a refusal has the type of its reason.
func TestService(t *testing.T) {
	s := service{"us-east-1"}
	for _, c := range []struct {
		err  error
		want ledger.Answer
	}{
		{nil, ledger.Answer{}},
		{errors.New("reset"), ledger.Answer{Unknown: true}},
		{apiError(503, "RequestLimitExceeded"), ledger.Answer{Code: "RequestLimitExceeded", Throttled: true}},
		{apiError(400, "InvalidGroup.NotFound"), ledger.Answer{Code: "InvalidGroup.NotFound", NotFound: true}},
		{apiError(400, "InvalidGroup.Duplicate"), ledger.Answer{Code: "InvalidGroup.Duplicate", Duplicate: true}},
		{apiError(403, "UnauthorizedOperation"), ledger.Answer{Code: "UnauthorizedOperation"}},
	} {
		if got := s.Read(c.err); got != c.want {
			t.Errorf("%v: %+v", c.err, got)
		}
	}
	var quota *QuotaError
	if err := s.Refusal(apiError(400, "VcpuLimitExceeded")); !errors.As(err, &quota) || quota.Region != "us-east-1" {
		t.Errorf("%v", err)
	}
}

func twoPeers(peers int) topology.Plan {
	p := topology.Plan{Name: "test", NamingScheme: "legacy", EC2: &topology.EC2Plan{InstanceType: "m5.large"},
		Nodes: []topology.Node{{Name: "us-east-1-1", Region: "us-east-1", Zone: "us-east-1b", Datacenter: "us-east"}}}
	rule := func(port int, source string) {
		p.Rules = append(p.Rules, topology.Rule{Node: "us-east-1-1", Port: port, Source: source})
	}
	for i := range peers {
		p.Nodes = append(p.Nodes, topology.Node{Name: fmt.Sprintf("us-west-2-%d", i+1), Region: "us-west-2"})
		rule(7000, fmt.Sprintf("node us-west-2-%d", i+1))
	}
	rule(9042, "203.0.113.4/32")
	rule(7000, "group")
	rule(7000, "group")
	return p
}

func TestWanted(t *testing.T) {
	r := bench(t, twoPeers(2))
	got, err := r.wanted(map[string]string{"us-west-2-1": "198.51.100.1", "us-west-2-2": "198.51.100.2"})
	want := []opening{{7000, "", ""}, {7000, "198.51.100.1/32", "internode, from us-west-2-1"}, {7000, "198.51.100.2/32", "internode, from us-west-2-2"}, {9042, "203.0.113.4/32", ""}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %+v", err, got)
	}
	if _, err := r.wanted(map[string]string{"us-west-2-1": "198.51.100.1"}); err == nil {
		t.Error("an address that is not known opened something")
	}
	have := []types.IpPermission{permission(want[0], "sg-1"), permission(want[3], "sg-1")}
	if !opened(have, want[0], "sg-1") || opened(have, want[0], "sg-2") || opened(have, want[1], "sg-1") || !opened(have, want[3], "sg-1") {
		t.Errorf("in %+v", have)
	}
}

// An attempt that is not settled comes first, then the node's own zone, then those
// that make the same datacenter.
func TestZonesFor(t *testing.T) {
	r := bench(t, twoPeers(1))
	r.zones = []string{"us-east-1-bos-1a", "us-east-1a", "us-east-1b", "us-east-1c", "us-east-1e"}
	r.subnets = map[string]string{"us-east-1-bos-1a": "subnet-0", "us-east-1a": "subnet-1", "us-east-1b": "subnet-2", "us-east-1c": "subnet-3"}
	n := r.nodes()[0]
	if got := r.zonesFor(n); !slices.Equal(got, []string{"us-east-1b", "us-east-1a", "us-east-1c"}) {
		t.Errorf("%v", got)
	}
	r.st.Plan.EC2.VPC = ownVPC // gets a subnet wherever it needs one
	if got := r.zonesFor(n); !slices.Equal(got, []string{"us-east-1b", "us-east-1a", "us-east-1c", "us-east-1e"}) {
		t.Errorf("in a VPC of its own: %v", got)
	}
	r.st.Plan.EC2.VPC = "default"
	if err := r.mem.Announce("RunInstances", r.launchPart(n.Name, "us-east-1c", 1), launch{}); err != nil {
		t.Fatal(err)
	}
	if got := r.zonesFor(n); !slices.Equal(got, []string{"us-east-1c", "us-east-1b", "us-east-1a"}) {
		t.Errorf("with an attempt in us-east-1c: %v", got)
	}
}

// A zone in which an instance was begun and then had no room is tried last.
func TestZonesForAfterAnEnd(t *testing.T) {
	r := bench(t, twoPeers(1))
	r.st.Plan.EC2.VPC = ownVPC
	r.zones = []string{"us-east-1a", "us-east-1b"}
	n := r.nodes()[0]
	for _, c := range []struct{ instance, reason, want string }{
		{"i-1", "Server.InternalError", "us-east-1b us-east-1a"},
		{"i-2", "Server.InsufficientInstanceCapacity", "us-east-1a us-east-1b"},
	} {
		part := r.launchPart(n.Name, n.Zone, len(r.launches(n.Name))+1)
		if err := errors.Join(r.mem.Announce("RunInstances", part, launch{}), r.mem.Settle("RunInstances", part, ledger.Outcome{ID: c.instance}, nil)); err != nil {
			t.Fatal(err)
		}
		var ended *endedError
		if err := r.end(n.Name, types.Instance{InstanceId: &c.instance, State: &types.InstanceState{Name: types.InstanceStateNameTerminated},
			StateReason: &types.StateReason{Code: &c.reason}}); !errors.As(err, &ended) {
			t.Fatal(err)
		}
		r.mem = reopened(t, r.site)
		r.clerk.Ledger = r.mem // as the next process reads it
		if got := strings.Join(r.zonesFor(n), " "); got != c.want {
			t.Errorf("after %s: %s", c.reason, got)
		}
	}
}

// images answers with the same images to everybody.
type images []types.Image

func (i images) DescribeImages(context.Context, *ec2.DescribeImagesInput, ...func(*ec2.Options)) (*ec2.DescribeImagesOutput, error) {
	return &ec2.DescribeImagesOutput{Images: i}, nil
}

func TestFindImage(t *testing.T) {
	e := &topology.EC2Plan{Architecture: "x86_64", Image: topology.EC2Image{Name: "debian-12-*", Owner: "1"}}
	img := func(id, date string, arch types.ArchitectureValues) types.Image {
		return types.Image{ImageId: aws.String(id), CreationDate: aws.String(date), Architecture: arch, RootDeviceName: aws.String("/dev/xvda")}
	}
	list := images{img("ami-1", "2024-01-01", "x86_64"), img("ami-2", "2025-02-01", "x86_64"), img("ami-3", "2025-01-31", "x86_64")}
	got, err := findImage(context.Background(), list, nil, "us-east-1", e)
	if err != nil || got != (image{ID: "ami-2", RootDevice: "/dev/xvda"}) {
		t.Errorf("%+v, %v", got, err)
	}
	e.Image = topology.EC2Image{IDs: map[string]string{"us-east-1": "ami-9"}}
	var bad *PlanError
	if _, err := findImage(context.Background(), images{img("ami-9", "2024-01-01", "arm64")}, nil, "us-east-1", e); !errors.As(err, &bad) || bad.ExitCode() != 2 {
		t.Errorf("an image of another architecture: %v", err)
	}
	if _, err := findImage(context.Background(), images{}, nil, "us-east-1", e); !errors.As(err, &bad) {
		t.Errorf("no image: %v", err)
	}
}

// parameters answers with the same value to everybody.
type parameters string

func (p parameters) GetParameter(_ context.Context, in *ssm.GetParameterInput, _ ...func(*ssm.Options)) (*ssm.GetParameterOutput, error) {
	if aws.ToString(in.Name) != "/images/latest" {
		return nil, apiError(400, "ParameterNotFound")
	}
	return &ssm.GetParameterOutput{Parameter: &ssmtypes.Parameter{Value: aws.String(string(p))}}, nil
}

// asked notes which image was asked for.
type asked struct {
	images
	ids *[]string
}

func (a asked) DescribeImages(ctx context.Context, in *ec2.DescribeImagesInput, _ ...func(*ec2.Options)) (*ec2.DescribeImagesOutput, error) {
	*a.ids = in.ImageIds
	return a.images.DescribeImages(ctx, in)
}

func TestFindImageByParameter(t *testing.T) {
	e := &topology.EC2Plan{Architecture: "arm64", Image: topology.EC2Image{SSM: "/images/latest"}}
	var ids []string
	api := asked{images{{ImageId: aws.String("ami-7"), Architecture: "arm64"}}, &ids}
	got, err := findImage(context.Background(), api, parameters("ami-7"), "us-east-1", e)
	if err != nil || got.ID != "ami-7" || !slices.Equal(ids, []string{"ami-7"}) {
		t.Errorf("%+v, %v, asked for %v", got, err, ids)
	}
	e.Image.SSM = "/images/none"
	var bad *PlanError
	if _, err := findImage(context.Background(), api, parameters("ami-7"), "us-east-1", e); !errors.As(err, &bad) || code(err) != "ParameterNotFound" {
		t.Errorf("a parameter that there is not: %v", err)
	}
}

// An account that may not make anything yet is told what helps.
func TestUnready(t *testing.T) {
	for _, c := range []string{"PendingVerification", "OptInRequired", "Blocked"} {
		var unready *UnreadyError
		if err := named("us-east-1", apiError(400, c)); !errors.As(err, &unready) || unready.ExitCode() != 7 || unready.Hint() == "" {
			t.Errorf("%s: %v", c, err)
		}
	}
	var quota *QuotaError
	if err := named("us-east-1", apiError(400, "MaxSpotInstanceCountExceeded")); !errors.As(err, &quota) || quota.Quota != "spot-instances" {
		t.Errorf("%v", err)
	}
}

// What is removed is due by EC2's own clock, where this computer's agrees.
func TestDue(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		l        Listed
		due, bad bool
	}{
		"over":          {Listed{Expires: now.Add(-time.Second), At: now}, true, false},
		"not yet":       {Listed{Expires: now.Add(time.Second), At: now}, false, false},
		"ahead":         {Listed{Expires: now.Add(-time.Second), At: now, Skew: 6 * time.Minute}, false, true},
		"behind":        {Listed{Expires: now.Add(-time.Second), At: now, Skew: -6 * time.Minute}, false, true},
		"a little":      {Listed{Expires: now.Add(-time.Second), At: now, Skew: -4 * time.Minute}, true, false},
		"it says none":  {Listed{Expires: now.Add(-time.Second)}, false, true},
		"never expires": {Listed{At: now}, false, false},
	} {
		due, err := c.l.Due()
		var skew *SkewError
		if due != c.due || errors.As(err, &skew) != c.bad {
			t.Errorf("%s: %t, %v", name, due, err)
		}
	}
}
