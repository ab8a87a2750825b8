package ec2

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/internal/topology"
	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/ledger"
)

// DryRun checks a plan in every region and asks EC2 whether it would let the calls
// through, with EC2's own DryRun. It changes nothing, on EC2 or on disk. The error
// lists everything that would be refused.
func (p Provider) DryRun(ctx context.Context, plan topology.Plan) error {
	p.Pace = p.Pace.WithDefaults()
	cfg, err := cloud.Connect(ctx, p.Pace.MaxPoll)
	if err != nil {
		return err
	}
	s := &site{Provider: p, st: state{Plan: plan, Run: "dry-run-dry-run", Expires: p.Now().Add(time.Duration(plan.EC2.TTLSeconds * float64(time.Second)))}}
	s.mem, s.home = new(ledger.Ledger), ec2.NewFromConfig(cfg)
	for _, name := range regionNames(plan.Nodes) {
		s.regions = append(s.regions, s.region(name, cfg))
	}
	if err := s.checkRegions(ctx, s.home); err != nil {
		return err
	}
	return side(ctx, s.regions, func(ctx context.Context, r *region) error {
		if err := r.check(ctx); err != nil {
			return err
		}
		return r.dryRun(ctx)
	})
}

// allowed turns the answer to a dry run around: EC2 says yes by an error.
func allowed(action, region string, err error) error {
	switch cloud.Code(err) {
	case "DryRunOperation":
		return nil
	case "":
		if err == nil {
			err = errors.New("EC2 did not treat it as a dry run")
		}
	}
	return fmt.Errorf("dry run of %s in %s: %w", action, region, err)
}

func (r *region) dryRun(ctx context.Context) error {
	dry := aws.Bool(true)
	e := r.st.Plan.EC2
	// A key that parses; it is not imported.
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f dry-run"
	_, err := r.api.ImportKeyPair(ctx, &ec2.ImportKeyPairInput{DryRun: dry, KeyName: aws.String(r.keyName()), PublicKeyMaterial: []byte(key)}, cloud.Once)
	errs := []error{allowed("ImportKeyPair", r.name, err)}
	if e.PublicIP == elasticIP {
		_, err = r.api.AllocateAddress(ctx, &ec2.AllocateAddressInput{DryRun: dry, Domain: types.DomainTypeVpc}, cloud.Once)
		errs = append(errs, allowed("AllocateAddress", r.name, err))
	}
	if e.VPC == ownVPC {
		_, err = r.api.CreateVpc(ctx, &ec2.CreateVpcInput{DryRun: dry, CidrBlock: aws.String("10.0.0.0/16")}, cloud.Once)
		return join(append(errs, allowed("CreateVpc", r.name, err))...)
	}
	_, err = r.api.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{DryRun: dry, VpcId: &r.net.vpc, GroupName: aws.String(r.keyName()), Description: aws.String("dry run")}, cloud.Once)
	errs = append(errs, allowed("CreateSecurityGroup", r.name, err))
	n := r.nodes()[0]
	l := r.launch.newLaunch(n.Name, n.Zone, r.launch.launchPart(n.Name, n.Zone, 0), 0)
	l.Subnet = r.net.subnets[n.Zone]
	l.Key = "" // there is none yet
	_, err = r.cloud.Launch(ctx, l, true)
	return join(append(errs, allowed("RunInstances", r.name, err))...)
}
