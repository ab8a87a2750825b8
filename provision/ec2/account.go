package ec2

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/topology"
	"crossring/provision/ec2/cloud"
)

// AccountError says that the credentials are those of another account than the one that
// a cluster was made in. There, nothing of it is to be seen: down would find nothing
// left, and leave everything.
type AccountError struct{ Cluster, Made, Now string }

func (e *AccountError) Error() string {
	return fmt.Sprintf("cluster %s was made in AWS account %s; the credentials are of account %s", e.Cluster, e.Made, e.Now)
}

// ExitCode is that of something missing: the right credentials.
func (e *AccountError) ExitCode() int { return fail.ExitPrerequisite }

// Hint is a command that takes others.
func (e *AccountError) Hint() string {
	return "export AWS_PROFILE=…   # a profile of account " + e.Made
}

type groupsAPI interface {
	DescribeSecurityGroups(context.Context, *ec2.DescribeSecurityGroupsInput, ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error)
}

// findAccount is the number of the account that the credentials are of, "" where
// nothing tells it. Every VPC has a group, and every group says whose it is.
func findAccount(ctx context.Context, api groupsAPI) (string, error) {
	const least = 5 // that EC2 takes
	out, err := api.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{MaxResults: aws.Int32(least)})
	if err != nil {
		return "", fmt.Errorf("finding out the account: %w", cloud.AsWhom(err))
	}
	for _, g := range out.SecurityGroups {
		if g.OwnerId != nil {
			return *g.OwnerId, nil
		}
	}
	return "", nil
}

// checkAccount sees that the credentials are those of the account that the cluster was
// made in, and notes it at the first time.
func (s *site) checkAccount(ctx context.Context) error {
	var now string
	for _, r := range s.regions {
		var err error
		if now, err = findAccount(ctx, r.api); err != nil {
			return err
		}
		if now != "" {
			break
		}
	}
	switch {
	case now == "" || now == s.st.Account:
		return nil
	case s.st.Account != "":
		return &AccountError{Cluster: s.st.Plan.Name, Made: s.st.Account, Now: now}
	}
	s.st.Account = now
	return nil
}

// checkRegions sees that the account has the plan's regions. It is asked where the
// configuration says, or in us-east-1; what can't be asked shows when it is used.
func (s *site) checkRegions(ctx context.Context, api regionsAPI) error {
	out, err := api.DescribeRegions(ctx, &ec2.DescribeRegionsInput{}, cloud.Once)
	switch {
	case cloud.Stranger(err):
		return cloud.AsWhom(err)
	case err != nil:
		s.Log.Info("regions", "err", err)
		return nil
	}
	var known []string
	for _, r := range out.Regions {
		known = append(known, aws.ToString(r.RegionName))
	}
	slices.Sort(known)
	var errs []error
	for _, r := range s.regions {
		if !slices.Contains(known, r.name) {
			errs = append(errs, &PlanError{Region: r.name, Problem: "the account has no such region, or has not enabled it; there are " + strings.Join(known, ", "),
				Fix: "aws account enable-region --region-name " + r.name + "   # or choose another one under regions in the spec"})
		}
	}
	return join(errs...)
}

// checkTaken sees that no other cluster has the name in this region: one of another
// state directory.
func (r *region) checkTaken(ctx context.Context) error {
	things, err := r.cloud.Scan(ctx, []types.Filter{cloud.Filter("tag:"+TagCluster, r.st.Plan.Name)})
	if err != nil || len(things) == 0 {
		return err
	}
	mine, err := r.cloud.Scan(ctx, r.cloud.Mine())
	if err != nil {
		return err
	}
	things = slices.DeleteFunc(things, func(t Thing) bool {
		return slices.ContainsFunc(mine, func(m Thing) bool { return m.ID == t.ID })
	})
	if len(things) == 0 {
		return nil
	}
	return &TakenError{Name: r.st.Plan.Name, Things: things}
}

// Made says what stands of a cluster, for people: "2 instances and 2 addresses in
// us-east-1, us-west-2"; "" is nothing.
func Made(inv topology.Inventory) string {
	if inv.EC2 == nil {
		return ""
	}
	instances, addresses := 0, 0
	var regions []string
	for _, n := range inv.Nodes {
		h, ok := inv.EC2.Hosts[n.Name]
		if !ok {
			continue
		}
		if h.Instance != "" {
			instances++
		}
		if h.Allocation != "" {
			addresses++
		}
		if !slices.Contains(regions, n.Region) {
			regions = append(regions, n.Region)
		}
	}
	if instances+addresses == 0 {
		return ""
	}
	return fmt.Sprintf("%s and %s in %s", plain.Count(instances, "instance"), plain.Count(addresses, "Elastic IP"), strings.Join(regions, ", "))
}
