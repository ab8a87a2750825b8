package run

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-multierror"

	"crossring/internal/deploy"
	"crossring/internal/fail"
	"crossring/internal/journal"
	"crossring/internal/release/releasetest"
	"crossring/internal/spec"
	"crossring/internal/topology"
	"crossring/internal/until"
	"crossring/stress/results"
)

// exitCode is the one that an error asks for; ExitFailure when it asks for none.
func exitCode(err error) int { return fail.CodeOf(err) }

// No name may lead out of the directory of clusters.
func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "gk", "two-by-two", "x.y"} {
		if err := checkName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "../x", "x/..", "x/", "/", "/etc", "a/b", ".hidden", "../../clusters/x"} {
		if err := checkName(name); exitCode(err) != ExitUsage {
			t.Errorf("%q: %v, want a usage error", name, err)
		}
	}
}

func TestSplitRef(t *testing.T) {
	for ref, want := range map[string][2]string{
		"gk": {"gk", ""}, "gk:1": {"gk", "1"}, "gk:us-east-1-1": {"gk", "us-east-1-1"}, "gk:": {"gk", ""}, "gk:::1": {"gk", "::1"},
	} {
		if name, node := splitRef(ref); name != want[0] || node != want[1] {
			t.Errorf("%q: %q and %q", ref, name, node)
		}
	}
}

// What an unset variable leaves of NAME:$NODE is not every node of the cluster.
func TestReferencesWithoutANode(t *testing.T) {
	w := World{StateDir: t.TempDir()}
	for _, ref := range []string{"gk:", ":", ":1", "", "../x:1"} {
		if _, _, err := w.pick(ref); exitCode(err) != ExitUsage {
			t.Errorf("pick %q: %v, want a usage error", ref, err)
		}
		if _, err := w.Stop(t.Context(), ref); exitCode(err) != ExitUsage {
			t.Errorf("stop %q: %v, want a usage error", ref, err)
		}
		if w.means(ref, TunnelInfo{ID: "1", Cluster: "gk", Node: "a-1"}) {
			t.Errorf("%q means a tunnel of gk", ref)
		}
	}
	for _, ref := range []string{"gk", "gk:1"} {
		if err := checkRef(ref); err != nil {
			t.Errorf("%q: %v", ref, err)
		}
	}
}

// A directory without an inventory is no cluster, and is not among those that there are.
func TestAClusterWithoutAnInventory(t *testing.T) {
	w := World{StateDir: t.TempDir()}
	for _, name := range []string{"gone", "other"} {
		if err := os.MkdirAll(filepath.Join(w.StateDir, "clusters", name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string][2]string{
		"gone":  {`cluster "gone" has no inventory: it is half made, or the file is lost`, "crossring down gone"},
		"third": {`there is no cluster "third"; there are [gone other]`, "crossring ls"},
	} {
		_, err := w.open(name)
		var none *NoClusterError
		if !errors.As(err, &none) || none.Error() != want[0] || none.Hint() != want[1] {
			t.Errorf("%v; want %q and %q", err, want[0], want[1])
		}
	}
}

func TestJudge(t *testing.T) {
	write := func(acknowledged, failed, unknown int64) *results.WriteSummary {
		s := &results.WriteSummary{Acknowledged: acknowledged, Failed: failed, Unknown: unknown}
		s.Rows = acknowledged + failed + unknown
		return s
	}
	read := func(found, later, missing, wrong, failed int64) *results.ReadSummary {
		s := &results.ReadSummary{Found: found, FoundLater: later, Missing: missing, Wrong: wrong, Failed: failed}
		s.MissingAtFirstRead = later + missing
		s.Rows = found + missing + wrong + failed
		return s
	}
	// rows are those acknowledged, failed and unknown, by their reads.
	rows := func(lost int64, acknowledged, failed, unknown results.Reads) results.Account {
		return results.Account{Outcomes: &results.Outcomes{Acknowledged: acknowledged, Failed: failed, Unknown: unknown}, Lost: &lost}
	}
	none := results.Reads{}
	for name, tt := range map[string]struct {
		write *results.WriteSummary
		read  *results.ReadSummary
		rows  results.Account
		t     Thresholds
		want  string // "" is well
	}{
		"nothing done":              {nil, nil, results.Account{}, Thresholds{}, ""},
		"all well":                  {write(10, 0, 0), read(10, 0, 0, 0, 0), rows(0, results.Reads{Found: 10}, none, none), Thresholds{}, ""},
		"found later, none missing": {write(10, 0, 0), read(10, 10, 0, 0, 0), rows(0, results.Reads{Late: 10}, none, none), Thresholds{}, ""},
		"one lost": {write(10, 0, 0), read(9, 0, 1, 0, 0), rows(1, results.Reads{Found: 9, Missing: 1}, none, none), Thresholds{},
			"of 10 rows: 1 missing; of 10 acknowledged rows: 1 lost"},
		"only written": {write(8, 1, 1), nil, rows(0, results.Reads{Unread: 8}, results.Reads{Unread: 1}, results.Reads{Unread: 1}), Thresholds{},
			"of 10 rows: 1 not written, 1 of unknown outcome"},
		"only read":                           {nil, read(7, 0, 0, 2, 1), results.Account{}, Thresholds{}, "of 10 rows: 2 wrong, 1 not readable"},
		"only read, and unknown writes found": {nil, read(10, 0, 0, 0, 0), rows(0, results.Reads{Found: 8}, none, results.Reads{Found: 2}), Thresholds{}, ""},
		"all that can go wrong": {write(96, 2, 2), read(94, 0, 3, 2, 1), rows(1, results.Reads{Found: 92, Missing: 1, Wrong: 2, Failed: 1}, results.Reads{Missing: 2}, results.Reads{Found: 2}), Thresholds{},
			"of 100 rows: 2 not written, 2 of unknown outcome, 1 missing, 2 wrong, 1 not readable; of 96 acknowledged rows: 1 lost"},
		"one row in both phases": {write(99, 1, 0), read(99, 0, 1, 0, 0), rows(0, results.Reads{Found: 99}, results.Reads{Missing: 1}, none), Thresholds{Threshold: 0.01}, ""},
		"rows, not the worse phase": {write(990, 0, 10), read(990, 0, 10, 0, 0), rows(0, results.Reads{Found: 980, Wrong: 10}, none, results.Reads{Found: 10}), Thresholds{Threshold: 0.01},
			"of 1000 rows: 10 of unknown outcome, 10 wrong"},
		"at the threshold":            {nil, read(90, 0, 10, 0, 0), results.Account{}, Thresholds{Threshold: 0.1}, ""},
		"above the threshold":         {nil, read(89, 0, 11, 0, 0), results.Account{}, Thresholds{Threshold: 0.1}, "of 100 rows: 11 missing"},
		"a threshold and none is bad": {write(10, 0, 0), read(10, 0, 0, 0, 0), rows(0, results.Reads{Found: 10}, none, none), Thresholds{Threshold: 1}, ""},
		"lost has its own threshold": {write(100, 0, 0), read(99, 0, 1, 0, 0), rows(1, results.Reads{Found: 99, Missing: 1}, none, none), Thresholds{Threshold: 1},
			"of 100 acknowledged rows: 1 lost"},
		"lost to another run's row": {nil, read(99, 0, 0, 1, 0), rows(1, results.Reads{Found: 99, Wrong: 1}, none, none), Thresholds{Threshold: 0.5},
			"of 100 acknowledged rows: 1 lost"},
		"as many lost as may be": {write(100, 0, 0), read(99, 0, 1, 0, 0), rows(1, results.Reads{Found: 99, Missing: 1}, none, none), Thresholds{Threshold: 0.01, Lost: 0.01}, ""},
	} {
		err := judge(tt.write, tt.read, tt.rows, tt.t, "/runs/one")
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.want != "" && (err == nil || err.Error() != tt.want || exitCode(err) != ExitData):
			t.Errorf("%s: %v, want %s and exit %d", name, err, tt.want, ExitData)
		}
	}
	// A failed write that is found disproves what failed means, whatever may be amiss.
	wrong := rows(0, results.Reads{Found: 9}, results.Reads{Late: 1}, none)
	err := judge(nil, read(10, 1, 0, 0, 0), wrong, Thresholds{1, 1}, "/runs/one")
	if err == nil || exitCode(err) != ExitFailure || !strings.Contains(err.Error(), "rows are there whose write is on record as failed, which means that it did not happen: 1 of them") {
		t.Errorf("a failed write that is there: %v", err)
	}
}

func TestPartial(t *testing.T) {
	c := cluster{inv: topology.Inventory{Plan: topology.Plan{Name: "gk"}}}
	two := make([]deploy.Target, 2)
	plain, dead := errors.New("no route"), &deploy.DeadError{Node: "us-east-1-1", Ended: "exit status 3"}
	for name, tt := range map[string]struct {
		err  error
		code int
		hint string
	}{
		"none":           {nil, ExitOK, ""},
		"one of two":     {multierror.Append(nil, plain), ExitPartial, ""},
		"both":           {multierror.Append(nil, plain, plain), ExitFailure, ""},
		"one died":       {multierror.Append(nil, dead), ExitPartial, "crossring logs gk:us-east-1-1"},
		"both died":      {multierror.Append(nil, dead, dead), ExitFailure, "crossring logs gk:us-east-1-1"},
		"not of a node":  {plain, ExitFailure, ""},
		"a wait, passed": {fmt.Errorf("waiting: %w", os.ErrDeadlineExceeded), ExitFailure, ""},
	} {
		err := c.partial(tt.err, two)
		var fail *Fail
		hint := ""
		if errors.As(err, &fail) {
			hint = fail.Hint
		}
		if exitCode(err) != tt.code || !strings.HasPrefix(hint, tt.hint) || (tt.hint == "") != (hint == "") || (tt.err != nil && !errors.Is(err, tt.err)) {
			t.Errorf("%s: %v, exit %d, hint %q; want %d, %q", name, err, exitCode(err), hint, tt.code, tt.hint)
		}
	}
}

func TestCheckSame(t *testing.T) {
	made := spec.Spec{Name: "gk", Cassandra: releasetest.Oldest(), Regions: []spec.Region{{Region: "us-east-1", Nodes: 1}}}
	spec.Defaults(&made)
	other := made
	other.HeapMB = 512
	planned := topology.Plan{Name: "gk", HeapMB: 1024}
	otherPlan := topology.Plan{Name: "gk", HeapMB: 512}

	c := cluster{dir: t.TempDir(), inv: topology.Inventory{Plan: planned}}
	// As long as no spec is written down, the plan tells.
	if err := checkSame(c, made, planned); err != nil {
		t.Error(err)
	}
	if err := checkSame(c, other, otherPlan); exitCode(err) != ExitBusy {
		t.Errorf("another plan: %v", err)
	}
	if err := writeSpec(c.dir, made); err != nil {
		t.Fatal(err)
	}
	if err := checkSame(c, made, planned); err != nil {
		t.Error(err)
	}
	err := checkSame(c, other, otherPlan)
	var differs *SpecDiffersError
	if !errors.As(err, &differs) || len(differs.Diff) != 1 || !strings.HasPrefix(differs.Diff[0], "heap_mb: ") || exitCode(err) != ExitBusy {
		t.Errorf("another spec: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(c.dir, "*")); err != nil || len(left) != 1 {
		t.Errorf("in the directory: %q, %v", left, err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, specFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := checkSame(c, made, planned); err == nil || exitCode(err) != ExitFailure {
		t.Errorf("half a spec: %v", err)
	}
}

func TestCheckSettings(t *testing.T) {
	plan := func(cassandra string) topology.Plan {
		t.Helper()
		p, err := World{}.Plan(spec.Spec{Name: "gk", Cassandra: cassandra, Regions: []spec.Region{{Region: "us-east-1"}, {Region: "us-west-2"}}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p, old := plan("5.0"), plan("2.2")
	if err := checkSettings(p, p.Stress, Thresholds{0.5, 1}); err != nil {
		t.Errorf("good settings: %v", err)
	}
	without := p
	without.Keyspace.Replication = map[string]int{"us-east": 1}
	for name, spoil := range map[string]func(*topology.Plan, *topology.Stress, *Thresholds){
		"datacenter":            func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.ReadDC = "mars" },
		"write level":           func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.WriteCL = "FOO" },
		"reading at ANY":        func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.ReadCL = "ANY" },
		"THREE of two replicas": func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.ReadCL = "THREE" },
		"each quorum on 2.2":    func(p *topology.Plan, s *topology.Stress, _ *Thresholds) { *p, s.ReadCL = old, "EACH_QUORUM" },
		"local without replica": func(p *topology.Plan, s *topology.Stress, _ *Thresholds) { *p, s.ReadCL = without, "LOCAL_ONE" },
		"nothing there to read": func(p *topology.Plan, s *topology.Stress, _ *Thresholds) { *p = without },
		"nothing there to write": func(p *topology.Plan, s *topology.Stress, _ *Thresholds) {
			*p, s.WriteDC, s.ReadDC = without, "us-west-2", "us-east"
		},
		"no rows":            func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.Rows = 0 },
		"rows below zero":    func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.Rows = -1 },
		"rows beyond all":    func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.Rows = math.MaxInt64 },
		"tiny values":        func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.ValueBytes = 1 },
		"huge values":        func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.ValueBytes = 999_999_999 },
		"none in flight":     func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.InFlight = 0 },
		"too many in flight": func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.InFlight, s.ValueBytes = 40_000, 20 },
		"much in flight":     func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.InFlight, s.ValueBytes = 4096, 1<<20 },
		"rate":               func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.Rate = -1 },
		"no rate":            func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.Rate = math.NaN() },
		"endless rate":       func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.Rate = math.Inf(1) },
		"rate beyond all":    func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.Rate = 1e300 },
		"rate of nothing":    func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.Rate = 1e-300 },
		"deadline":           func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.MissingDeadlineSeconds = -5 },
		"no deadline":        func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.MissingDeadlineSeconds = math.NaN() },
		"endless deadline":   func(_ *topology.Plan, s *topology.Stress, _ *Thresholds) { s.MissingDeadlineSeconds = math.Inf(1) },
		"threshold":          func(_ *topology.Plan, _ *topology.Stress, t *Thresholds) { t.Threshold = 2 },
		"threshold below":    func(_ *topology.Plan, _ *topology.Stress, t *Thresholds) { t.Threshold = -1 },
		"lost":               func(_ *topology.Plan, _ *topology.Stress, t *Thresholds) { t.Lost = 1.5 },
		"no lost":            func(_ *topology.Plan, _ *topology.Stress, t *Thresholds) { t.Lost = math.NaN() },
		"no threshold":       func(_ *topology.Plan, _ *topology.Stress, t *Thresholds) { t.Threshold = math.NaN() },
	} {
		q, s, f := p, p.Stress, Thresholds{}
		spoil(&q, &s, &f)
		if err := checkSettings(q, s, f); err == nil || exitCode(err) != ExitUsage || !strings.Contains(err.Error(), "--") {
			t.Errorf("%s: %v, want exit %d and the flag", name, err, ExitUsage)
		}
	}
}

// What a plan fills in is no difference from the same thing written out.
func TestSpelledOut(t *testing.T) {
	const text = "version: crossring/v1\nname: gk\nregions: [{region: us-east-1, nodes: 2}, {region: us-west-2}]\n"
	read := func(more string) spec.Spec {
		s, err := spec.Parse("x", []byte(text+more))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, tt := range []struct {
		have, want string
		differs    string // the one key that does; "" is none
	}{
		{"", "heap_mb: 512", ""},
		{"heap_mb: 512", "", ""},
		{"", "heap_mb: 768", "heap_mb: 512 → 768"},
		{"heap_mb: 768", "", "heap_mb: 768 → 512"},
		{"", "keyspace: {replication: {us-east: 1, us-west-2: 1}}", ""},
		{"", "keyspace: {replication: {us-east: 2, us-west-2: 1}}", "keyspace.replication.us-east: 1 → 2"},
		{"tls: {}", "tls: {key: ecdsa-p256}", ""},
		{"tls: {key: ecdsa-p256}", "tls: {}", ""},
		{"tls: {}", "tls: {key: rsa-2048}", `tls.key: "ecdsa-p256" → "rsa-2048"`},
		{"", "cluster_name: gk\npartitioner: Murmur3Partitioner\nnum_tokens: 1\nrtt_ms: 80", ""},
	} {
		w := quietWorld()
		have, want := read(tt.have), read(tt.want)
		made, err := w.Plan(have)
		if err != nil {
			t.Fatal(err)
		}
		planned, err := w.Plan(want)
		if err != nil {
			t.Fatal(err)
		}
		diff, err := spec.Diff(spelledOut(have, made, want, planned))
		if err != nil || strings.Join(diff, ", ") != tt.differs {
			t.Errorf("%q to %q: %q, %v; want %q", tt.have, tt.want, diff, err, tt.differs)
		}
	}
}

// A name that certificates can't have is said with the plan, before anything is made.
func TestNodeDN(t *testing.T) {
	for name, want := range map[string]string{
		"CN={node},OU={region},O={cluster},C=DE": "", "hello": "tls.name", "CN={foo}": "tls.name", "OU={region}": "tls.name",
	} {
		s, err := spec.Parse("x", []byte("version: crossring/v1\nname: a\nregions: [{region: us-east-1}]\ntls: {name: \""+name+"\"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		w := quietWorld()
		_, err = w.Plan(s)
		if (err == nil) != (want == "") || err != nil && (exitCode(err) != ExitUsage || !strings.Contains(err.Error(), "x:4: "+want)) {
			t.Errorf("%s: %v", name, err)
		}
		if _, upErr := w.Up(t.Context(), UpRequest{Spec: &s, Until: until.Plan}); (upErr == nil) != (err == nil) {
			t.Errorf("%s: up says %v", name, upErr)
		}
	}
}

// A cluster that another crossring made, with another patch release, is open to this
// one; one that can't be opened says why, and is asked about before hosts go.
func TestMadeByAnother(t *testing.T) {
	w := quietWorld()
	w.StateDir = t.TempDir()
	write := func(name, version string, ec2 bool) {
		dir := w.provider("").Dir(name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		inv := topology.Inventory{Plan: topology.Plan{Name: name, Version: version, Provider: "local"}, Nodes: []topology.Node{{Name: "us-east-1-1"}}, Local: &topology.Local{Dir: dir}}
		if ec2 {
			inv.Plan.Provider, inv.Local = "ec2", nil
			inv.EC2, inv.Remote = &topology.EC2{Run: "r"}, &topology.Remote{Dir: dir}
		}
		if err := journal.WriteInventory(filepath.Join(dir, "inventory.json"), inv); err != nil {
			t.Fatal(err)
		}
	}
	write("older", "5.0.1", false)
	c, err := w.open("older")
	if err != nil || c.rel.Series != "5.0" || c.rel.Version != "5.0.1" {
		t.Errorf("older: %s of %s, %v", c.rel.Version, c.rel.Series, err)
	}
	write("newer", "9.9.1", false)
	write("hosts", "9.9.1", true)
	if err := os.MkdirAll(w.provider("").Dir("half"), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := w.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range l.Clusters {
		want := map[string]string{"newer": "9.9.1", "hosts": "9.9.1", "half": "half made: crossring down half", "older": ""}[e.Name]
		if !strings.Contains(e.Problem, want) || e.Name != "half" && strings.Contains(e.Problem, "half made") {
			t.Errorf("%s: %q, want %q", e.Name, e.Problem, want)
		}
	}
	asked := 0
	for _, name := range []string{"older", "newer", "half", "hosts"} {
		err := w.ConfirmDown(name, func(string) (bool, error) { asked++; return false, nil })
		if (err != nil) != (name == "hosts") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}
