package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crossring/internal/state"
	"crossring/internal/topology"
)

// succeed kills the keeper and puts another one in its place, and returns what is said.
func succeed(t *testing.T, p Provider, inv topology.Inventory) ([]string, error) {
	t.Helper()
	st, err := p.Status(t.Context(), inv)
	if err != nil {
		t.Fatal(err)
	}
	kill(t, st.PID)
	var said []string
	p.Say = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	_, err = p.Make(t.Context(), inv.Plan)
	return said, err
}

func TestFaultsSurviveTheKeeper(t *testing.T) {
	p, inv := made(t, t.TempDir())
	do := func(f Fault) {
		t.Helper()
		if err := p.Fault(t.Context(), inv, f); err != nil {
			t.Fatal(err)
		}
	}
	network := func() string {
		t.Helper()
		st, err := p.Status(t.Context(), inv)
		if err != nil || len(st.Lines) != 1 {
			t.Fatalf("%+v, %v", st, err)
		}
		var faults []string
		for _, f := range st.Faults {
			faults = append(faults, f.String())
		}
		return fmt.Sprintf("%s %g %v; %s", st.Lines[0].Fault, st.Lines[0].RTTMillis, st.Refused, strings.Join(faults, ", "))
	}
	if got := network(); got != " 10 []; " {
		t.Errorf("without a fault: %s", got)
	}
	do(Fault{Kind: "partition", A: "r2", B: "r1"})
	do(Fault{Kind: "latency", A: "r1", B: "r2", RTT: 200 * time.Millisecond})
	do(Fault{Kind: "refuse", A: "r2"})
	const all = "partition 200 [r2]; partition r1 - r2, latency r1 - r2 200 ms, refuse r2"
	if got := network(); got != all {
		t.Errorf("before: %s", got)
	}
	said, err := succeed(t, p, inv)
	if got := network(); err != nil || got != all {
		t.Errorf("with another keeper: %s, %v", got, err)
	}
	if len(said) != 3 || !strings.HasPrefix(said[0], "in force again: partition r1 - r2, since ") {
		t.Errorf("said %q", said)
	}
	// What is over is over for the next one, too, and is known with its times.
	do(Fault{Kind: "heal", A: "r1", B: "r2"})
	do(Fault{Kind: "latency", A: "r1", B: "r2", RTT: 10 * time.Millisecond})
	do(Fault{Kind: "accept", A: "r2"})
	do(Fault{Kind: "heal", A: "r1", B: "r2"}) // nothing to end
	said, err = succeed(t, p, inv)
	if got := network(); err != nil || got != " 10 []; " || len(said) > 0 {
		t.Errorf("without faults: %s, %v, said %q", got, err, said)
	}
	past, err := p.Faults(inv.Plan.Name)
	if err != nil || len(past) != 3 {
		t.Fatalf("%v, %v", past, err)
	}
	for _, f := range past {
		if f.Until == nil || f.Until.Before(f.Since) || f.During(f.Until.Add(time.Second), f.Until.Add(time.Minute)) || !f.During(f.Since.Add(-time.Second), f.Until.Add(time.Second)) {
			t.Errorf("%+v", f)
		}
	}
}

// What can't be read of the faults is said, and is in nobody's way. The same goes for the
// journal of what ran.
func TestDamagedHistory(t *testing.T) {
	for _, file := range []string{faultsFile, journalFile} {
		for what, text := range map[string]string{"empty": "", "random": "\x00\xffPK\n\x00\n", "{}": "{}\n", "null": "null\n", "[1]": "[1]\n[1]\n", "torn": `{"schema":"cross`} {
			t.Run(file+" "+what, func(t *testing.T) {
				p, inv := made(t, t.TempDir())
				start(t, inv, 0, "stay")
				if err := p.Fault(t.Context(), inv, Fault{Kind: "partition", A: "r1", B: "r2"}); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(inv.Local.Dir, file)
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				said, err := succeed(t, p, inv)
				if err != nil {
					t.Fatal(err)
				}
				st, err := p.Status(t.Context(), inv)
				if err != nil || !st.Nodes["r1-1"].Running {
					t.Errorf("the server was not adopted: %+v, %v", st, err)
				}
				cut := st.Lines[0].Fault == "partition"
				if file == journalFile != cut {
					t.Errorf("in force: %t", cut)
				}
				aside, err := os.ReadFile(path + ".damaged")
				torn := file == journalFile && (what == "empty" || what == "torn") // what a crash leaves
				if torn {
					if !errors.Is(err, os.ErrNotExist) {
						t.Errorf("set aside: %v", err)
					}
				} else if err != nil || string(aside) != text || !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, path) }) {
					t.Errorf("not set aside, or not said: %v, %q, said %q", err, aside, said)
				}
				// It goes on.
				if err := p.Fault(t.Context(), inv, Fault{Kind: "heal", A: "r1", B: "r2"}); err != nil {
					t.Error(err)
				}
			})
		}
		t.Run(file+" newer", func(t *testing.T) {
			p, inv := made(t, t.TempDir())
			text, err := json.Marshal(map[string]any{"schema": "crossring/v9", "seq": 1})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(inv.Local.Dir, file)
			if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = succeed(t, p, inv)
			var coded interface {
				ExitCode() int
				error
			}
			if !errors.As(err, &coded) || coded.ExitCode() != 7 || !strings.Contains(err.Error(), "newer crossring") {
				t.Errorf("%v", err)
			}
			if now, err := os.ReadFile(path); err != nil || string(now) != string(text)+"\n" {
				t.Errorf("it was touched: %q, %v", now, err)
			}
		})
	}
}

// A slot that another cluster took while the keeper was gone: who has it, and the way out.
func TestSlotThatWasTaken(t *testing.T) {
	p, inv := made(t, t.TempDir())
	st, err := p.Status(t.Context(), inv)
	if err != nil {
		t.Fatal(err)
	}
	kill(t, st.PID)
	var taken *SlotTakenError
	check := func(holder string) {
		t.Helper()
		_, err := p.Make(t.Context(), inv.Plan)
		if taken = nil; !errors.As(err, &taken) || taken.ExitCode() != 8 || taken.Holder != holder || !strings.Contains(taken.Hint(), "crossring down made") {
			t.Errorf("%v, %+v", err, taken)
		}
	}
	slot, err := holdSlot(inv.Local.Slot)
	if err != nil {
		t.Fatal(err)
	}
	check("") // by a process that is no keeper
	slot.Close()

	other := Provider{StateDir: t.TempDir(), Exe: p.Exe, Java: p.Java, Log: p.Log}
	plan := planOf("other", 1, 1)
	dir := state.Dir(other.StateDir, plan.Name)
	nodes, err := Assign(plan, inv.Local.Slot, dir)
	if err != nil {
		t.Fatal(err)
	}
	theirs := topology.Inventory{Schema: topology.Schema, Plan: plan, Nodes: nodes, Local: &topology.Local{ID: "another", Slot: inv.Local.Slot, Dir: dir, Java: p.Java}}
	if err := makeDirs(dir, theirs); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Make(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	check(dir)
	if want := "crossring --state " + other.StateDir + " down other"; !strings.HasPrefix(taken.Hint(), want) || taken.PID == 0 {
		t.Errorf("hint %q, want %q; pid %d", taken.Hint(), want, taken.PID)
	}
	// Taking the first one down leaves the other's listeners alone, and does not count them.
	if err := p.Unmake(t.Context(), inv); err != nil {
		t.Error(err)
	}
	if _, err := other.Status(t.Context(), theirs); err != nil {
		t.Error(err)
	}
	if err := other.Unmake(t.Context(), theirs); err != nil {
		t.Error(err)
	}
}
