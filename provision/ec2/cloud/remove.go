package cloud

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/provision/ec2/ledger"
	"crossring/provision/ec2/sweep"
)

// Removal is the call that removes a thing.
func (r Region) Removal(t sweep.Thing) ledger.Removal {
	var call func(ctx context.Context) error
	action := ""
	switch t.Type {
	case sweep.Instance:
		action, call = "TerminateInstances", func(ctx context.Context) error {
			_, err := r.API.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{t.ID}}, Once)
			return err
		}
	case sweep.ElasticIP:
		action, call = "ReleaseAddress", func(ctx context.Context) error { return r.release(ctx, t.ID) }
	case sweep.Interface:
		action, call = "DeleteNetworkInterface", func(ctx context.Context) error {
			_, err := r.API.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &t.ID}, Once)
			return err
		}
	case sweep.Volume:
		action, call = "DeleteVolume", func(ctx context.Context) error {
			_, err := r.API.DeleteVolume(ctx, &ec2.DeleteVolumeInput{VolumeId: &t.ID}, Once)
			return err
		}
	case sweep.Group:
		action, call = "DeleteSecurityGroup", func(ctx context.Context) error { return r.deleteGroup(ctx, t.ID) }
	case sweep.KeyPair:
		action, call = "DeleteKeyPair", func(ctx context.Context) error { return r.deleteKey(ctx, t.ID) }
	case sweep.Gateway:
		action, call = "DeleteInternetGateway", func(ctx context.Context) error { return r.deleteGateway(ctx, t.ID) }
	case sweep.Subnet:
		action, call = "DeleteSubnet", func(ctx context.Context) error {
			_, err := r.API.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: &t.ID}, Once)
			return err
		}
	case sweep.Table:
		action, call = "DeleteRouteTable", func(ctx context.Context) error {
			_, err := r.API.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: &t.ID}, Once)
			return err
		}
	case sweep.VPC:
		action, call = "DeleteVpc", func(ctx context.Context) error {
			_, err := r.API.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &t.ID}, Once)
			return err
		}
	}
	return ledger.Removal{Action: action, ID: t.ID, What: t.String(), Call: call, Held: func(c string) bool { return held(t.Type, c) }}
}

// mostValues is how many values a filter takes.
const mostValues = 200

// Living tells those of some instances that have not ended yet, each with its state.
func (r Region) Living(ctx context.Context, ids []string) (living []string, err error) {
	for ids := range slices.Chunk(ids, mostValues) {
		// By a filter: a list with one id that EC2 has forgotten would be refused.
		all, err := r.Instances(ctx, []types.Filter{Filter("instance-id", ids...)})
		if err != nil {
			return living, err
		}
		for _, i := range all {
			if i.State.Name != types.InstanceStateNameTerminated {
				living = append(living, fmt.Sprintf("%s (%s)", aws.ToString(i.InstanceId), i.State.Name))
			}
		}
	}
	return living, nil
}

// release gives an Elastic IP back. The end of its instance has set it free; what is
// not free yet is taken away first.
func (r Region) release(ctx context.Context, id string) error {
	_, err := r.API.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: &id}, Once)
	if Code(err) != "InvalidIPAddress.InUse" {
		return err
	}
	out, readErr := r.API.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: []types.Filter{Filter("allocation-id", id)}})
	if readErr != nil {
		return readErr
	}
	for _, a := range out.Addresses {
		if a.AssociationId != nil {
			if _, err := r.API.DisassociateAddress(ctx, &ec2.DisassociateAddressInput{AssociationId: a.AssociationId}, Once); err != nil && !NotFound(err) {
				return err
			}
		}
	}
	return err // the next try releases it
}

// deleteGroup deletes a security group, without the rules that refer to other groups:
// two that refer to each other could never be deleted.
func (r Region) deleteGroup(ctx context.Context, id string) error {
	groups, err := r.Groups(ctx, []types.Filter{Filter("group-id", id)})
	if err != nil {
		return err
	}
	for _, g := range groups {
		var refers []types.IpPermission
		for _, p := range g.IpPermissions {
			others := slices.DeleteFunc(slices.Clone(p.UserIdGroupPairs), func(u types.UserIdGroupPair) bool { return aws.ToString(u.GroupId) == id })
			if len(others) > 0 {
				refers = append(refers, types.IpPermission{IpProtocol: p.IpProtocol, FromPort: p.FromPort, ToPort: p.ToPort, UserIdGroupPairs: others})
			}
		}
		if len(refers) > 0 {
			if _, err := r.API.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &id, IpPermissions: refers}, Once); err != nil && !NotFound(err) {
				return err
			}
		}
	}
	_, err = r.API.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &id}, Once)
	return err
}

// deleteKey deletes a key pair by its name, which emulators of EC2 know too.
func (r Region) deleteKey(ctx context.Context, id string) error {
	out, err := r.API.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{Filters: r.Mine()})
	if err != nil {
		return err
	}
	in := &ec2.DeleteKeyPairInput{KeyPairId: &id}
	for _, k := range out.KeyPairs {
		if aws.ToString(k.KeyPairId) == id {
			in = &ec2.DeleteKeyPairInput{KeyName: k.KeyName}
		}
	}
	_, err = r.API.DeleteKeyPair(ctx, in, Once)
	return err
}

// deleteGateway takes a gateway off its VPC and deletes it.
func (r Region) deleteGateway(ctx context.Context, id string) error {
	out, err := r.API.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{Filters: []types.Filter{Filter("internet-gateway-id", id)}})
	if err != nil {
		return err
	}
	for _, g := range out.InternetGateways {
		for _, a := range g.Attachments {
			if _, err := r.API.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: &id, VpcId: a.VpcId}, Once); err != nil &&
				Code(err) != "Gateway.NotAttached" && !NotFound(err) {
				return err
			}
		}
	}
	_, err = r.API.DeleteInternetGateway(ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: &id}, Once)
	return err
}
