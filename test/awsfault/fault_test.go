package awsfault

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"crossring/test/harness"
)

// point is one failure of one verb.
type point struct {
	verb  string // make or unmake
	fault Fault
}

func (p point) String() string { return p.verb + ": " + p.fault.String() }

// slice is how many points make test takes.
const slice = 24

// forget is after how many points moto starts over. Until then what a point left would
// still be there to be counted.
const forget = 20

// forget starts moto over.
func (b *bench) forget(t *testing.T) {
	t.Helper()
	b.none(t)
	if err := lab.moto.Reset(context.Background()); err != nil {
		t.Fatal(err)
	}
	b.before = b.stock(t)
}

// points lists every failure that every call of a clean make and unmake can have. Of
// calls that only read, the first three of a kind in a region stand for the others:
// how often a wait looks is a matter of time.
func points(calls map[string][]Call) []point {
	var list []point
	for _, verb := range []string{"make", "unmake"} {
		for _, c := range calls[verb] {
			if !c.Mutating() && c.Nth > 3 {
				continue
			}
			for _, kind := range Kinds() {
				if kind.Applies(c.Action) {
					list = append(list, point{verb, Fault{Region: c.Region, Action: c.Action, Nth: c.Nth, Kind: kind}})
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b point) int { return strings.Compare(a.String(), b.String()) })
	return list
}

// After any failure of any call, in make or in unmake, the next make ends with exactly
// what was asked for, and unmake with nothing: counted at moto, behind the proxy.
func TestFaults(t *testing.T) {
	faults(t, twoRegions, slice, func(Call) bool { return true })
}

// The same with a VPC of the cluster's own and addresses that EC2 gives, for the calls
// that change something: the others are those of TestFaults.
func TestFaultsOwnVPC(t *testing.T) {
	faults(t, twoRegions+"  vpc: own\n  public_ip: ephemeral\n", slice/4, Call.Mutating)
}

func faults(t *testing.T, text string, slice int, which func(Call) bool) {
	b := newBench(t, text)
	calls := b.clean(t)
	for verb := range calls {
		calls[verb] = slices.DeleteFunc(calls[verb], func(c Call) bool { return !which(c) })
	}
	all := points(calls)
	chosen := all
	if !harness.Long() {
		name := harness.Commit()
		chosen = harness.Some(chosen, slice, name)
		t.Logf("%d of %d fault points, chosen by commit %s; CROSSRING_LONG=1 takes all", len(chosen), len(all), name)
	}
	ran, reached, began := 0, 0, time.Now()
	for i, p := range chosen {
		if i%forget == forget-1 {
			b.forget(t)
		}
		ok := t.Run(p.String(), func(t *testing.T) {
			ran++
			if b.survive(t, p) {
				reached++
			} else {
				t.Logf("not reached: the call was not made this time")
			}
		})
		if !ok {
			b.sweep(t)
		}
	}
	t.Logf("%d fault points, %d reached, in %s", ran, reached, time.Since(began).Round(time.Second))
	if reached*10 < ran*9 {
		t.Errorf("only %d of %d fault points were reached", reached, ran)
	}
}

// clean records the calls of a make and an unmake without a failure.
func (b *bench) clean(t *testing.T) map[string][]Call {
	t.Helper()
	calls := map[string][]Call{}
	b.proxy.Arm(nil)
	inv, err := b.provider.Make(context.Background(), b.plan)
	if err != nil {
		t.Fatal(err)
	}
	calls["make"] = b.proxy.Calls()
	b.want = b.made(t)
	b.proxy.Arm(nil)
	if err := b.provider.Unmake(context.Background(), inv); err != nil {
		t.Fatal(err)
	}
	calls["unmake"] = b.proxy.Calls()
	b.none(t)
	// Behind the proxy only the regions of the plan are counted: no other one was asked.
	for _, c := range append(calls["make"], calls["unmake"]...) {
		if !slices.Contains(b.regions, c.Region) {
			t.Errorf("a call to another region: %s", c)
		}
	}
	return calls
}

// survive lets one call fail and repeats the verbs until they are through. It tells
// whether the failure came about.
func (b *bench) survive(t *testing.T, p point) (reached bool) {
	t.Helper()
	kill := p.fault.Kind == KillBefore || p.fault.Kind == KillAfter
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if p.verb == "make" {
		b.proxy.Arm(&p.fault)
	} else {
		b.proxy.Arm(nil)
	}
	if p.verb == "make" && kill {
		b.inChild(t, "make")
	} else if _, err := b.provider.Make(ctx, b.plan); err != nil {
		t.Logf("make: %v", err)
	}
	reached = b.proxy.Reached()
	b.proxy.Arm(nil)
	inv, err := b.provider.Make(ctx, b.plan)
	if err != nil {
		t.Errorf("make again: %v", err)
	}
	if got := b.made(t); !reflect.DeepEqual(got, b.after(p.fault)) {
		t.Errorf("made %v", got)
	}
	if p.verb == "unmake" {
		b.proxy.Arm(&p.fault)
		if kill {
			b.inChild(t, "unmake")
		} else if err := b.provider.Unmake(ctx, inv); err != nil {
			t.Logf("unmake: %v", err)
		}
		reached = b.proxy.Reached()
		b.proxy.Arm(nil)
		if _, err := b.provider.Inventory(b.plan.Name); err != nil {
			b.none(t)
			return reached // it was through
		}
	}
	if err := b.provider.Unmake(ctx, inv); err != nil {
		t.Errorf("unmake: %v", err)
	}
	b.none(t)
	return reached
}

// after is what there should be after a failure: as without it, but for the subnet in
// the zone to which a node had to go, where subnets are the cluster's own.
func (b *bench) after(f Fault) map[string]int {
	want := maps.Clone(b.want)
	if subnets := f.Region + " subnet"; f.Kind == Capacity && want[subnets] > 0 {
		want[subnets]++
	}
	return want
}

// sweep starts over after a point that failed.
func (b *bench) sweep(t *testing.T) {
	t.Helper()
	b.proxy.Arm(nil)
	inv, err := b.provider.Inventory(b.plan.Name)
	if err == nil {
		err = b.provider.Unmake(context.Background(), inv)
	}
	t.Logf("after a failure: %v", err)
	b.provider = provider(t.TempDir(), t.Logf)
	b.before = b.stock(t)
}
