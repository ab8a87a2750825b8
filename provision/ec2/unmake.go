package ec2

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/internal/journal"
	"crossring/internal/many"
	"crossring/internal/topology"
	"crossring/provision/ec2/ledger"
)

// Unmake removes everything of a cluster in every region of its plan: what the journal
// knows and what its tags say, in order, until two scans in a row find nothing. Then
// it removes the cluster's directory. What stays is in a LeftError.
func (p Provider) Unmake(ctx context.Context, inv topology.Inventory) (err error) {
	st, err := p.readState(inv.Plan.Name)
	var damaged *journal.DamagedError
	if (errors.Is(err, fs.ErrNotExist) || errors.As(err, &damaged)) && inv.EC2 != nil {
		st = state{Plan: inv.Plan, Run: inv.EC2.Run}
		err = journal.PrivateDir(p.Dir(inv.Plan.Name))
	}
	if err != nil {
		return err
	}
	s, err := p.open(ctx, st, regionNames(st.Plan.Nodes))
	var corrupt *journal.CorruptError
	if errors.As(err, &corrupt) {
		if err = p.setAside(st.Plan.Name, err); err == nil {
			s, err = p.open(ctx, st, regionNames(st.Plan.Nodes))
		}
	}
	if err != nil {
		return err
	}
	if err := s.checkAccount(ctx); err != nil {
		return errors.Join(err, s.close())
	}
	left, err := many.Map(ctx, s.regions, atOnce, func(ctx context.Context, r *region) ([]Thing, error) { return r.clear(ctx, everything) })
	err = errors.Join(many.Alone(err), s.close())
	if things := slices.Concat(left...); len(things) > 0 || err != nil {
		if len(things) == 0 {
			return err
		}
		return &LeftError{Cluster: st.Plan.Name, Things: things, Err: err}
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove the cluster's directory: %w", err)
	}
	return nil
}

func numbersOf[T any](many []T) []int {
	list := make([]int, len(many))
	for i := range list {
		list[i] = i
	}
	return list
}

// everything is the choice of all parts.
func everything(string) bool { return true }

// clear removes what there is in a region of the parts that are chosen, and tells what
// is left.
func (r *region) clear(ctx context.Context, which func(part string) bool) (left []Thing, err error) {
	things, err := r.all(ctx, which)
	var failed []string
	for err == nil {
		if len(things) > 0 {
			// A round has tried for as long as it is worth: what it could not remove, the
			// next one can't either.
			if !slices.ContainsFunc(things, func(t Thing) bool { return !slices.Contains(failed, t.ID) }) {
				return things, nil
			}
			if failed, err = r.remove(ctx, things); err != nil {
				break
			}
		}
		// A thing that was too new to be seen by the first scan is seen by a later one.
		if things, err = r.seen(ctx, which); err == nil && len(things) == 0 {
			if err = ledger.Pause(ctx, r.Pace.Poll); err != nil {
				break
			}
			if things, err = r.seen(ctx, which); err == nil && len(things) == 0 {
				return nil, nil
			}
		}
	}
	// What it is that stays should be known even if the time is up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.Pace.Call)
	defer cancel()
	seen, scanErr := r.seen(ctx, which)
	if scanErr != nil {
		seen = things
	}
	return seen, errors.Join(err, scanErr)
}

// seen is what tags tell of the parts that are chosen.
func (r *region) seen(ctx context.Context, which func(part string) bool) ([]Thing, error) {
	things, err := r.scan(ctx, r.mine())
	return slices.DeleteFunc(things, func(t Thing) bool { return !which(t.Part) }), err
}

// creations are the calls that make something, and what it is.
var creations = map[string]string{
	"RunInstances": "instance", "AllocateAddress": "elastic-ip", "CreateSecurityGroup": "security-group", "ImportKeyPair": "key-pair",
	"CreateInternetGateway": "internet-gateway", "CreateSubnet": "subnet", "CreateVpc": "vpc",
}

// all lists what the tags say and what the journal knows of the parts that are chosen.
// While a call is pending in the journal, or what it made is not to be seen, it is
// looked for until it is, or was not seen often enough.
func (r *region) all(ctx context.Context, which func(part string) bool) ([]Thing, error) {
	var pending []ledger.Record
	var known []Thing
	for _, rec := range r.mem.Below("", r.name+"/") {
		kind := creations[rec.Action]
		switch {
		case kind == "" || !which(rec.Part):
		case rec.Pending:
			pending = append(pending, rec)
		case rec.Made() && !r.clerk.Removed(rec.ID):
			known = append(known, Thing{Region: r.name, Type: kind, ID: rec.ID, Part: rec.Part})
		}
	}
	var things []Thing
	_, err := r.clerk.Look(ctx, func(ctx context.Context) (id string, err error) {
		if things, err = r.seen(ctx, which); err != nil {
			return "", err
		}
		for _, rec := range pending {
			if !slices.ContainsFunc(things, func(t Thing) bool { return t.Part == rec.Part && t.Type == creations[rec.Action] }) {
				return "", nil
			}
		}
		// What EC2 does not know was made too short a time ago, or is gone: to remove it
		// would be answered alike.
		for _, k := range known {
			if !r.ended(k.ID) && !slices.ContainsFunc(things, func(t Thing) bool { return t.ID == k.ID }) {
				return "", nil
			}
		}
		return "all of it is seen", nil
	})
	for _, k := range known {
		if !slices.ContainsFunc(things, func(t Thing) bool { return t.ID == k.ID }) {
			things = append(things, k)
		}
	}
	slices.SortStableFunc(things, func(a, b Thing) int { return slices.Index(order, a.Type) - slices.Index(order, b.Type) })
	return things, err
}

// remove removes things in order, each kind when the one before is gone. It lists the
// ids of those that could not be removed; an error says that it could not go on.
func (r *region) remove(ctx context.Context, things []Thing) (failed []string, err error) {
	ended := false
	for _, kind := range order {
		if ended && (kind == "network-interface" || kind == "volume") {
			continue // they go with their instances; the next scan finds those that don't
		}
		var some []Thing
		for _, t := range things {
			if t.Type == kind {
				some = append(some, t)
			}
		}
		if len(some) == 0 {
			continue
		}
		errs, _ := many.Map(ctx, some, atOnce, func(ctx context.Context, t Thing) (error, error) { return r.removeOne(ctx, t), nil })
		if kind == "instance" {
			errs = append(errs, r.terminated(ctx, some))
		}
		for i, err := range errs {
			if err != nil {
				if i < len(some) {
					failed = append(failed, some[i].ID)
				}
				r.Log.Warn("not removed", "region", r.name, "error", err)
			}
		}
		if ledger.Interrupted(ctx) != nil {
			return failed, join(errs...)
		}
		if kind == "instance" {
			if ended = true; join(errs...) != nil {
				return failed, join(errs...) // nothing else can go while one runs
			}
		}
	}
	return failed, nil
}

// removeOne removes one thing. That it is gone already is as good.
func (r *region) removeOne(ctx context.Context, t Thing) error {
	var call func(ctx context.Context) error
	action := ""
	switch t.Type {
	case "instance":
		action, call = "TerminateInstances", func(ctx context.Context) error {
			_, err := r.api.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{t.ID}}, once)
			return err
		}
	case "elastic-ip":
		action, call = "ReleaseAddress", func(ctx context.Context) error { return r.release(ctx, t.ID) }
	case "network-interface":
		action, call = "DeleteNetworkInterface", func(ctx context.Context) error {
			_, err := r.api.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &t.ID}, once)
			return err
		}
	case "volume":
		action, call = "DeleteVolume", func(ctx context.Context) error {
			_, err := r.api.DeleteVolume(ctx, &ec2.DeleteVolumeInput{VolumeId: &t.ID}, once)
			return err
		}
	case "security-group":
		action, call = "DeleteSecurityGroup", func(ctx context.Context) error { return r.deleteGroup(ctx, t.ID) }
	case "key-pair":
		action, call = "DeleteKeyPair", func(ctx context.Context) error { return r.deleteKey(ctx, t.ID) }
	case "internet-gateway":
		action, call = "DeleteInternetGateway", func(ctx context.Context) error { return r.deleteGateway(ctx, t.ID) }
	case "subnet":
		action, call = "DeleteSubnet", func(ctx context.Context) error {
			_, err := r.api.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: &t.ID}, once)
			return err
		}
	case "route-table":
		action, call = "DeleteRouteTable", func(ctx context.Context) error {
			_, err := r.api.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: &t.ID}, once)
			return err
		}
	case "vpc":
		action, call = "DeleteVpc", func(ctx context.Context) error {
			_, err := r.api.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &t.ID}, once)
			return err
		}
	}
	r.Log.Info("remove", "call", action, "id", t.ID, "region", r.name)
	return r.clerk.Erase(ctx, ledger.Removal{Action: action, ID: t.ID, What: t.String(), Call: call, Held: func(c string) bool { return held(t, c) }})
}

// mostValues is how many values a filter takes.
const mostValues = 200

func idsOf(things []Thing) []string {
	ids := make([]string, len(things))
	for i, t := range things {
		ids[i] = t.ID
	}
	return ids
}

// terminated waits until instances have ended.
func (r *region) terminated(ctx context.Context, some []Thing) error {
	// Bare metal takes twenty minutes, and what has many disks more than ten.
	const longer = 3
	waiting := []string{"instances"}
	return r.clerk.Await(ctx, longer*r.Pace.Wait, func() string {
		return fmt.Sprintf("instances of %s to be terminated: %s", r.name, strings.Join(waiting, ", "))
	}, func(ctx context.Context) (bool, error) {
		waiting = nil
		for ids := range slices.Chunk(idsOf(some), mostValues) {
			// By a filter: a list with one id that EC2 has forgotten would be refused.
			all, err := r.instances(ctx, []types.Filter{filter("instance-id", ids...)})
			if err != nil {
				return false, err
			}
			for _, i := range all {
				if i.State.Name != types.InstanceStateNameTerminated {
					waiting = append(waiting, fmt.Sprintf("%s (%s)", aws.ToString(i.InstanceId), i.State.Name))
				}
			}
		}
		return len(waiting) == 0, nil
	})
}

// release gives an Elastic IP back. The end of its instance has set it free; what is
// not free yet is taken away first.
func (r *region) release(ctx context.Context, id string) error {
	_, err := r.api.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: &id}, once)
	if code(err) != "InvalidIPAddress.InUse" {
		return err
	}
	out, readErr := r.api.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: []types.Filter{filter("allocation-id", id)}})
	if readErr != nil {
		return readErr
	}
	for _, a := range out.Addresses {
		if a.AssociationId != nil {
			if _, err := r.api.DisassociateAddress(ctx, &ec2.DisassociateAddressInput{AssociationId: a.AssociationId}, once); err != nil && !notFound(err) {
				return err
			}
		}
	}
	return err // the next try releases it
}

// deleteGroup deletes a security group, without the rules that refer to other groups:
// two that refer to each other could never be deleted.
func (r *region) deleteGroup(ctx context.Context, id string) error {
	groups, err := r.groups(ctx, []types.Filter{filter("group-id", id)})
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
			if _, err := r.api.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &id, IpPermissions: refers}, once); err != nil && !notFound(err) {
				return err
			}
		}
	}
	_, err = r.api.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &id}, once)
	return err
}

// deleteKey deletes a key pair by its name, which emulators of EC2 know too.
func (r *region) deleteKey(ctx context.Context, id string) error {
	out, err := r.api.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{Filters: r.mine()})
	if err != nil {
		return err
	}
	in := &ec2.DeleteKeyPairInput{KeyPairId: &id}
	for _, k := range out.KeyPairs {
		if aws.ToString(k.KeyPairId) == id {
			in = &ec2.DeleteKeyPairInput{KeyName: k.KeyName}
		}
	}
	_, err = r.api.DeleteKeyPair(ctx, in, once)
	return err
}

// deleteGateway takes a gateway off its VPC and deletes it.
func (r *region) deleteGateway(ctx context.Context, id string) error {
	out, err := r.api.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{Filters: []types.Filter{filter("internet-gateway-id", id)}})
	if err != nil {
		return err
	}
	for _, g := range out.InternetGateways {
		for _, a := range g.Attachments {
			if _, err := r.api.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: &id, VpcId: a.VpcId}, once); err != nil &&
				code(err) != "Gateway.NotAttached" && !notFound(err) {
				return err
			}
		}
	}
	_, err = r.api.DeleteInternetGateway(ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: &id}, once)
	return err
}
