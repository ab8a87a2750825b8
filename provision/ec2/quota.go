package ec2

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"

	"crossring/internal/topology"
	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/ledger"
)

// limits are the quotas of a region, by name; what could not be read is missing.
type limits map[string]int

// readLimits asks EC2 and Service Quotas. An account that may not ask the latter, or an
// emulator that does not know it, is told of in a line, and the limit shows when it is
// met.
func (q *quota) readLimits(ctx context.Context) (limits, error) {
	out, err := q.api.DescribeAccountAttributes(ctx, &ec2.DescribeAccountAttributesInput{})
	if err != nil {
		return nil, fmt.Errorf("reading the limits of %s: %w", q.name, err)
	}
	found := limits{}
	for _, a := range out.AccountAttributes {
		for _, v := range a.AttributeValues {
			n, err := strconv.Atoi(aws.ToString(v.AttributeValue))
			if err != nil {
				continue
			}
			switch aws.ToString(a.AttributeName) {
			case "vpc-max-security-groups-per-interface":
				found[topology.QuotaGroups] = n
			case "vpc-max-elastic-ips":
				found[topology.QuotaElasticIPs] = n
			}
		}
	}
	for quota, at := range map[string][2]string{
		topology.QuotaRules: {cloud.VPCService, cloud.RulesQuota},
		topology.QuotaVCPUs: {cloud.EC2Service, cloud.VCPUsQuota(q.st.Plan.EC2.InstanceType)},
	} {
		n, err := q.serviceQuota(ctx, at[0], at[1])
		switch {
		case ledger.Interrupted(ctx) != nil:
			return nil, ledger.Interrupted(ctx)
		case err != nil:
			q.Log.Info("quota", "region", q.name, "quota", quota, "err", err)
			q.Say("%s: the quota %s can't be read beforehand (%s): if it is reached, EC2 says so", q.name, quota, brief(err))
		default:
			found[quota] = n
		}
	}
	return found, nil
}

// brief is the code of an error, or that there is none.
func brief(err error) string {
	if c := cloud.Code(err); c != "" {
		return c
	}
	return "no answer that makes sense"
}

// serviceQuota reads the value of a quota that is in force in the region.
func (q *quota) serviceQuota(ctx context.Context, service, quota string) (int, error) {
	// It is only asked for advice, so it must not hold anything up.
	const most = 20 * time.Second
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	out, err := q.client.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: &service, QuotaCode: &quota}, briefly)
	if err == nil && out.Quota != nil && out.Quota.Value != nil {
		return int(*out.Quota.Value), nil
	}
	if cloud.Code(err) != "NoSuchResourceException" {
		return 0, err
	}
	// Nobody asked for another value than the one that all accounts have.
	def, err := q.client.GetAWSDefaultServiceQuota(ctx, &servicequotas.GetAWSDefaultServiceQuotaInput{ServiceCode: &service, QuotaCode: &quota}, briefly)
	if err != nil {
		return 0, err
	}
	return int(aws.ToFloat64(def.Quota.Value)), nil
}

// briefly repeats a call twice, and not for long.
func briefly(o *servicequotas.Options) {
	o.Retryer = retry.NewStandard(func(s *retry.StandardOptions) {
		s.MaxAttempts, s.MaxBackoff, s.RateLimiter = 3, time.Second, ratelimit.None
	})
}

// checkQuotas compares what is still to be made with what the account allows.
func (q *quota) checkQuotas(ctx context.Context) error {
	limit, err := q.readLimits(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, need := range q.st.Plan.EC2.Quotas {
		most := limit[need.Quota]
		if need.Region != q.name || most == 0 {
			continue
		}
		switch need.Quota {
		case topology.QuotaGroups, topology.QuotaRules:
			asked := map[string]string{topology.QuotaGroups: cloud.GroupsQuota, topology.QuotaRules: cloud.RulesQuota}[need.Quota]
			if need.Need > most {
				errs = append(errs, &QuotaError{Region: q.name, Quota: need.Quota, Need: need.Need, Limit: most, Code: cloud.VPCService + " " + asked})
			}
		case topology.QuotaElasticIPs:
			errs = append(errs, q.checkAddresses(ctx, need.Need, most))
		}
	}
	if most := limit[topology.QuotaVCPUs]; most > 0 {
		errs = append(errs, q.checkVCPUs(ctx, most))
	}
	return join(errs...)
}

func (q *quota) checkAddresses(ctx context.Context, need, limit int) error {
	out, err := q.api.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{})
	if err != nil {
		return fmt.Errorf("reading the addresses of %s: %w", q.name, err)
	}
	for _, a := range out.Addresses {
		if cloud.Tagged(a.Tags, TagRun) == q.st.Run {
			need--
		}
	}
	if need > 0 && len(out.Addresses)+need > limit {
		return &QuotaError{Region: q.name, Quota: topology.QuotaElasticIPs, Need: need, Have: len(out.Addresses), Limit: limit,
			Code: cloud.EC2Service + " " + cloud.AddressesQuota}
	}
	return nil
}

// checkVCPUs counts the vCPUs of the instances that run under the same quota. Spot
// instances have quotas of their own.
func (q *quota) checkVCPUs(ctx context.Context, limit int) error {
	need := 0
	for _, n := range q.nodes() {
		if _, standing := q.launch.standing(n.Name); !standing {
			need += q.vcpus
		}
	}
	if need == 0 {
		return nil
	}
	all, err := q.cloud.Instances(ctx, []types.Filter{cloud.Filter("instance-state-name", "pending", "running")})
	if err != nil {
		return err
	}
	have, mine := 0, cloud.VCPUsQuota(q.st.Plan.EC2.InstanceType)
	for _, i := range all {
		if i.InstanceLifecycle == "" && cloud.VCPUsQuota(string(i.InstanceType)) == mine {
			have += vcpusOf(i)
		}
	}
	if have+need > limit {
		return &QuotaError{Region: q.name, Quota: topology.QuotaVCPUs, Need: need, Have: have, Limit: limit, Code: cloud.EC2Service + " " + mine}
	}
	return nil
}

func vcpusOf(i types.Instance) int {
	if c := i.CpuOptions; c != nil && aws.ToInt32(c.CoreCount) > 0 {
		return int(aws.ToInt32(c.CoreCount) * max(1, aws.ToInt32(c.ThreadsPerCore)))
	}
	return topology.VCPUs(string(i.InstanceType))
}
