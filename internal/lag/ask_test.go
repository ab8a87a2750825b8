package lag

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAsk(t *testing.T) {
	dcs := []string{"us-east", "us-west-2", "eu-west"}
	ok := Ask{Rate: 100, Duration: time.Minute, Deadline: time.Minute, Every: time.Millisecond}
	for _, tt := range []struct {
		name   string
		change func(*Ask)
		none   string // datacenter without replicas
		want   string // of the problems, in order; empty is none
		pairs  int
	}{
		{"all pairs", func(*Ask) {}, "", "", 6},
		{"those with replicas", func(*Ask) {}, "eu-west", "", 2},
		{"one pair", func(a *Ask) { a.Pairs = []string{"us-east:eu-west"} }, "", "", 1},
		{"both ways", func(a *Ask) { a.Pairs = []string{"us-east:eu-west", "eu-west:us-east"} }, "", "", 2},
		{"pair named twice", func(a *Ask) { a.Pairs = []string{"us-east:eu-west", "us-east:eu-west"} }, "", "--pair us-east:eu-west: is named twice", 1},
		{"no replicas", func(a *Ask) { a.Pairs = []string{"us-east:eu-west"} }, "eu-west", "--pair us-east:eu-west: the keyspace has no replica in eu-west", 0},
		{"unknown, and no pair", func(a *Ask) { a.Pairs = []string{"us-east:mars", "us-east", ":"} }, "", `there is no datacenter "mars"|is no pair of datacenters: FROM:TO, as us-east:us-west-2|there is no datacenter ""|there is no datacenter ""`, 0},
		{"with itself", func(a *Ask) { a.Pairs = []string{"us-east:us-east"} }, "", "is one datacenter twice", 0},
		{"rates", func(a *Ask) { a.Rate = 0 }, "", "--rate: must be", 6},
		{"negative", func(a *Ask) { a.Rate = -1 }, "", "--rate: must be", 6},
		{"no number", func(a *Ask) { a.Rate = math.NaN() }, "", "--rate: must be", 6},
		{"infinite", func(a *Ask) { a.Rate = math.Inf(1) }, "", "--rate: must be", 6},
		{"too many rows", func(a *Ask) { a.Rate, a.Duration = 10_000, time.Hour }, "", "--duration: 1h0m0s at 10000 rows a second are 36000000 rows", 6},
		{"all at once", func(a *Ask) { a.Duration, a.Deadline, a.Every = 0, -1, 0 }, "", "--duration: |--missing-deadline: |--look-every: ", 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := ok
			tt.change(&a)
			replication := map[string]int{}
			for _, dc := range dcs {
				if dc != tt.none {
					replication[dc] = 1
				}
			}
			pairs, problems := a.Check(dcs, replication)
			var want []string
			if tt.want != "" {
				want = strings.Split(tt.want, "|")
			}
			if len(problems) != len(want) || !slices.EqualFunc(problems, want, func(err error, part string) bool { return strings.Contains(err.Error(), part) }) {
				t.Errorf("problems:\n%v\nwant %q", errors.Join(problems...), want)
			}
			if len(pairs) != tt.pairs {
				t.Errorf("pairs %v, want %d", pairs, tt.pairs)
			}
		})
	}
	if _, problems := ok.Check(dcs, map[string]int{"us-east": 3}); len(problems) != 1 || !strings.Contains(problems[0].Error(), "in us-east alone") {
		t.Errorf("replicas in one datacenter: %v", problems)
	}
}

func TestPercent(t *testing.T) {
	for s, want := range map[float64]string{
		1: "100", 0: "0.00", 0.5: "50.00", 0.9996: "99.96", 0.9999: "99.99", 0.99997: "99.997",
		0.999970044: "99.997", 0.9999999999: "99.999999", 0.994999: "99.49",
	} {
		if got := Percent(s); got != want {
			t.Errorf("%v is %q, want %q", s, got, want)
		}
	}
}

func TestText(t *testing.T) {
	f := func(x float64) *float64 { return &x }
	pair := Pair{
		From: "us-east", To: "us-west-2", Rows: 1000, Seen: 999, Never: 1,
		Interval: Widths{f(1.2), f(2.2), f(9)},
		Lag: Bounds{
			Low:  Percentiles{f(39.8), f(41), f(42.4), f(60), f(60_000)},
			High: Percentiles{f(41), f(42), f(43.6), f(61), nil},
		},
		Within: []Within{{500, 1000, 0.999, 0.99526}},
		Looks:  Looks{60_000, 3},
	}
	for i := range int64(20) {
		s := Second{T: i, Rows: 50, P50: f(41), P99: f(43), Max: f(45)}
		if i == 7 || i == 8 {
			s.Max = f(1500)
		}
		if i == 12 {
			s.Max = nil
		}
		pair.Seconds = append(pair.Seconds, s)
	}
	var b strings.Builder
	r := Result{
		Cluster: "demo", Version: "5.0.9", WriteConsistency: "ONE", ReadConsistency: "ONE", RateAsked: 100, Rate: 99.9, Seconds: 10, ClientCPU: f(0.118),
		Writes: []Writes{{Datacenter: "us-east", Rows: 1001, Acknowledged: 1000, Unknown: 1, Late: 4}}, Pairs: []Pair{pair},
	}
	err := r.Text(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"39.8-41.0", "42.4-43.6", "over 60000",
		"99.90 % of 1000 rows were readable within 500 ms; of all rows at least 99.52 % are, at 95 % confidence",
		"second 7 to 9: 100 rows, up to 1500 ms late", "second 12 to 13: 50 rows, some of them not seen",
		"1.2 ms (median), 2.2 ms (99 of 100 rows)", "3 of 60000 looks failed", "12 % of one core", "4 of 1001 rows were sent in us-east more than 10 ms",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("want %q in:\n%s", want, b.String())
		}
	}
}
