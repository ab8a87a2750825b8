package ec2

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/ledger"
	"crossring/provision/ec2/rules"
)

// open adds the rules that are missing. What is there already, in whichever group, is
// not asked for again: one rule twice makes EC2 refuse the whole call. A rule goes where
// there is room, so that those that stand stay where they are.
func (f *firewall) open(ctx context.Context, groups []string, public map[string]string) error {
	want, err := rules.Wanted(f.name, f.st.Plan, public)
	if err != nil {
		return err
	}
	have := make([][]types.IpPermission, len(groups))
	for g, id := range groups {
		if have[g], err = f.permissions(ctx, id); err != nil {
			return err
		}
	}
	for g, add := range rules.Assign(want, have, groups[0]) {
		if err := f.openGroup(ctx, g, groups[g], groups[0], add); err != nil {
			return err
		}
	}
	return nil
}

func (f *firewall) openGroup(ctx context.Context, g int, id, source string, want []rules.Opening) error {
	if len(want) == 0 {
		return nil
	}
	_, err := f.clerk.Change(ctx, ledger.Mutation{Action: "AuthorizeSecurityGroupIngress", Part: f.groupPart(g),
		Call: func(ctx context.Context) (string, error) {
			have, err := f.permissions(ctx, id)
			if err != nil {
				return "", err
			}
			var add []types.IpPermission
			for _, o := range want {
				if !rules.Opened(have, o, source) {
					add = append(add, rules.Permission(o, source))
				}
			}
			if len(add) == 0 {
				return id, nil
			}
			_, err = f.api.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: add}, cloud.Once)
			return id, err
		}, Done: map[string]bool{"InvalidPermission.Duplicate": true}})
	return err
}

// close takes away the rules that let a node in which leaves, by its public address:
// that will be somebody else's. So go rules for nodes that stay, by name in stay, which
// the plan has no more: that of a node's own address, when it is the last of its region.
func (f *firewall) shut(ctx context.Context, leaves string, stay map[string]string) error {
	for g, id := range f.groupIDs() {
		entries := func(ctx context.Context) ([]types.IpPermission, error) {
			have, err := f.permissions(ctx, id)
			return rules.Unwanted(f.name, f.st.Plan, have, leaves, stay), err
		}
		some, err := entries(ctx)
		if err != nil {
			return err
		}
		if len(some) == 0 {
			continue
		}
		_, err = f.clerk.Change(ctx, ledger.Mutation{Action: "RevokeSecurityGroupIngress", Part: f.groupPart(g), Intent: leaves,
			Call: func(ctx context.Context) (string, error) {
				some, err := entries(ctx)
				if err != nil || len(some) == 0 {
					return id, err
				}
				_, err = f.api.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &id, IpPermissions: some}, cloud.Once)
				return id, err
			}, Done: map[string]bool{"InvalidPermission.NotFound": true}})
		if err != nil {
			return err
		}
	}
	return nil
}

// permissions reads the inbound rules of a group, once EC2 shows it.
func (f *firewall) permissions(ctx context.Context, id string) ([]types.IpPermission, error) {
	var have []types.IpPermission
	found, err := f.clerk.Look(ctx, func(ctx context.Context) (string, error) {
		groups, err := f.cloud.Groups(ctx, []types.Filter{cloud.Filter("group-id", id)})
		if err != nil || len(groups) == 0 {
			return "", err
		}
		have = groups[0].IpPermissions
		return id, nil
	})
	if err == nil && found == "" {
		err = &GoneError{Cluster: f.st.Plan.Name, Node: f.name, What: "security group " + id}
	}
	return have, err
}
