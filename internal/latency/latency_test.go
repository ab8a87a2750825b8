package latency

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"crossring/internal/release"
)

func deployment(t testing.TB, version string, replication map[string]int, rtt float64) Deployment {
	t.Helper()
	rel, err := release.Find(version)
	if err != nil {
		t.Fatal(err)
	}
	return Deployment{
		Datacenters: []string{"east", "west"}, Replication: replication, Release: rel,
		RTT: func(_, _ string) (float64, bool) { return rtt, true },
	}
}

func predict(t testing.TB, d Deployment, dc, op, level string, service CDF) *Percentiles {
	t.Helper()
	cells, _ := d.Cells()
	for _, c := range cells {
		if c.Datacenter == dc && c.Op == op && c.Consistency == level {
			return d.Predict(c, service)
		}
	}
	t.Fatalf("no cell %s %s %s", dc, op, level)
	return nil
}

// In two regions 80 ms apart, each answer in 1 ms exactly: how often is the way gone?
func TestRoundTrips(t *testing.T) {
	for _, tt := range []struct {
		version string
		east    int // replicas in each
		west    int
		op      string
		ways    map[string]float64 // by level
	}{
		{"5.0", 2, 2, OpWrite, map[string]float64{"ONE": 0, "LOCAL_ONE": 0, "LOCAL_QUORUM": 0, "QUORUM": 1, "EACH_QUORUM": 1, "ALL": 1}},
		{"5.0", 2, 2, OpRead, map[string]float64{"ONE": 0, "LOCAL_ONE": 0, "LOCAL_QUORUM": 0, "QUORUM": 1, "EACH_QUORUM": 1, "ALL": 1, "LOCAL_SERIAL": 0, "SERIAL": 3}},
		{"5.0", 1, 1, OpWrite, map[string]float64{"ONE": 0, "QUORUM": 1, "ALL": 1}},
		{"5.0", 3, 2, OpWrite, map[string]float64{"QUORUM": 0, "EACH_QUORUM": 1, "ALL": 1}}, // 3 of 5 are here
		{"5.0", 3, 2, OpLWT, map[string]float64{"SERIAL": 0, "LOCAL_SERIAL": 0}},
		{"5.0", 2, 2, OpLWT, map[string]float64{"SERIAL": 4, "LOCAL_SERIAL": 0}},
		{"4.1", 2, 2, OpLWT, map[string]float64{"SERIAL": 4}},
		{"4.0", 2, 2, OpRead, map[string]float64{"SERIAL": 3}},
		{"3.11", 1, 1, OpLWT, map[string]float64{"SERIAL": 4}},
		{"2.2", 1, 1, OpLWT, map[string]float64{"SERIAL": 4}},
		{"2.2", 1, 1, OpRead, map[string]float64{"SERIAL": 2}}, // proposes nothing yet
		{"1.2", 1, 1, OpRead, map[string]float64{"QUORUM": 1, "LOCAL_QUORUM": 0}},
		{"5.0", 0, 2, OpWrite, map[string]float64{"ONE": 1, "QUORUM": 1}}, // asked where no replica is
	} {
		d := deployment(t, tt.version, map[string]int{"east": tt.east, "west": tt.west}, 80)
		for level, ways := range tt.ways {
			rounds := 1.0
			if serial(level) {
				rounds = float64(len(d.phases(Cell{Op: tt.op, Consistency: level})))
			}
			want := 80*ways + rounds
			got := predict(t, d, "east", tt.op, level, Lognormal(Percentiles{1, 1}))
			if got == nil || math.Abs(got.P50-want) > 0.01 || math.Abs(got.P99-want) > 0.01 {
				t.Errorf("%s %d+%d %s %s: %+v, want %.3f", tt.version, tt.east, tt.west, tt.op, level, got, want)
			}
		}
	}
}

// What a release doesn't have is left out, and said.
func TestLeftOut(t *testing.T) {
	for version, want := range map[string]string{
		"1.2": "read EACH_QUORUM, read LOCAL_SERIAL, read SERIAL, lwt LOCAL_SERIAL, lwt SERIAL",
		"2.2": "read EACH_QUORUM",
		"5.0": "",
	} {
		d := deployment(t, version, map[string]int{"east": 1, "west": 1}, 80)
		cells, out := d.Cells()
		var got []string
		for _, l := range out {
			got = append(got, l.Op+" "+l.Consistency)
			if l.Why == "" || l.Datacenter != "" {
				t.Errorf("%s: %+v", version, l)
			}
			for _, c := range cells {
				if c.Op == l.Op && c.Consistency == l.Consistency {
					t.Errorf("%s: %+v is there, too", version, c)
				}
			}
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s: %s, want %s", version, s, want)
		}
	}
	d := deployment(t, "5.0", map[string]int{"west": 1}, 80)
	cells, out := d.Cells()
	if len(out) != 6 || slices.ContainsFunc(cells, func(c Cell) bool { return c.Datacenter == "east" && strings.HasPrefix(c.Consistency, "LOCAL") }) {
		t.Errorf("without replicas in east: %+v", out)
	}
}

func TestChoose(t *testing.T) {
	d := deployment(t, "1.2", map[string]int{"east": 1, "west": 1}, 80)
	for _, tt := range []struct{ dcs, levels, want string }{
		{"", "", ""},
		{"mars", "", "--dc mars: there is no such datacenter: there is east, west"},
		{"east,east", "", "--dc east: is named twice"},
		{"", "SERIAL", "--consistency SERIAL: cassandra 1.2.19 has no lightweight transactions, which came with 2.0"},
		{"", "SOME,ALL,ALL", "--consistency SOME: is not one of ONE, LOCAL_ONE, LOCAL_QUORUM, QUORUM, EACH_QUORUM, ALL, LOCAL_SERIAL, SERIAL; --consistency ALL: is named twice"},
	} {
		cells, _, problems := d.Choose(words(tt.dcs), words(tt.levels))
		var got []string
		for _, p := range problems {
			got = append(got, p.Error())
		}
		if s := strings.Join(got, "; "); s != tt.want || (s == "" && len(cells) == 0) {
			t.Errorf("%s %s: %s, want %s", tt.dcs, tt.levels, s, tt.want)
		}
	}
	cells, _, problems := d.Choose([]string{"east"}, []string{"ALL"})
	if len(problems) > 0 || len(cells) != 2 || cells[0].Datacenter != "east" {
		t.Errorf("%+v %v", cells, problems)
	}
	d.Replication = map[string]int{"west": 1}
	if _, _, problems = d.Choose([]string{"east"}, []string{"LOCAL_ONE"}); len(problems) != 1 {
		t.Errorf("LOCAL_ONE without a replica: %v", problems)
	}
}

func words(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// How far a region is that nobody measured is not known: what waits for it has no figure, the
// rest has.
func TestUnknownRoundTrip(t *testing.T) {
	d := deployment(t, "5.0", map[string]int{"east": 3, "west": 2}, 80)
	d.RTT = func(string, string) (float64, bool) { return 0, false }
	for level, known := range map[string]bool{"ONE": true, "LOCAL_QUORUM": true, "QUORUM": true, "EACH_QUORUM": false, "ALL": false} {
		for _, op := range []string{OpRead, OpWrite} {
			if got := predict(t, d, "east", op, level, Lognormal(Percentiles{1, 5})); (got != nil) != known {
				t.Errorf("%s %s: %+v", op, level, got)
			}
		}
	}
	if got := predict(t, d, "west", OpLWT, "SERIAL", Lognormal(Percentiles{1, 5})); got != nil {
		t.Errorf("%+v", got)
	}
	d.OtherPaxos = true
	if got := predict(t, d, "west", OpLWT, "LOCAL_SERIAL", Lognormal(Percentiles{1, 5})); got != nil {
		t.Errorf("another Paxos: %+v", got)
	}
}

// The order statistics come out as in a simulation of the same world.
func TestAgainstSimulation(t *testing.T) {
	service := Percentiles{2, 20}
	d := deployment(t, "5.0", map[string]int{"east": 3, "west": 3}, 15)
	r := rand.New(rand.NewPCG(1, 2))
	sigma := math.Log(service.P99/service.P50) / 2.3263478740408408
	draw := func() float64 { return service.P50 * math.Exp(sigma*r.NormFloat64()) }
	round := func(k int, read bool) float64 {
		var all []float64
		for i := range 6 {
			ms := draw()
			if i >= 3 {
				ms += 15
			}
			all = append(all, ms)
		}
		if read {
			return slices.Max(all[:k]) // the nearest
		}
		slices.Sort(all)
		return all[k-1]
	}
	for _, tt := range []struct {
		op, level string
		once      func() float64
	}{
		{OpWrite, "ONE", func() float64 { return round(1, false) }},
		{OpWrite, "QUORUM", func() float64 { return round(4, false) }},
		{OpRead, "QUORUM", func() float64 { return round(4, true) }},
		{OpWrite, "ALL", func() float64 { return round(6, false) }},
		{OpLWT, "SERIAL", func() float64 { return round(4, false) + round(4, true) + round(4, false) + round(4, false) }},
		{OpRead, "SERIAL", func() float64 { return round(4, false) + round(4, false) + round(4, true) }},
	} {
		var samples []float64
		for range 100_000 {
			samples = append(samples, tt.once())
		}
		got, want := predict(t, d, "east", tt.op, tt.level, Lognormal(service)), Of(samples)
		if math.Abs(got.P50-want.P50) > 0.02*want.P50 || math.Abs(got.P99-want.P99) > 0.05*want.P99 {
			t.Errorf("%s %s: predicted %+v, simulated %+v", tt.op, tt.level, *got, *want)
		}
	}
}

// FuzzMonotone: whoever waits for more waits longer, whatever the regions are.
func FuzzMonotone(f *testing.F) {
	f.Add(uint8(3), uint8(2), uint8(1), 80.0, 5.0, 1.0, 4.0)
	f.Add(uint8(1), uint8(1), uint8(0), 0.0, 0.0, 3.0, 3.0)
	f.Add(uint8(2), uint8(5), uint8(4), 1.0, 300.0, 0.1, 50.0)
	f.Fuzz(func(t *testing.T, a, b, c uint8, near, far, p50, p99 float64) {
		ok := func(ms, most float64) bool { return ms >= 0 && ms <= most }
		if !ok(near, 500) || !ok(far, 500) || !ok(p50, 100) || p50 < 0.01 || p99 < p50 || p99 > 1000 || a%6 == 0 {
			t.Skip("no such world")
		}
		d := deployment(t, "5.0", map[string]int{"east": int(a % 6), "west": int(b % 6), "north": int(c % 6)}, 0)
		d.Datacenters = append(d.Datacenters, "north")
		d.RTT = func(a, b string) (float64, bool) {
			if a == "north" || b == "north" {
				return far, true
			}
			return near, true
		}
		service := Lognormal(Percentiles{p50, p99})
		at := map[string]*Percentiles{}
		for _, op := range []string{OpRead, OpWrite, OpLWT} {
			for _, cell := range combinations() {
				if cell.Op == op {
					got := predict(t, d, "east", op, cell.Consistency, service)
					if got == nil || math.IsNaN(got.P50) || got.P50 > got.P99 {
						t.Fatalf("%s %s: %+v", op, cell.Consistency, got)
					}
					at[op+" "+cell.Consistency] = got
				}
			}
		}
		const exact = 0.002 // ms, of rounding
		for _, pair := range []string{
			"ONE<=LOCAL_ONE", "LOCAL_ONE<=LOCAL_QUORUM", "LOCAL_QUORUM<=EACH_QUORUM", "EACH_QUORUM<=ALL", "ONE<=QUORUM", "QUORUM<=EACH_QUORUM",
		} {
			less, more, _ := strings.Cut(pair, "<=")
			for _, op := range []string{OpRead, OpWrite} {
				l, m := at[op+" "+less], at[op+" "+more]
				if l.P50 > m.P50+exact || l.P99 > m.P99+exact {
					t.Errorf("%s: %s: %+v, %+v", op, pair, *l, *m)
				}
			}
		}
		for _, cell := range combinations() {
			if cell.Op == OpWrite {
				if w, r := at["write "+cell.Consistency], at["read "+cell.Consistency]; w.P50 > r.P50+exact || w.P99 > r.P99+exact {
					t.Errorf("%s: a write, which asks all, takes %+v, a read %+v", cell.Consistency, *w, *r)
				}
			}
		}
		if s, w := at["lwt LOCAL_SERIAL"], at["write LOCAL_QUORUM"]; s.P50 < w.P50-exact {
			t.Errorf("a transaction takes %+v, a write %+v", *s, *w)
		}
	})
}

func TestDistributions(t *testing.T) {
	for _, p := range []Percentiles{{1, 5}, {0.2, 0.2}, {30, 31}} {
		cdf := Lognormal(p)
		if a, b := quantile(cdf, 0.5), quantile(cdf, 0.99); math.Abs(a-p.P50) > 0.001 || math.Abs(b-p.P99) > 0.001 {
			t.Errorf("%+v: %v, %v", p, a, b)
		}
	}
	var list []float64
	for i := range 200 {
		list = append(list, float64(200-i))
	}
	if got := *Of(list); got != (Percentiles{100, 198}) {
		t.Error(got)
	}
	if Of(nil) != nil {
		t.Error("of nothing")
	}
	if got := quantile(Empirical(list), 0.5); math.Abs(got-100) > 0.001 {
		t.Error(got)
	}
}

func ExampleDeployment_Predict() {
	rel, _ := release.Find("5.0")
	d := Deployment{
		Datacenters: []string{"us-east", "us-west-2"}, Replication: map[string]int{"us-east": 3, "us-west-2": 3}, Release: rel,
		RTT: func(_, _ string) (float64, bool) { return 64, true },
	}
	for _, c := range []Cell{{Datacenter: "us-east", Op: OpWrite, Consistency: "LOCAL_QUORUM"}, {Datacenter: "us-east", Op: OpWrite, Consistency: "QUORUM"}, {Datacenter: "us-east", Op: OpLWT, Consistency: "SERIAL"}} {
		fmt.Printf("%s %s %.0f ms\n", c.Op, c.Consistency, d.Predict(c, Lognormal(Percentiles{1, 2})).P50)
	}
	// Output:
	// write LOCAL_QUORUM 1 ms
	// write QUORUM 65 ms
	// lwt SERIAL 259 ms
}

// A read at QUORUM asks of two other regions the one that the ring names first, unless it is much
// slower than the other.
func TestChosen(t *testing.T) {
	d := deployment(t, "5.0", map[string]int{"east": 1, "west": 1, "north": 1}, 0)
	d.Datacenters = append(d.Datacenters, "north")
	rtts := map[string]float64{"west": 64, "north": 70}
	d.RTT = func(_, b string) (float64, bool) { return rtts[b], true }
	d.Orders = []Order{{1, []string{"north", "west", "east"}}}
	one := Lognormal(Percentiles{1, 1})
	read := func(badness, north float64) float64 {
		d.Badness, rtts["north"] = badness, north
		return predict(t, d, "east", OpRead, "QUORUM", one).P50
	}
	for _, tt := range []struct{ badness, north, want float64 }{{1, 70, 71}, {0.1, 70, 71}, {0.05, 70, 65}, {1, 120, 121}, {1, 140, 65}, {math.Inf(1), 500, 501}} {
		if got := read(tt.badness, tt.north); math.Abs(got-tt.want) > 0.01 {
			t.Errorf("badness %g, north %g ms away: %g, want %g", tt.badness, tt.north, got, tt.want)
		}
	}
	d.Orders = []Order{{0.9, []string{"north", "west", "east"}}, {0.1, []string{"west", "north", "east"}}}
	if got := predict(t, d, "east", OpRead, "QUORUM", one); read(1, 100) != 101 || got.P99 != 501 {
		t.Errorf("%+v", got)
	}
	// What is written goes to all, and the nearest answers first.
	if got := predict(t, d, "east", OpWrite, "QUORUM", one).P50; math.Abs(got-65) > 0.01 {
		t.Error(got)
	}
}

// The service times that a run shows are those that its cells are predicted from.
func TestMeasured(t *testing.T) {
	d := deployment(t, "5.0", map[string]int{"east": 1, "west": 1}, 80)
	cells, out := d.Cells()
	samples := make(Samples, len(cells))
	for i, c := range cells {
		for range 100 {
			ms := map[string]float64{OpWrite: 2, OpRead: 3, OpLWT: 8, opSerialRead: 6}[c.kind()]
			if !local(c.Consistency) && c.Consistency != "ONE" {
				ms += 80 * float64(c.RoundTrips)
			}
			samples[i] = append(samples[i], ms)
		}
	}
	samples[len(samples)-1] = nil // lwt at SERIAL in west
	f := d.Measured(cells, out, samples, Percentiles{1, 1})
	for i, c := range f.Cells {
		switch {
		case i == len(cells)-1:
			if c.Measured != nil || c.Difference != nil || c.Predicted == nil || c.N != 0 {
				t.Errorf("%+v", c)
			}
		case c.N != 100 || math.Abs(c.Difference.P50) > 0.01 || math.Abs(c.Difference.P99) > 0.01:
			t.Errorf("%s %s %s: predicted %+v, measured %+v", c.Datacenter, c.Op, c.Consistency, *c.Predicted, *c.Measured)
		}
	}
	if a := Agree(f.Cells); a != (Agreement{len(cells) - 1, len(cells) - 1}) {
		t.Errorf("%+v", a)
	}
	for _, s := range f.Service {
		if s.Source != SourceMeasured {
			t.Errorf("%+v", s)
		}
	}
}
