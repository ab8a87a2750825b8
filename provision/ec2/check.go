package ec2

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"crossring/internal/topology"
	"crossring/provision/ec2/cloud"
)

type imageAPI interface {
	DescribeImages(context.Context, *ec2.DescribeImagesInput, ...func(*ec2.Options)) (*ec2.DescribeImagesOutput, error)
}

type parameterAPI interface {
	GetParameter(context.Context, *ssm.GetParameterInput, ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
}

type typeAPI interface {
	DescribeInstanceTypes(context.Context, *ec2.DescribeInstanceTypesInput, ...func(*ec2.Options)) (*ec2.DescribeInstanceTypesOutput, error)
	DescribeInstanceTypeOfferings(context.Context, *ec2.DescribeInstanceTypeOfferingsInput, ...func(*ec2.Options)) (*ec2.DescribeInstanceTypeOfferingsOutput, error)
}

// check reads what a region has to have, before anything is made anywhere.
func (r *region) check(ctx context.Context) error {
	e := r.st.Plan.EC2
	zones, err := findZones(ctx, r.api, r.name, e)
	if err != nil {
		return err
	}
	r.net.zones = zones
	for _, n := range r.nodes() {
		if !slices.Contains(zones, n.Zone) {
			return &PlanError{Region: r.name, Problem: fmt.Sprintf("%s is not offered in %s, only in %s", e.InstanceType, n.Zone, strings.Join(zones, ", ")),
				Fix: "choose another zone under regions in the spec"}
		}
	}
	if err := r.checkType(ctx, r.api); err != nil {
		return err
	}
	if chosen, ok := r.st.Images[r.name]; ok {
		r.launch.image = chosen
	} else if r.launch.image, err = findImage(ctx, r.api, r.ssm, r.name, e); err != nil {
		return err
	}
	if err := r.net.findVPC(ctx); err != nil {
		return err
	}
	if r.st.Complete && len(r.st.New) == 0 {
		return nil // there is nothing more to be made
	}
	return r.quota.checkQuotas(ctx)
}

// nodes are those of the plan in the region.
func (r *region) nodes() []topology.Node {
	var nodes []topology.Node
	for _, n := range r.st.Plan.Nodes {
		if n.Region == r.name {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// findZones lists the zones of a region that have the instance type.
func findZones(ctx context.Context, api typeAPI, region string, e *topology.EC2Plan) ([]string, error) {
	out, err := api.DescribeInstanceTypeOfferings(ctx, &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: types.LocationTypeAvailabilityZone, Filters: []types.Filter{cloud.Filter("instance-type", e.InstanceType)}})
	if err != nil {
		return nil, &PlanError{Region: region, Problem: "asking where " + e.InstanceType + " is offered", Err: err,
			Fix: "check the region's name, that the account has it enabled, and the credentials: aws sts get-caller-identity"}
	}
	var zones []string
	for _, o := range out.InstanceTypeOfferings {
		zones = append(zones, aws.ToString(o.Location))
	}
	if len(zones) == 0 {
		return nil, &PlanError{Region: region, Problem: e.InstanceType + " is not offered here", Fix: "set another ec2.instance_type in the spec"}
	}
	slices.Sort(zones)
	return zones, nil
}

// checkType compares the instance type with what the plan takes it for.
func (r *region) checkType(ctx context.Context, api typeAPI) error {
	e := r.st.Plan.EC2
	out, err := api.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{types.InstanceType(e.InstanceType)}})
	if err != nil || len(out.InstanceTypes) == 0 {
		return &PlanError{Region: r.name, Problem: "asking about " + e.InstanceType, Err: err, Fix: "set another ec2.instance_type in the spec"}
	}
	info := out.InstanceTypes[0]
	if r.quota.vcpus = topology.VCPUs(e.InstanceType); info.VCpuInfo != nil {
		r.quota.vcpus = int(aws.ToInt32(info.VCpuInfo.DefaultVCpus))
	}
	if p := info.ProcessorInfo; p != nil && !slices.Contains(p.SupportedArchitectures, types.ArchitectureType(e.Architecture)) {
		return &PlanError{Region: r.name, Problem: fmt.Sprintf("%s is %v, not %s", e.InstanceType, p.SupportedArchitectures, e.Architecture), Fix: "set ec2.architecture in the spec"}
	}
	if len(e.Volumes) > 0 {
		return nil
	}
	disks := localDisks(info)
	switch {
	case disks == 0:
		return &PlanError{Region: r.name, Problem: e.InstanceType + " has no disks of its own", Fix: "set ec2.volumes in the spec, or another ec2.instance_type"}
	case info.InstanceStorageInfo.NvmeSupport == types.EphemeralNvmeSupportUnsupported:
		// They would have to be asked for at launch.
		return &PlanError{Region: r.name, Problem: "the disks of " + e.InstanceType + " are not NVMe, and EC2 attaches no others by itself",
			Fix: "set ec2.volumes in the spec, or another ec2.instance_type"}
	case disks == 1:
		r.Say("%s: %s has one disk: data and commit log share it", r.name, e.InstanceType)
	}
	return nil
}

func localDisks(info types.InstanceTypeInfo) int {
	count := 0
	if info.InstanceStorageInfo != nil {
		for _, d := range info.InstanceStorageInfo.Disks {
			count += int(aws.ToInt32(d.Count))
		}
	}
	return count
}

// findImage chooses the image of a region: the one that the plan names, or the newest
// that matches.
func findImage(ctx context.Context, api imageAPI, params parameterAPI, region string, e *topology.EC2Plan) (cloud.Image, error) {
	bad := func(problem string, err error) (cloud.Image, error) {
		return cloud.Image{}, &PlanError{Region: region, Problem: problem, Err: err, Fix: "set ec2.ami in the spec"}
	}
	in := &ec2.DescribeImagesInput{}
	what := e.Image.IDs[region]
	switch {
	case e.Image.SSM != "":
		out, err := params.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(e.Image.SSM)})
		if err != nil {
			return bad("reading parameter "+e.Image.SSM, err)
		}
		what = aws.ToString(out.Parameter.Value)
		in.ImageIds = []string{what}
	case e.Image.Name != "":
		what = fmt.Sprintf("%s of %s", e.Image.Name, e.Image.Owner)
		in.Owners = []string{e.Image.Owner}
		in.Filters = []types.Filter{cloud.Filter("name", e.Image.Name), cloud.Filter("architecture", e.Architecture), cloud.Filter("state", "available")}
	default:
		in.ImageIds = []string{what}
	}
	out, err := api.DescribeImages(ctx, in)
	if err != nil {
		return bad("looking for image "+what, err)
	}
	if len(out.Images) == 0 {
		return bad("there is no image "+what+" for "+e.Architecture, nil)
	}
	newest := slices.MaxFunc(out.Images, func(a, b types.Image) int {
		return strings.Compare(aws.ToString(a.CreationDate), aws.ToString(b.CreationDate))
	})
	if newest.Architecture != "" && string(newest.Architecture) != e.Architecture {
		return bad(fmt.Sprintf("image %s is for %s, not %s", what, newest.Architecture, e.Architecture), nil)
	}
	return cloud.Image{ID: aws.ToString(newest.ImageId), Name: aws.ToString(newest.Name), RootDevice: aws.ToString(newest.RootDeviceName)}, nil
}
