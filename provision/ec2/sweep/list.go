package sweep

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"crossring/internal/many"
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

// Expired says that the cluster's time to live is over. Where its tag can't be read, it
// is not.
func (l Listed) Expired(now time.Time) bool { return !l.Expires.IsZero() && l.Expires.Before(now) }

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

// Tagged is what the tags of a region say, and when.
type Tagged struct {
	// Tags are those of each thing that a crossring made, also of some that are gone.
	Tags []map[string]string
	At   time.Time     // by EC2's own clock, zero where it did not say
	Skew time.Duration // how far this computer's was ahead of it
}

// Register is what a region has by tags.
type Register interface {
	Tags(ctx context.Context) (Tagged, error)
	// Things lists what there is of one run.
	Things(ctx context.Context, run string) ([]Thing, error)
	// Launches are when the instances of one run that are not terminated were launched.
	Launches(ctx context.Context, run string) ([]time.Time, error)
}

// List lists the clusters of some regions, by name and then by run. Groups, addresses and
// the rest count without instances too. What other regions have is told even if one
// can't be asked.
func List(ctx context.Context, names []string, region func(name string) Register) ([]Listed, error) {
	found, err := many.Map(ctx, names, atOnce, func(ctx context.Context, name string) (map[string]*Listed, error) {
		return listed(ctx, name, region(name))
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
func listed(ctx context.Context, name string, region Register) (map[string]*Listed, error) {
	tagged, err := region.Tags(ctx)
	if err != nil {
		return nil, err
	}
	runs := map[string]*Listed{}
	for _, t := range tagged.Tags {
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
		things, err := region.Things(ctx, run)
		if err != nil {
			return nil, err
		}
		if len(things) == 0 {
			runs[run] = nil // the tags of what has ended linger
			continue
		}
		l := &Listed{Name: t[TagCluster], Run: run, Owner: t[TagOwner], Expires: expires, Regions: []string{name}, Things: things, At: tagged.At, Skew: tagged.Skew}
		launches, err := region.Launches(ctx, run)
		if err != nil {
			return nil, err
		}
		l.Nodes = len(launches)
		for _, launched := range launches {
			if l.Since.IsZero() || launched.Before(l.Since) {
				l.Since = launched
			}
		}
		runs[run] = l
	}
	maps.DeleteFunc(runs, func(_ string, l *Listed) bool { return l == nil })
	return runs, nil
}
