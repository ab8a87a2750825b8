package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"crossring/internal/fail"

	"crossring/internal/journal"
	"crossring/internal/spec"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/local"
)

func TestOwnState(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(here, link); err != nil {
		t.Fatal(err)
	}
	plan := topology.Plan{Name: "gk"}
	remote := func(name, dir string) topology.Inventory {
		return topology.Inventory{Plan: topology.Plan{Name: name}, Remote: &topology.Remote{Dir: dir}}
	}
	for what, tt := range map[string]struct {
		inv  topology.Inventory
		made string
		ok   bool
	}{
		"its own":                        {inv: remote("gk", here), ok: true},
		"its own, by another path":       {inv: remote("gk", link), ok: true},
		"moved from a place that is not": {inv: remote("gk", filepath.Join(there, "gone")), ok: true},
		"copied":                         {inv: remote("gk", there), made: there},
		"copied, on this computer":       {inv: topology.Inventory{Plan: plan, Local: &topology.Local{Dir: there}}, made: there},
		"copied, of ccm":                 {inv: topology.Inventory{Plan: plan, CCM: &topology.CCM{Dir: there}}, made: there},
		"copied, in containers":          {inv: topology.Inventory{Plan: plan, Containers: &topology.Containers{Dir: there}}, made: there},
		"renamed":                        {inv: remote("other", here)},
	} {
		err := ownState("gk", here, tt.inv)
		var foreign *ForeignStateError
		switch {
		case tt.ok && err != nil, !tt.ok && !errors.As(err, &foreign):
			t.Errorf("%s: %v", what, err)
		case !tt.ok && (foreign.Made != tt.made || fail.CodeOf(err) != fail.ExitBusy || foreign.Hint() == ""):
			t.Errorf("%s: %+v, exit %d, hint %q", what, foreign, fail.CodeOf(err), foreign.Hint())
		}
	}
}

// The networks of the first up are those of a later one that does not name any.
func TestSavedOperators(t *testing.T) {
	w := World{StateDir: t.TempDir()}
	dir := state.Dir(w.StateDir, "gk")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	with := func(cidrs ...string) spec.Spec {
		s := spec.Spec{Name: "gk", Provider: "ec2", Regions: []spec.Region{{Region: "us-east-1"}}, EC2: &spec.EC2{OperatorCIDR: cidrs}}
		spec.Defaults(&s)
		return s
	}
	if got := WithSavedOperators(w, with()); len(got.EC2.OperatorCIDR) != 0 {
		t.Errorf("nothing was made: %v", got.EC2.OperatorCIDR)
	}
	// Half made, without a spec that was written down: the plan has them.
	inv := topology.Inventory{
		Plan:  topology.Plan{Name: "gk", EC2: &topology.EC2Plan{OperatorCIDRs: []string{"198.18.255.4/32"}}},
		Nodes: []topology.Node{{Name: "us-east-1-1"}}, Remote: &topology.Remote{Dir: dir},
	}
	if err := journal.WriteInventory(filepath.Join(dir, "inventory.json"), inv); err != nil {
		t.Fatal(err)
	}
	given := with()
	if got := WithSavedOperators(w, given); !slices.Equal(got.EC2.OperatorCIDR, []string{"198.18.255.4/32"}) || len(given.EC2.OperatorCIDR) != 0 {
		t.Errorf("from the plan: %v; the spec given has %v", got.EC2.OperatorCIDR, given.EC2.OperatorCIDR)
	}
	if err := WriteSpec(dir, with("198.18.100.0/24")); err != nil {
		t.Fatal(err)
	}
	if got := WithSavedOperators(w, with()); !slices.Equal(got.EC2.OperatorCIDR, []string{"198.18.100.0/24"}) {
		t.Errorf("from the spec: %v", got.EC2.OperatorCIDR)
	}
	if got := WithSavedOperators(w, with("192.0.2.0/24")); !slices.Equal(got.EC2.OperatorCIDR, []string{"192.0.2.0/24"}) {
		t.Errorf("what is given now counts: %v", got.EC2.OperatorCIDR)
	}
}

// What another user made is changed by nobody else, root included, and its password is
// made once, for its owner alone.
func TestAnothersCluster(t *testing.T) {
	w := World{StateDir: t.TempDir(), Say: t.Logf}
	dir := state.Dir(w.StateDir, "theirs")
	if err := journal.PrivateDir(dir); err != nil {
		t.Fatal(err)
	}
	if known, err := state.KnownAgentPassword(dir); known != "" || err != nil {
		t.Errorf("before there is one: %q, %v", known, err)
	}
	// What was left of an earlier try is no place for it.
	if err := os.WriteFile(filepath.Join(dir, "agent.password"+".new"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	made, err := state.AgentPassword(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := state.AgentPassword(dir)
	known, knownErr := state.KnownAgentPassword(dir)
	if len(made) < 24 || again != made || known != made || err != nil || knownErr != nil {
		t.Errorf("%q, %q, %q, %v, %v", made, again, known, err, knownErr)
	}
	if info, err := os.Stat(filepath.Join(dir, "agent.password")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	unlock, err := w.Lock(t.Context(), "theirs")
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if os.Geteuid() != 0 {
		t.Skip("giving a directory away needs root's rights")
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	var denied *local.DeniedError
	if _, err := w.Lock(t.Context(), "theirs"); !errors.As(err, &denied) || fail.CodeOf(err) != fail.ExitUsage {
		t.Errorf("%v", err)
	}
}
