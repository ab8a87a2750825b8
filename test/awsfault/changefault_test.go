package awsfault

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"crossring/internal/topology"
	"crossring/test/harness"
)

// change is one of the verbs that a running cluster's hosts are changed by.
type change struct {
	verb string
	plan topology.Plan
	to   int // nodes afterwards
}

// After any failure of any call of a change, the same change once more ends with
// exactly what was asked for: counted at moto, behind the proxy.
func TestFaultsOfAChange(t *testing.T) {
	const some = 8
	b := newBench(t, twoRegions)
	ctx := context.Background()
	changes := []change{{"resize", grown(b.plan), 3}, {"renew us-east-1-2", grown(b.plan), 3}, {"resize", b.plan, 2}}
	begin := func() {
		b.proxy.Arm(nil)
		if _, err := b.provider.Make(ctx, b.plan); err != nil {
			t.Fatal(err)
		}
	}
	begin()
	type faulty struct {
		change int
		fault  Fault
	}
	var all []faulty
	for i, c := range changes {
		b.proxy.Arm(nil)
		if _, err := b.do(ctx, c); err != nil {
			t.Fatal(err)
		}
		for _, p := range points(map[string][]Call{"make": b.proxy.Calls()}) {
			// Calls that only read can fail as they do in TestFaults: of these, the first of
			// each kind, in the change that makes and removes.
			first := p.fault.Nth == 1 && i == 1 && (p.fault.Kind == ErrorBefore || p.fault.Kind == KillBefore)
			if mutating(p.fault.Action) || first {
				all = append(all, faulty{i, p.fault})
			}
		}
	}
	chosen := all
	if !harness.Long() {
		name := harness.Commit()
		chosen = harness.Some(chosen, some, name)
		t.Logf("%d of %d fault points, chosen by commit %s; CROSSRING_LONG=1 takes all", len(chosen), len(all), name)
	}
	ran, reached, began := 0, 0, time.Now()
	for i, p := range chosen {
		if i%forget == forget-1 {
			b.down(t)
			b.forget(t)
			begin()
		}
		ok := t.Run(fmt.Sprintf("%s to %d: %s", changes[p.change].verb, changes[p.change].to, p.fault), func(t *testing.T) {
			ran++
			for k, c := range changes {
				var f *Fault
				if k == p.change {
					f = &p.fault
				}
				if b.changes(ctx, t, c, f) {
					reached++
				}
			}
		})
		if !ok {
			b.sweep(t)
			begin()
		}
	}
	t.Logf("%d fault points of a change, %d reached, in %s", ran, reached, time.Since(began).Round(time.Second))
	if reached*10 < ran*9 {
		t.Errorf("only %d of %d fault points were reached", reached, ran)
	}
	b.down(t)
}

// do does a change.
func (b *bench) do(ctx context.Context, c change) (topology.Inventory, error) {
	name, renews := strings.CutPrefix(c.verb, "renew ")
	if !renews {
		return b.provider.Resize(ctx, c.plan)
	}
	inv, err := b.provider.Inventory(c.plan.Name)
	if err != nil {
		return inv, err
	}
	old, err := inv.Node(name)
	if err != nil {
		return inv, err
	}
	return b.provider.Resize(ctx, c.plan, old)
}

// changes does a change, with a failure if there is one, and then once more; and tells
// whether the failure came about.
func (b *bench) changes(ctx context.Context, t *testing.T, c change, f *Fault) (reached bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	before, err := b.provider.Inventory(c.plan.Name)
	if err != nil {
		t.Fatal(err)
	}
	var old []topology.Node
	if name, renews := strings.CutPrefix(c.verb, "renew "); renews {
		n, err := before.Node(name)
		if err != nil {
			t.Fatal(err)
		}
		old = append(old, n)
	}
	b.proxy.Arm(f)
	if f != nil && (f.Kind == KillBefore || f.Kind == KillAfter) {
		keep := b.plan
		b.plan = c.plan
		b.inChild(t, c.verb)
		b.plan = keep
	} else if _, err := b.provider.Resize(ctx, c.plan, old...); err != nil {
		t.Logf("%s: %v", c.verb, err)
		if f == nil {
			t.Fatal("without a failure")
		}
	}
	reached = b.proxy.Reached()
	launches := 0
	for _, call := range b.proxy.Calls() {
		if call.Action == "RunInstances" && call.Status == 200 {
			launches++
		}
	}
	b.proxy.Arm(nil)
	inv, err := b.provider.Resize(ctx, c.plan, old...)
	if err != nil {
		t.Errorf("%s again: %v", c.verb, err)
		return reached
	}
	// Nothing that was made is thrown away: it is adopted.
	for _, call := range b.proxy.Mutations() {
		if launches > 0 && c.to == 3 && (call.Action == "TerminateInstances" || call.Action == "ReleaseAddress") && f != nil && f.Action != call.Action {
			t.Errorf("the second attempt called %s", call)
		}
	}
	if len(inv.Nodes) != c.to {
		t.Errorf("%d nodes, want %d", len(inv.Nodes), c.to)
	}
	for _, n := range old {
		if now, err := inv.Node(n.Name); err != nil || now.PublicAddress == n.PublicAddress {
			t.Errorf("not renewed: %+v, %v", now, err)
		}
	}
	b.isWhole(t, inv)
	if !t.Failed() {
		b.still(t, c.verb, func() (topology.Inventory, error) { return b.provider.Resize(ctx, c.plan, old...) })
	}
	return reached
}

// down takes the cluster down.
func (b *bench) down(t *testing.T) {
	t.Helper()
	b.proxy.Arm(nil)
	inv, err := b.provider.Inventory(b.plan.Name)
	if err == nil {
		err = b.provider.Unmake(context.Background(), inv)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.none(t)
}
