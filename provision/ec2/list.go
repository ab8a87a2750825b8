package ec2

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go/middleware"

	"crossring/internal/journal"
	"crossring/internal/many"
	"crossring/internal/topology"
	"crossring/provision/ec2/ledger"
)

// Listed is a cluster as its tags describe it.
type Listed struct {
	Name    string    `json:"name"`
	Run     string    `json:"run"`
	Owner   string    `json:"owner"`
	Expires time.Time `json:"expires_at"` // zero if the tag can't be read
	Since   time.Time `json:"since"`      // launch of the oldest instance; zero if there is none
	Regions []string  `json:"regions"`
	Nodes   int       `json:"nodes"` // instances that are not terminated
	Things  []Thing   `json:"things"`
	// At is the time of EC2's answer by its own clock, zero where it did not say; Skew is
	// how far this computer's was ahead of it.
	At   time.Time     `json:"-"`
	Skew time.Duration `json:"-"`
}

// skewMost is how far two clocks may be apart that both are taken for right.
const skewMost = 5 * time.Minute

// SkewError says that this computer's clock and that of AWS disagree: by one of them
// things are removed that by the other have not expired.
type SkewError struct {
	Skew  time.Duration // this computer's is ahead; 0 with Known false
	Known bool
}

func (e *SkewError) Error() string {
	if !e.Known {
		return "EC2 does not say what time it is: nothing is removed by this computer's clock alone"
	}
	return fmt.Sprintf("the clock of this computer is %s off that of AWS: nothing is removed", e.Skew.Round(time.Second))
}

// Hint is the command that sets it right.
func (e *SkewError) Hint() string {
	return "sudo chronyc makestep   # with chrony; timedatectl shows the clock"
}

// Due says whether a cluster's time is over, by EC2's own clock. The error is a *SkewError
// where this computer's says something else.
func (l Listed) Due() (bool, error) {
	if l.At.IsZero() || l.Skew.Abs() > skewMost {
		return false, &SkewError{Skew: l.Skew, Known: !l.At.IsZero()}
	}
	return l.Expired(l.At), nil
}

// MarshalJSON has null for times that are not known.
func (l Listed) MarshalJSON() ([]byte, error) {
	type plain Listed
	doc := struct {
		plain
		Expires *time.Time `json:"expires_at"`
		Since   *time.Time `json:"since"`
	}{plain: plain(l)}
	if !l.Expires.IsZero() {
		doc.Expires = &l.Expires
	}
	if !l.Since.IsZero() {
		doc.Since = &l.Since
	}
	return json.Marshal(doc)
}

type regionsAPI interface {
	DescribeRegions(context.Context, *ec2.DescribeRegionsInput, ...func(*ec2.Options)) (*ec2.DescribeRegionsOutput, error)
}

// List lists the clusters that there are, by their tags, in the named regions or, with
// none named, in all that the account has enabled. Groups, addresses and the rest count
// without instances too. The order is by name, then by run.
func (p Provider) List(ctx context.Context, names ...string) ([]Listed, error) {
	p.Pace = p.Pace.WithDefaults()
	cfg, err := connect(ctx, p.Pace)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		if names, err = enabledRegions(ctx, ec2.NewFromConfig(cfg)); err != nil {
			return nil, err
		}
	}
	s := &site{Provider: p}
	found, err := many.Map(ctx, names, atOnce, func(ctx context.Context, name string) (map[string]*Listed, error) {
		return s.region(name, cfg).listed(ctx)
	})
	all := map[string]*Listed{}
	for _, one := range found {
		for run, l := range one {
			if have, ok := all[run]; ok {
				have.merge(l)
			} else {
				all[run] = l
			}
		}
	}
	var list []Listed
	for _, l := range all {
		slices.Sort(l.Regions)
		list = append(list, *l)
	}
	slices.SortFunc(list, func(a, b Listed) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Run, b.Run)) })
	return list, many.Alone(err)
}

func enabledRegions(ctx context.Context, api regionsAPI) ([]string, error) {
	out, err := api.DescribeRegions(ctx, &ec2.DescribeRegionsInput{})
	if err != nil {
		return nil, fmt.Errorf("listing the regions of the account: %w", asWhom(err))
	}
	var names []string
	for _, r := range out.Regions {
		names = append(names, aws.ToString(r.RegionName))
	}
	return names, nil
}

func (l *Listed) merge(other *Listed) {
	l.Regions = append(l.Regions, other.Regions...)
	l.Things = append(l.Things, other.Things...)
	l.Nodes += other.Nodes
	if l.Since.IsZero() || !other.Since.IsZero() && other.Since.Before(l.Since) {
		l.Since = other.Since
	}
	if other.Expires.After(l.Expires) {
		l.Expires = other.Expires
	}
	if other.At.Before(l.At) {
		l.At = other.At // zero is not known
	}
	if other.Skew.Abs() > l.Skew.Abs() {
		l.Skew = other.Skew
	}
}

// listed lists a region's clusters by run.
func (r *region) listed(ctx context.Context) (map[string]*Listed, error) {
	tags, meta, err := r.allTags(ctx)
	if err != nil {
		return nil, err
	}
	at, _ := awsmiddleware.GetServerTime(meta)
	var skew time.Duration
	if got, ok := awsmiddleware.GetResponseAt(meta); ok && !at.IsZero() {
		skew = got.Sub(at)
	}
	runs := map[string]*Listed{}
	for _, t := range tags {
		run := t[TagRun]
		if run == "" {
			continue
		}
		expires, _ := time.Parse(time.RFC3339, t[TagExpires]) // zero says that it can't be read
		if l, seen := runs[run]; seen {
			// The latest counts: something that was made just before an extension may
			// still have the time of before.
			if l != nil && expires.After(l.Expires) {
				l.Expires = expires
			}
			continue
		}
		filters := []types.Filter{filter("tag:"+TagRun, run)}
		things, err := r.scan(ctx, filters)
		if err != nil {
			return nil, err
		}
		if len(things) == 0 {
			runs[run] = nil // the tags of what has ended linger
			continue
		}
		l := &Listed{Name: t[TagCluster], Run: run, Owner: t[TagOwner], Expires: expires, Regions: []string{r.name}, Things: things, At: at, Skew: skew}
		instances, err := r.instances(ctx, filters)
		if err != nil {
			return nil, err
		}
		for _, i := range instances {
			if i.State == nil || i.State.Name == types.InstanceStateNameTerminated {
				continue
			}
			l.Nodes++
			if launched := aws.ToTime(i.LaunchTime); l.Since.IsZero() || launched.Before(l.Since) {
				l.Since = launched
			}
		}
		runs[run] = l
	}
	maps.DeleteFunc(runs, func(_ string, l *Listed) bool { return l == nil })
	return runs, nil
}

// allTags reads the tags of everything that a crossring made in a region, by id, in
// the order of the ids, with what is known of the last answer.
func (r *region) allTags(ctx context.Context) (list []map[string]string, meta middleware.Metadata, err error) {
	byID := map[string]map[string]string{}
	filters := []types.Filter{filter("key", TagCluster, TagRun, TagOwner, TagExpires)}
	for p := ec2.NewDescribeTagsPaginator(r.api, &ec2.DescribeTagsInput{Filters: filters}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		if err != nil {
			return nil, meta, fmt.Errorf("reading the tags of %s: %w", r.name, err)
		}
		meta = out.ResultMetadata
		for _, t := range out.Tags {
			id := aws.ToString(t.ResourceId)
			if byID[id] == nil {
				byID[id] = map[string]string{}
			}
			byID[id][aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		list = append(list, byID[id])
	}
	return list, meta, nil
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
		things, err := r.scan(ctx, r.mine())
		if err != nil || len(things) == 0 {
			return err
		}
		var ids []string
		for _, t := range things {
			ids = append(ids, t.ID)
		}
		_, err = r.clerk.Change(ctx, ledger.Mutation{Action: "CreateTags", Part: r.part("expires"), Intent: map[string]any{"until": until, "ids": ids},
			Call: func(ctx context.Context) (string, error) {
				_, err := r.api.CreateTags(ctx, &ec2.CreateTagsInput{Resources: ids, Tags: tagList(map[string]string{TagExpires: until.Format(time.RFC3339)})}, once)
				return r.name, err
			}})
		return err
	})
	if err != nil || inv.EC2 == nil {
		return err
	}
	inv.EC2.ExpiresAt = until
	return journal.WriteInventory(filepath.Join(s.dir, inventoryFile), inv)
}

// Expired says that the cluster's time to live is over. Where its tag can't be read, it
// is not.
func (l Listed) Expired(now time.Time) bool { return !l.Expires.IsZero() && l.Expires.Before(now) }

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
