package ec2

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	clusters "crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/ledger"
	"crossring/provision/ec2/sweep"
)

// Listed is a cluster as its tags describe it.
type Listed = sweep.Listed

type regionsAPI interface {
	DescribeRegions(context.Context, *ec2.DescribeRegionsInput, ...func(*ec2.Options)) (*ec2.DescribeRegionsOutput, error)
}

// List lists the clusters that there are, by their tags, in the named regions or, with
// none named, in all that the account has enabled. Groups, addresses and the rest count
// without instances too. The order is by name, then by run.
func (p Provider) List(ctx context.Context, names ...string) ([]Listed, error) {
	p.Pace = p.Pace.WithDefaults()
	cfg, err := cloud.Connect(ctx, p.Pace.MaxPoll)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		if names, err = enabledRegions(ctx, ec2.NewFromConfig(cfg)); err != nil {
			return nil, err
		}
	}
	s := &site{Provider: p}
	return sweep.List(ctx, names, func(name string) sweep.Register { return s.region(name, cfg).cloud })
}

func enabledRegions(ctx context.Context, api regionsAPI) ([]string, error) {
	out, err := api.DescribeRegions(ctx, &ec2.DescribeRegionsInput{})
	if err != nil {
		return nil, fmt.Errorf("listing the regions of the account: %w", cloud.AsWhom(err))
	}
	var names []string
	for _, r := range out.Regions {
		names = append(names, aws.ToString(r.RegionName))
	}
	return names, nil
}

// Extend sets the end of a cluster's time to live, in the tags of all that it has.
func (p Provider) Extend(ctx context.Context, inv topology.Inventory, until time.Time) (err error) {
	until = until.UTC().Truncate(time.Second)
	st, err := p.readState(inv.Plan.Name)
	if err != nil {
		return err
	}
	s, err := p.open(ctx, st, regionNames(st.Plan.Nodes))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	// In the state first: whatever is tagged from now on has the new time.
	s.st.Expires = until
	if err := s.save(); err != nil {
		return err
	}
	err = side(ctx, s.regions, func(ctx context.Context, r *region) error {
		things, err := r.cloud.Scan(ctx, r.cloud.Mine())
		if err != nil || len(things) == 0 {
			return err
		}
		var ids []string
		for _, t := range things {
			ids = append(ids, t.ID)
		}
		_, err = r.clerk.Change(ctx, ledger.Mutation{Action: "CreateTags", Part: r.part("expires"), Intent: map[string]any{"until": until, "ids": ids},
			Call: func(ctx context.Context) (string, error) {
				_, err := r.api.CreateTags(ctx, &ec2.CreateTagsInput{Resources: ids, Tags: cloud.TagList(map[string]string{TagExpires: until.Format(time.RFC3339)})}, cloud.Once)
				return r.name, err
			}})
		return err
	})
	if err != nil || inv.EC2 == nil {
		return err
	}
	inv.EC2.ExpiresAt = until
	return clusters.WriteInventory(s.dir, inv)
}

// Remove removes a cluster that was listed: with its journal if this state directory
// has it, else by its tags alone.
func (p Provider) Remove(ctx context.Context, l Listed) error {
	if st, err := p.readState(l.Name); err == nil && st.Run == l.Run {
		return p.Unmake(ctx, p.inventoryOf(st))
	}
	p.StateDir = filepath.Join(p.StateDir, "foreign", l.Run)
	inv := topology.Inventory{Plan: topology.Plan{Name: l.Name, Provider: "ec2", EC2: &topology.EC2Plan{}}, EC2: &topology.EC2{Run: l.Run}}
	for _, region := range l.Regions {
		inv.Plan.Nodes = append(inv.Plan.Nodes, topology.Node{Region: region})
	}
	if err := p.Unmake(ctx, inv); err != nil {
		return err
	}
	if err := os.RemoveAll(p.StateDir); err != nil {
		return fmt.Errorf("remove the journal of %s: %w", l.Name, err)
	}
	return nil
}
