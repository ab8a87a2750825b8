package local

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"crossring/internal/fail"
	"crossring/internal/topology"
	"crossring/provision/local/procs"
)

// brokenNodes are the faults of servers in force, as the keeper says and as the next one reads.
func brokenNodes(t *testing.T, p Provider, inv topology.Inventory) []string {
	t.Helper()
	st, err := p.Status(t.Context(), inv)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, f := range st.Faults {
		names = append(names, f.String())
	}
	onDisk, err := p.Faults(inv.Plan.Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range onDisk {
		if f.Until == nil && !slices.Contains(names, f.String()) {
			t.Errorf("on disk %s is in force, and the keeper says %v", f, names)
		}
	}
	return names
}

func TestNodeFaults(t *testing.T) {
	p, inv := made(t, t.TempDir())
	one, two := inv.Nodes[0].Name, inv.Nodes[1].Name
	refused := func(kind, node, why string) {
		t.Helper()
		err := p.FaultNode(t.Context(), inv, kind, node)
		if err == nil || !strings.Contains(err.Error(), node+" "+why) {
			t.Errorf("%s of %s: %v, want %q", kind, node, err, why)
		}
		if fail.CodeOf(err) != fail.ExitUsage {
			t.Errorf("%s of %s is no wrong command line: %v", kind, node, err)
		}
	}
	do := func(kind, node string) {
		t.Helper()
		if err := p.FaultNode(t.Context(), inv, kind, node); err != nil {
			t.Fatal(err)
		}
	}
	inForce := func(want ...string) {
		t.Helper()
		if got := brokenNodes(t, p, inv); strings.Join(got, ", ") != strings.Join(want, ", ") {
			t.Errorf("in force: %q, want %q", got, want)
		}
	}
	for _, kind := range topology.NodeFaultKinds() {
		refused(kind.Name, one, "does not run")
		refused(kind.Name, "nobody", "does not run")
	}
	start(t, inv, 0, "idle")
	start(t, inv, 1, "idle")
	refused(topology.ResumeNode, one, "is not paused")

	do(topology.FaultPause, one)
	inForce("pause " + one)
	if s := processOf(t, inv, 0); !s.Running || !s.Paused {
		t.Errorf("paused: %+v", s)
	}
	standing, err := procs.Read(processOf(t, inv, 0).PID)
	if err != nil || !procs.Paused(standing) {
		t.Fatalf("paused: %+v, %v", standing, err)
	}
	refused(topology.FaultPause, one, "is paused already")
	refused(topology.FaultKill, one, "is paused already")
	do(topology.FaultKill, two)
	inForce("pause "+one, "kill "+two)
	if s := processOf(t, inv, 1); s.Running || s.Ended != "signal: killed" {
		t.Errorf("killed: %+v", s)
	}
	refused(topology.FaultKill, two, "does not run")

	// The next keeper finds them in force.
	st, err := p.Status(t.Context(), inv)
	if err != nil {
		t.Fatal(err)
	}
	kill(t, st.PID)
	if _, err := p.Make(t.Context(), planOf("made", 1, 1)); err != nil {
		t.Fatal(err)
	}
	inForce("pause "+one, "kill "+two)
	do(topology.ResumeNode, one)
	start(t, inv, 1, "idle")
	inForce()
	if procs.Paused(standing) {
		t.Error("resumed, and stands still")
	}

	// A start, a stop and somebody else's signal end a pause, too.
	do(topology.FaultPause, one)
	start(t, inv, 0, "idle")
	inForce()
	if s := processOf(t, inv, 0); s.PID != standing.PID || procs.Paused(standing) {
		t.Errorf("started while paused: %+v", s)
	}
	do(topology.FaultPause, one)
	if err := procs.Pause(t.Context(), standing, false); err != nil {
		t.Fatal(err)
	}
	inForce()
	do(topology.FaultPause, one)
	h := Host{Inventory: inv, Node: inv.Nodes[0]}
	if err := h.Stop(t.Context(), patience); err != nil {
		t.Fatal(err)
	}
	if s := processOf(t, inv, 0); s.Running || s.Ended == "signal: killed" {
		t.Errorf("a paused server is stopped as another is: %+v", s)
	}
	inForce()

	// Each has its end on record.
	all, err := p.Faults(inv.Plan.Name)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 5 {
		t.Errorf("%d faults on record, want 4 pauses and a kill: %v", len(all), all)
	}
	for _, f := range all {
		if f.Until == nil || f.Until.Before(f.Since) {
			t.Errorf("%s from %s until %v", f, f.Since, f.Until)
		}
	}

	// A server that stands still is no hindrance for removing it, with a keeper or without.
	start(t, inv, 0, "idle")
	do(topology.FaultPause, one)
	do(topology.FaultPause, two)
	left := []int{processOf(t, inv, 0).PID, processOf(t, inv, 1).PID}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Unmake(ctx, inv); err != nil {
		t.Fatal(err)
	}
	for _, pid := range left {
		if proc, err := procs.Read(pid); err == nil {
			t.Errorf("left: %+v", proc)
		}
	}
}
