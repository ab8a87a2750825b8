package cloud

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/internal/topology"
)

// Image is what instances are launched from.
type Image struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	RootDevice string `json:"root_device"`
}

// Launch is everything that one RunInstances says. It is in the journal with the
// client token, because a token may only be repeated with the same parameters.
type Launch struct {
	Token      string               `json:"token"`
	Node       string               `json:"node"`
	Zone       string               `json:"zone"`
	Type       string               `json:"type"`
	Image      Image                `json:"image"`
	Subnet     string               `json:"subnet"`
	Groups     []string             `json:"groups"`
	Key        string               `json:"key"`
	PublicIP   bool                 `json:"public_ip"`
	HTTPTokens string               `json:"http_tokens"`
	RootGB     int                  `json:"root_gb"`
	Volumes    []topology.EC2Volume `json:"volumes"`
	Tags       map[string]string    `json:"tags"`
}

// Launch launches one instance, and tells its id; in a dry run EC2 says by an error that it
// would.
func (r Region) Launch(ctx context.Context, l Launch, dryRun bool) (string, error) {
	disks := []types.BlockDeviceMapping{{DeviceName: aws.String(l.Image.RootDevice), Ebs: &types.EbsBlockDevice{
		VolumeType: types.VolumeTypeGp3, VolumeSize: aws.Int32(int32(l.RootGB)), DeleteOnTermination: aws.Bool(true)}}}
	for _, v := range l.Volumes {
		ebs := &types.EbsBlockDevice{VolumeType: types.VolumeType(v.Type), VolumeSize: aws.Int32(int32(v.SizeGB)), DeleteOnTermination: aws.Bool(true)}
		if v.IOPS > 0 {
			ebs.Iops = aws.Int32(int32(v.IOPS))
		}
		if v.Throughput > 0 {
			ebs.Throughput = aws.Int32(int32(v.Throughput))
		}
		disks = append(disks, types.BlockDeviceMapping{DeviceName: aws.String(v.Device), Ebs: ebs})
	}
	var tags []types.TagSpecification
	for _, kind := range []types.ResourceType{types.ResourceTypeInstance, types.ResourceTypeVolume, types.ResourceTypeNetworkInterface} {
		tags = append(tags, Specify(kind, TagList(l.Tags))...)
	}
	in := &ec2.RunInstancesInput{
		MinCount: aws.Int32(1), MaxCount: aws.Int32(1), ClientToken: aws.String(l.Token), DryRun: aws.Bool(dryRun),
		ImageId: aws.String(l.Image.ID), InstanceType: types.InstanceType(l.Type),
		Placement:           &types.Placement{AvailabilityZone: aws.String(l.Zone)},
		BlockDeviceMappings: disks, TagSpecifications: tags,
		MetadataOptions: &types.InstanceMetadataOptionsRequest{HttpTokens: types.HttpTokensState(l.HTTPTokens), HttpEndpoint: types.InstanceMetadataEndpointStateEnabled},
		NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{DeviceIndex: aws.Int32(0), SubnetId: aws.String(l.Subnet),
			Groups: l.Groups, AssociatePublicIpAddress: aws.Bool(l.PublicIP), DeleteOnTermination: aws.Bool(true)}},
		InstanceInitiatedShutdownBehavior: types.ShutdownBehaviorStop,
	}
	if l.Key != "" {
		in.KeyName = aws.String(l.Key)
	}
	out, err := r.API.RunInstances(ctx, in, Once)
	if err != nil {
		return "", err
	}
	if len(out.Instances) == 0 {
		return "", errors.New("EC2 answered without an instance")
	}
	return aws.ToString(out.Instances[0].InstanceId), nil
}
