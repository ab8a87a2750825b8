package sweep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crossring/provision/ec2/ledger"
)

var (
	errGone   = errors.New("not found")
	errHeld   = errors.New("held")
	errForbid = errors.New("forbidden")
	errAsking = errors.New("the service is down")
)

type service struct{}

func (service) Read(err error) ledger.Answer {
	if err == nil {
		return ledger.Answer{}
	}
	return ledger.Answer{Code: err.Error(), NotFound: errors.Is(err, errGone)}
}

func (service) Refusal(err error) error { return err }

// account is a region with things in it.
type account struct {
	mu      sync.Mutex
	things  []Thing
	late    map[string]int    // looks until a thing is seen
	held    map[string]string // that can't go while another is there
	refuse  map[string]error  // to remove a thing
	ends    int               // looks that instances take to end
	seeing  error             // the answer to who asks what there is
	calls   []string
	looks   int
	perhaps func() // is called at each removal
}

func (a *account) Seen(context.Context) ([]Thing, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seeing != nil {
		return nil, a.seeing
	}
	a.looks++
	var seen []Thing
	for _, t := range a.things {
		if a.looks > a.late[t.ID] {
			seen = append(seen, t)
		}
	}
	return seen, nil
}

func (a *account) has(id string) bool { return has(a.things, id) }

func (a *account) Removal(t Thing) ledger.Removal {
	return ledger.Removal{Action: "Delete", ID: t.ID, What: t.String(), Held: func(code string) bool { return code == errHeld.Error() },
		Call: func(context.Context) error {
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.perhaps != nil {
				a.perhaps()
			}
			a.calls = append(a.calls, t.ID)
			switch {
			case a.refuse[t.ID] != nil:
				return a.refuse[t.ID]
			case !a.has(t.ID):
				return errGone
			case a.held[t.ID] != "" && a.has(a.held[t.ID]):
				return errHeld
			}
			// With an instance goes what was made with it.
			a.things = slices.DeleteFunc(a.things, func(o Thing) bool {
				return o.ID == t.ID || t.Type == Instance && o.Part == t.Part && o.Type == Volume
			})
			return nil
		}}
}

func (a *account) Living(_ context.Context, ids []string) ([]string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ends--; a.ends >= 0 {
		return ids, nil
	}
	return nil, nil
}

const region = "us-east-1"

func thing(kind, id string) Thing {
	return Thing{Region: region, Type: kind, ID: id, Part: region + "/" + kind + "/1"}
}

func newClerk(t *testing.T) *ledger.Clerk {
	t.Helper()
	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &ledger.Clerk{Ledger: l, Region: region, Service: service{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Say: t.Logf,
		Pace: ledger.Pace{Poll: time.Millisecond, MaxPoll: time.Millisecond, Looks: 3, Call: time.Minute, Wait: time.Minute}}
}

func ids(things []Thing) string {
	var list []string
	for _, t := range things {
		list = append(list, t.ID)
	}
	return strings.Join(list, " ")
}

// What there is goes, in order, whether tags tell of it or the ledger, at once or late.
func TestClear(t *testing.T) {
	all := []Thing{thing(VPC, "vpc-1"), thing(Subnet, "subnet-1"), thing(Group, "sg-1"), {Region: region, Type: Volume, ID: "vol-1", Part: thing(Instance, "").Part}, thing(ElasticIP, "eip-1"), thing(Instance, "i-1")}
	for name, c := range map[string]struct {
		account *account
		ledger  func(c *ledger.Clerk) error
		calls   string // in order
		left    string
		bad     error
	}{
		"nothing":               {account: &account{}},
		"what tags tell":        {account: &account{things: all}, calls: "i-1 eip-1 sg-1 subnet-1 vpc-1"},
		"a volume of its own":   {account: &account{things: []Thing{thing(Volume, "vol-9")}}, calls: "vol-9"},
		"a volume that is left": {account: &account{things: []Thing{thing(Instance, "i-1"), {Region: region, Type: Volume, ID: "vol-9", Part: "another"}}}, calls: "i-1 vol-9"},
		"seen by the last look": {account: &account{things: []Thing{thing(Group, "sg-1")}, late: map[string]int{"sg-1": 2}}, calls: "sg-1"},
		"instances take time":   {account: &account{things: all, ends: 3}, calls: "i-1 eip-1 sg-1 subnet-1 vpc-1"},
		"held for a while":      {account: &account{things: []Thing{thing(Group, "sg-1"), {Region: region, Type: Group, ID: "sg-2"}}, held: map[string]string{"sg-1": "sg-2"}}, calls: "…"},
		"pending in the ledger": {account: &account{things: []Thing{thing(ElasticIP, "eip-1")}, late: map[string]int{"eip-1": 3}},
			ledger: func(c *ledger.Clerk) error {
				return c.Ledger.Announce("AllocateAddress", thing(ElasticIP, "").Part, nil)
			}, calls: "eip-1"},
		"known to the ledger alone": {account: &account{},
			ledger: func(c *ledger.Clerk) error {
				return errors.Join(c.Ledger.Announce("CreateVpc", region+"/vpc", nil), c.Ledger.Settle("CreateVpc", region+"/vpc", ledger.Outcome{ID: "vpc-1"}, nil))
			}, calls: "vpc-1"},
		"another region's": {account: &account{},
			ledger: func(c *ledger.Clerk) error {
				return errors.Join(c.Ledger.Announce("CreateVpc", "us-east-10/vpc", nil), c.Ledger.Settle("CreateVpc", "us-east-10/vpc", ledger.Outcome{ID: "vpc-1"}, nil))
			}},
		"removed before": {account: &account{},
			ledger: func(c *ledger.Clerk) error {
				return errors.Join(c.Ledger.Announce("CreateVpc", region+"/vpc", nil), c.Ledger.Settle("CreateVpc", region+"/vpc", ledger.Outcome{ID: "vpc-1"}, nil),
					c.Erase(context.Background(), ledger.Removal{ID: "vpc-1", Call: func(context.Context) error { return nil }}))
			}},
		"refused":              {account: &account{things: []Thing{thing(Group, "sg-1"), thing(VPC, "vpc-1")}, refuse: map[string]error{"sg-1": errForbid}}, calls: "sg-1 vpc-1", left: "sg-1"},
		"an instance stays":    {account: &account{things: all, refuse: map[string]error{"i-1": errForbid}}, calls: "i-1", left: "i-1 eip-1 vol-1 sg-1 subnet-1 vpc-1", bad: errForbid},
		"nobody can be asked":  {account: &account{things: all, seeing: errAsking}, bad: errAsking},
		"only a part is asked": {account: &account{things: []Thing{thing(Group, "sg-1"), {Region: region, Type: Group, ID: "sg-2", Part: "stays"}}}, calls: "sg-1"},
	} {
		t.Run(name, func(t *testing.T) {
			clerk := newClerk(t)
			if c.ledger != nil {
				if err := c.ledger(clerk); err != nil {
					t.Fatal(err)
				}
			}
			a := c.account
			a.things = slices.Clone(a.things)
			left, err := Region{Clerk: clerk, Cloud: a}.Clear(t.Context(), func(part string) bool { return part != "stays" })
			if ids(left) != c.left || !errors.Is(err, c.bad) || (err == nil) != (c.bad == nil) {
				t.Errorf("left %q, %v", ids(left), err)
			}
			if got := strings.Join(a.calls, " "); got != c.calls && c.calls != "…" {
				t.Errorf("removed %q, not %q", got, c.calls)
			}
			if a.ends > 0 && c.bad == nil {
				t.Error("nobody waited for the instances to end")
			}
			for _, o := range a.things {
				if o.Part != "stays" && c.left == "" && c.bad == nil {
					t.Errorf("%s is still there", o)
				}
			}
		})
	}
}

// An interruption ends it after what is under way, and what stays is told all the same.
func TestClearInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	a := &account{things: []Thing{thing(Instance, "i-1"), thing(Group, "sg-1"), thing(VPC, "vpc-1")}, perhaps: func() { cancel(why) }}
	left, err := Region{Clerk: newClerk(t), Cloud: a}.Clear(ctx, Everything)
	if !errors.Is(err, why) || ids(left) != "sg-1 vpc-1" || strings.Join(a.calls, " ") != "i-1" {
		t.Errorf("removed %q, left %q, %v", a.calls, ids(left), err)
	}
}

// register is what the tags of a region say.
type register struct {
	tagged   Tagged
	things   map[string][]Thing
	launches map[string][]time.Time
	err      error
}

func (r register) Tags(context.Context) (Tagged, error) { return r.tagged, r.err }
func (r register) Things(_ context.Context, run string) ([]Thing, error) {
	return r.things[run], nil
}
func (r register) Launches(_ context.Context, run string) ([]time.Time, error) {
	return r.launches[run], nil
}

// Clusters are told by their tags over all regions, with the oldest instance, the latest
// end, and the clock that is furthest off; what has only tags left is none.
func TestList(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	tags := func(name, run, expires string) map[string]string {
		return map[string]string{TagCluster: name, TagRun: run, TagOwner: "me", TagExpires: expires}
	}
	regions := map[string]register{
		"us-east-1": {tagged: Tagged{At: now, Skew: time.Second, Tags: []map[string]string{
			tags("b", "run-b", "2026-11-30T13:00:00Z"), tags("b", "run-b", "2026-11-30T15:00:00Z"), tags("gone", "run-gone", ""), {TagCluster: "no run"}}},
			things:   map[string][]Thing{"run-b": {thing(Instance, "i-1"), thing(Group, "sg-1")}},
			launches: map[string][]time.Time{"run-b": {now.Add(-time.Hour), now.Add(-2 * time.Hour)}}},
		"us-west-2": {tagged: Tagged{At: now.Add(-time.Second), Skew: -time.Minute, Tags: []map[string]string{
			tags("b", "run-b", "2026-11-30T14:00:00Z"), tags("a", "run-a", "soon")}},
			things:   map[string][]Thing{"run-b": {thing(Group, "sg-2")}, "run-a": {thing(Group, "sg-3")}},
			launches: map[string][]time.Time{"run-b": {now.Add(-90 * time.Minute)}}},
		"eu-west-1": {err: errAsking},
	}
	list, err := List(t.Context(), []string{"us-west-2", "eu-west-1", "us-east-1"}, func(name string) Register { return regions[name] })
	if !errors.Is(err, errAsking) {
		t.Errorf("of the region that can't be asked: %v", err)
	}
	var got []string
	for _, l := range list {
		got = append(got, fmt.Sprintf("%s %s %s: %d nodes since %s until %s in %s, %s, at %s, off %s", l.Name, l.Run, l.Owner, l.Nodes,
			l.Since.Format(time.TimeOnly), l.Expires.Format(time.TimeOnly), strings.Join(l.Regions, "+"), ids(l.Things), l.At.Format(time.TimeOnly), l.Skew))
	}
	want := []string{
		"a run-a me: 0 nodes since 00:00:00 until 00:00:00 in us-west-2, sg-3, at 11:59:59, off -1m0s",
		"b run-b me: 3 nodes since 10:00:00 until 15:00:00 in us-east-1+us-west-2, sg-2 i-1 sg-1, at 11:59:59, off -1m0s",
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
