package ec2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"crossring/internal/topology"
	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/ledger"
)

// apiError is an error of EC2's by its code.
func apiError(code string) error { return &smithy.GenericAPIError{Code: code, Message: "it said so"} }

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

func twoPeers(peers int) topology.Plan {
	p := topology.Plan{Name: "test", NamingScheme: "legacy", EC2: &topology.EC2Plan{InstanceType: "m5.large"},
		Nodes: []topology.Node{{Name: "us-east-1-1", Region: "us-east-1", Zone: "us-east-1b", Datacenter: "us-east"}}}
	rule := func(port int, source topology.Source) {
		p.Rules = append(p.Rules, topology.Rule{Node: "us-east-1-1", Port: port, Source: source})
	}
	for i := range peers {
		p.Nodes = append(p.Nodes, topology.Node{Name: fmt.Sprintf("us-west-2-%d", i+1), Region: "us-west-2"})
	}
	rule(7000, topology.FromOthers())
	rule(9042, topology.FromNetwork("203.0.113.4/32"))
	rule(7000, topology.FromGroup())
	rule(7000, topology.FromGroup())
	return p
}

// An attempt that is not settled comes first, then the node's own zone, then those
// that make the same datacenter.
func TestZonesFor(t *testing.T) {
	r := bench(t, twoPeers(1))
	r.net.zones = []string{"us-east-1-bos-1a", "us-east-1a", "us-east-1b", "us-east-1c", "us-east-1e"}
	r.net.subnets = map[string]string{"us-east-1-bos-1a": "subnet-0", "us-east-1a": "subnet-1", "us-east-1b": "subnet-2", "us-east-1c": "subnet-3"}
	n := r.nodes()[0]
	if got := r.launch.zonesFor(n); !slices.Equal(got, []string{"us-east-1b", "us-east-1a", "us-east-1c"}) {
		t.Errorf("%v", got)
	}
	r.st.Plan.EC2.VPC = ownVPC // gets a subnet wherever it needs one
	if got := r.launch.zonesFor(n); !slices.Equal(got, []string{"us-east-1b", "us-east-1a", "us-east-1c", "us-east-1e"}) {
		t.Errorf("in a VPC of its own: %v", got)
	}
	r.st.Plan.EC2.VPC = "default"
	if err := r.mem.Announce("RunInstances", r.launch.launchPart(n.Name, "us-east-1c", 1), cloud.Launch{}); err != nil {
		t.Fatal(err)
	}
	if got := r.launch.zonesFor(n); !slices.Equal(got, []string{"us-east-1c", "us-east-1b", "us-east-1a"}) {
		t.Errorf("with an attempt in us-east-1c: %v", got)
	}
}

// A zone in which an instance was begun and then had no room is tried last.
func TestZonesForAfterAnEnd(t *testing.T) {
	r := bench(t, twoPeers(1))
	r.st.Plan.EC2.VPC = ownVPC
	r.net.zones = []string{"us-east-1a", "us-east-1b"}
	n := r.nodes()[0]
	for _, c := range []struct{ instance, reason, want string }{
		{"i-1", "Server.InternalError", "us-east-1b us-east-1a"},
		{"i-2", "Server.InsufficientInstanceCapacity", "us-east-1a us-east-1b"},
	} {
		part := r.launch.launchPart(n.Name, n.Zone, len(r.launch.launches(n.Name))+1)
		if err := errors.Join(r.mem.Announce("RunInstances", part, cloud.Launch{}), r.mem.Settle("RunInstances", part, ledger.Outcome{ID: c.instance}, nil)); err != nil {
			t.Fatal(err)
		}
		var ended *endedError
		if err := r.launch.end(n.Name, types.Instance{InstanceId: &c.instance, State: &types.InstanceState{Name: types.InstanceStateNameTerminated},
			StateReason: &types.StateReason{Code: &c.reason}}); !errors.As(err, &ended) {
			t.Fatal(err)
		}
		r.mem = reopened(t, r.site)
		r.clerk.Ledger = r.mem // as the next process reads it
		if got := strings.Join(r.launch.zonesFor(n), " "); got != c.want {
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
	if err != nil || got != (cloud.Image{ID: "ami-2", RootDevice: "/dev/xvda"}) {
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
		return nil, apiError("ParameterNotFound")
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
	if _, err := findImage(context.Background(), api, parameters("ami-7"), "us-east-1", e); !errors.As(err, &bad) || cloud.Code(err) != "ParameterNotFound" {
		t.Errorf("a parameter that there is not: %v", err)
	}
}
