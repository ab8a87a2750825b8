package awsfault

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"

	"crossring/provision/ec2"
)

// refused makes a plan that can't be made, and sees that nothing was changed.
func (b *bench) refused(t *testing.T) error {
	t.Helper()
	b.proxy.Arm(nil)
	_, err := b.provider.Make(context.Background(), b.plan)
	if calls := b.proxy.Mutations(); err == nil || len(calls) > 0 {
		t.Errorf("%v, after the calls %v", err, calls)
	}
	b.none(t)
	return err
}

// The quota on vCPUs is read before anything is made, and counts what runs already.
func TestVCPUs(t *testing.T) {
	b := newBench(t, twoRegions)
	b.proxy.VCPUs = 3
	err := b.refused(t)
	var quota *ec2.QuotaError
	if !errors.As(err, &quota) || quota.Quota != "vcpus" || quota.Need != 4 || quota.Limit != 3 ||
		!strings.Contains(quota.Hint(), "request-service-quota-increase --region us-") || !strings.Contains(quota.Hint(), "--quota-code L-1216C47A --desired-value 4") {
		t.Errorf("%v, hint %q", err, quota.Hint())
	}
	if asked := b.proxy.QuotasAsked(); len(asked) != 2 {
		t.Errorf("asked %v", asked)
	}
	// Two more, of another cluster, with room for one.
	b.proxy.VCPUs = 7
	inv, err := b.provider.Make(context.Background(), b.plan)
	if err != nil {
		t.Fatal(err)
	}
	other := newBench(t, twoRegions)
	other.plan.Name = "other"
	other.proxy.VCPUs = 7
	if err := other.refused(t); !errors.As(err, &quota) || quota.Have != 4 || quota.Need != 4 {
		t.Errorf("while another runs: %v", err)
	}
	if err := b.provider.Unmake(context.Background(), inv); err != nil {
		t.Fatal(err)
	}
}

// Rules and groups beyond what the account allows are refused before anything is made.
func TestRuleQuotas(t *testing.T) {
	b := newBench(t, twoRegions)
	for i, q := range b.plan.EC2.Quotas {
		if q.Quota == "inbound-rules-per-group" || q.Quota == "groups-per-interface" {
			b.plan.EC2.Quotas[i].Need = 61
		}
	}
	err := b.refused(t)
	for _, want := range []string{
		"quota inbound-rules-per-group of us-west-2: 61 more needed, 0 in use, 60 allowed",
		"quota groups-per-interface of us-east-1: 61 more needed, 0 in use, 5 allowed",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

// An image of another architecture, by its id.
func TestImageOfAnotherArchitecture(t *testing.T) {
	b := newBench(t, twoRegions)
	ctx := context.Background()
	arm := map[string]string{}
	for _, region := range b.regions {
		out, err := Client(lab.moto.URL, region).DescribeImages(ctx, &awsec2.DescribeImagesInput{Filters: by("architecture", "arm64")})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Images) == 0 {
			// moto ships none: one is registered.
			made, err := Client(lab.moto.URL, region).RegisterImage(ctx, &awsec2.RegisterImageInput{Name: aws.String("arm"), Architecture: "arm64"})
			if err != nil {
				t.Fatal(err)
			}
			arm[region] = aws.ToString(made.ImageId)
			continue
		}
		arm[region] = aws.ToString(out.Images[0].ImageId)
	}
	b.plan.EC2.Image.Name, b.plan.EC2.Image.Owner, b.plan.EC2.Image.IDs = "", "", arm
	err := b.refused(t)
	var bad *ec2.PlanError
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "is for arm64, not x86_64") || bad.ExitCode() != 2 {
		t.Errorf("%v", err)
	}
}

func TestRegionThatThereIsNot(t *testing.T) {
	b := newBench(t, twoRegions)
	b.plan.Nodes[1].Region, b.plan.Nodes[1].Zone = "us-nowhere-9", "us-nowhere-9a"
	err := b.refused(t)
	var bad *ec2.PlanError
	if !errors.As(err, &bad) || bad.Region != "us-nowhere-9" || !strings.Contains(err.Error(), "there are ") {
		t.Errorf("%v", err)
	}
}

// The credentials of another account see nothing of a cluster: neither make nor unmake
// may take that for an answer.
func TestAnotherAccount(t *testing.T) {
	b := newBench(t, twoRegions)
	b.proxy.Arm(nil)
	ctx := context.Background()
	inv, err := b.provider.Make(ctx, b.plan)
	if err != nil {
		t.Fatal(err)
	}
	key, secret, token, err := assume(ctx, lab.moto.URL, "222222222222")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("as another", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", key)
		t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
		t.Setenv("AWS_SESSION_TOKEN", token)
		b.proxy.Arm(nil)
		var account *ec2.AccountError
		if err := b.provider.Unmake(ctx, inv); !errors.As(err, &account) || account.Made != "123456789012" || account.Now != "222222222222" || account.ExitCode() != 7 {
			t.Errorf("unmake: %v", err)
		}
		if _, err := b.provider.Make(ctx, b.plan); !errors.As(err, &account) {
			t.Errorf("make: %v", err)
		}
		if calls := b.proxy.Mutations(); len(calls) > 0 {
			t.Errorf("called %v", calls)
		}
	})
	if err := b.provider.Unmake(ctx, inv); err != nil {
		t.Fatal(err)
	}
	b.none(t)
}

// A name that another state directory took while this one was still making: what is
// half made here goes no further.
func TestTakenWhileHalfMade(t *testing.T) {
	b := newBench(t, twoRegions)
	ctx := context.Background()
	b.proxy.Arm(&Fault{Region: "us-east-1", Action: "RunInstances", Nth: 1, Kind: ErrorBefore})
	b.proxy.Repeat(1000)
	if _, err := b.provider.Make(ctx, b.plan); err == nil {
		t.Fatal("it was made in spite of the fault")
	}
	other := provider(t.TempDir(), t.Logf)
	b.proxy.Arm(nil)
	var taken *ec2.TakenError
	if _, err := other.Make(ctx, b.plan); !errors.As(err, &taken) || !strings.Contains(taken.Hint(), "crossring down fault --ec2") {
		t.Errorf("a name that is half taken: %v", err)
	}
	if calls := b.proxy.Mutations(); len(calls) > 0 {
		t.Errorf("called %v", calls)
	}
	inv, err := b.provider.Make(ctx, b.plan)
	if err != nil {
		t.Errorf("its owner can't go on: %v", err)
	}
	if err := b.provider.Unmake(ctx, inv); err != nil {
		t.Fatal(err)
	}
	b.none(t)
}

// The console of an instance is read until it says enough, and not for longer than it
// may take.
func TestConsole(t *testing.T) {
	b := newBench(t, twoRegions)
	b.proxy.Arm(nil)
	ctx := context.Background()
	inv, err := b.provider.Make(ctx, b.plan)
	if err != nil {
		t.Fatal(err)
	}
	east, looks := inv.EC2.Hosts["us-east-1-1"].Instance, 0
	b.proxy.Console = func(instance string) string { // called one at a time
		if instance != east {
			return "still booting"
		}
		if looks++; looks < 3 {
			return ""
		}
		return "the keys"
	}
	wait, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	got, err := b.provider.Console(wait, inv, inv.Nodes, func(text string) bool { return text == "the keys" })
	if err != nil || got["us-east-1-1"] != "the keys" || got["us-west-2-1"] != "still booting" || looks != 3 {
		t.Errorf("%v, %v after %d looks", got, err, looks)
	}
	// Moto itself says the same at every look, which nobody waits out.
	b.proxy.Console = nil
	patient, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	got, err = b.provider.Console(patient, inv, inv.Nodes, func(string) bool { return false })
	if err != nil || patient.Err() != nil || got["us-east-1-1"] == "" || got["us-west-2-1"] == "" {
		t.Errorf("of consoles that stand still: %v, %v, %v", got, err, patient.Err())
	}
	if err := b.provider.Unmake(ctx, inv); err != nil {
		t.Fatal(err)
	}
	b.none(t)
}
