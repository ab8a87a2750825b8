package load

import (
	"errors"
	"math"
	"strings"
	"testing"

	"crossring/internal/cluster"
	"crossring/internal/cluster/clustertest"
	"crossring/internal/fail"
	"crossring/internal/spec"
	"crossring/internal/topology"
	"crossring/stress/record"
	"crossring/stress/results"
)

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
		case tt.want != "" && (err == nil || err.Error() != tt.want || fail.CodeOf(err) != fail.ExitData):
			t.Errorf("%s: %v, want %s and exit %d", name, err, tt.want, fail.ExitData)
		}
	}
	// A failed write that is found disproves what failed means, whatever may be amiss.
	wrong := rows(0, results.Reads{Found: 9}, results.Reads{Late: 1}, none)
	err := judge(nil, read(10, 1, 0, 0, 0), wrong, Thresholds{1, 1}, "/runs/one")
	if err == nil || fail.CodeOf(err) != fail.ExitFailure || !strings.Contains(err.Error(), "rows are there whose write is on record as failed, which means that it did not happen: 1 of them") {
		t.Errorf("a failed write that is there: %v", err)
	}
}

func TestCheckSettings(t *testing.T) {
	plan := func(cassandra string) topology.Plan {
		t.Helper()
		p, err := cluster.Plan(spec.Spec{Name: "gk", Cassandra: cassandra, Regions: []spec.Region{{Region: "us-east-1"}, {Region: "us-west-2"}}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p, old := plan("5.0"), plan("2.2")
	if err := CheckSettings("repro", p, p.Stress, Thresholds{0.5, 1}); err != nil {
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
		if err := CheckSettings("stress write", q, s, f); err == nil || fail.CodeOf(err) != fail.ExitUsage || !strings.Contains(err.Error(), "--") {
			t.Errorf("%s: %v, want exit %d and the flag", name, err, fail.ExitUsage)
		}
	}
}

// What is wrong with a load names the help of the command that it was asked for by.
func TestHintsNameTheirCommand(t *testing.T) {
	p, err := cluster.Plan(spec.Spec{Name: "gk", Regions: []spec.Region{{Region: "us-east-1"}, {Region: "us-west-2"}}})
	if err != nil {
		t.Fatal(err)
	}
	s := p.Stress
	s.MissingDeadlineSeconds = 2_000_000 * 3600
	for _, verb := range []string{"repro", "stress write", "stress read", "demo"} {
		var coded *fail.Error
		err := CheckSettings(verb, p, s, Thresholds{})
		if !errors.As(err, &coded) || coded.Hint != "crossring help "+verb || err.Error() != "--missing-deadline: must be at most 8760h" {
			t.Errorf("%s: %v, %+v", verb, err, coded)
		}
		r := repro{verb: verb, perDC: -1}
		if err := r.checkSettings(Thresholds{}); !errors.As(err, &coded) || coded.Hint != "crossring help "+verb {
			t.Errorf("%s: %v, %+v", verb, err, coded)
		}
	}
}

// Loaders that there will not be are said: more than a datacenter has machines, and any on a
// cluster that has none.
func TestLoadersThatAreNotThere(t *testing.T) {
	node := func(name, dc string) topology.Node { return topology.Node{Name: name, Datacenter: dc} }
	inv := topology.Inventory{Plan: topology.Plan{Name: "lab"}, Nodes: []topology.Node{node("a-1", "a"), node("a-2", "a"), node("b-1", "b")}}
	for _, tt := range []struct {
		provider string
		loaders  int
		exe      string
		write    string
		want     string
	}{
		{"hosts", 1, "", "a", ""},
		{"hosts", 0, "", "a", ""},
		{"hosts", 2, "", "a", "--loaders 2: b has 1 machine, and is loaded from there"},
		{"hosts", 3, "", "a", "--loaders 3: a has 2 machines, and is loaded from there; --loaders 3: b has 1 machine, and is loaded from there"},
		{"hosts", 3, "", "b", "--loaders 3: b has 1 machine, and is loaded from there"},
		{"local", 0, "", "a", ""},
		{"local", 1, "", "a", "--loaders and --loader-binary are for clusters on machines of their own: lab is loaded from here"},
		{"containers", 0, "/x", "a", "--loaders and --loader-binary are for clusters on machines of their own: lab is loaded from here"},
	} {
		w, heard := clustertest.Heard(t.TempDir())
		w.LoaderExe = tt.exe
		inv.Plan.Provider = tt.provider
		r := repro{World: w, Cluster: clustertest.At(t, tt.provider, inv), perDC: tt.loaders, settings: topology.Stress{Load: topology.Load{WriteDC: tt.write, ReadDC: "b"}}}
		r.sayLoaders(record.OpWrite, record.OpRead)
		if got := strings.Join(heard(), "; "); got != tt.want {
			t.Errorf("%+v:\n got %q", tt, got)
		}
	}
}
