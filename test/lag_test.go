package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossring/internal/lag"
	"crossring/internal/runs"
)

// checkLag holds what a measurement must say, however fast the computer is: each row once, in
// each place.
func checkLag(t *testing.T, r lag.Result, rate float64) {
	t.Helper()
	if r.Clock != lag.ClockOne || r.RateAsked != rate || len(r.Writes) != 2 || len(r.Pairs) != 2 || r.ClientCPU == nil {
		t.Errorf("a measurement between two datacenters at %g rows a second: %+v", rate, r)
	}
	acknowledged := map[string]int64{}
	for _, w := range r.Writes {
		acknowledged[w.Datacenter] = w.Acknowledged
		if w.Rows == 0 || w.Acknowledged+w.Failed+w.Unknown != w.Rows {
			t.Errorf("of %d rows in %s %d are acknowledged, %d failed, %d unknown", w.Rows, w.Datacenter, w.Acknowledged, w.Failed, w.Unknown)
		}
	}
	for _, p := range r.Pairs {
		if p.From == p.To || p.Rows != acknowledged[p.From] || p.Seen+p.Never+p.Pending != p.Rows {
			t.Errorf("%s to %s: %d rows of %d acknowledged: %d seen, %d never, %d pending", p.From, p.To, p.Rows, acknowledged[p.From], p.Seen, p.Never, p.Pending)
		}
		var sum int64
		for _, s := range p.Seconds {
			sum += s.Rows
		}
		if sum != p.Rows {
			t.Errorf("%s to %s: the seconds have %d of %d rows", p.From, p.To, sum, p.Rows)
		}
		low, high := p.Lag.Low, p.Lag.High
		if low.P50 == nil || high.P50 == nil || *low.P50 > *high.P50 || p.Interval.P50 == nil || *p.Interval.P50 <= 0 || p.Looks.Made == 0 {
			t.Errorf("%s to %s: lag %+v, width %+v, looks %+v", p.From, p.To, p.Lag, p.Interval, p.Looks)
		}
	}
}

// rowsOfLag counts the rows that measurements have written, as the first node has them.
func (c cluster) rowsOfLag(t *testing.T) int {
	t.Helper()
	out := c.must(t, "cql", c.name+":1", "SELECT count(*) FROM crossring.crossring_lag").stdout
	for _, word := range strings.Fields(out) {
		if n, err := strconv.Atoi(word); err == nil {
			return n
		}
	}
	t.Fatalf("no count: %s", out)
	return 0
}

// TestLagThroughACut measures while the line is cut and mended: no row is lost or counted
// twice, and the seconds of the cut show it. Hints take half a minute to come.
func TestLagThroughACut(t *testing.T) {
	needLong(t)
	const rate = 50
	c := sharedCluster(t, newest)
	m := c.start(t, "lag", c.name, "--rate", strconv.Itoa(rate), "--duration", "8s", "--metrics", "0", "-o", "json")
	m.says(t, "\nlag ...")
	checkMetrics(t, m)
	c.must(t, "fault", "partition", c.name, east, west)
	// Answered by one region alone, so the cut is no hindrance: 50 rows are written in it.
	at := c.rowsOfLag(t)
	eventually(t, patience, "rows are written during the cut", func() bool { return c.rowsOfLag(t) >= at+rate })
	c.must(t, "fault", "heal", c.name, east, west)
	r := m.wait(t)
	got := decode[lag.Result](t, r)
	checkLag(t, got, rate)
	for _, w := range got.Writes {
		if w.Rows != 8*rate || w.Acknowledged != w.Rows {
			t.Errorf("%s: %d rows, %d acknowledged, want %d: one replica is within reach", w.Datacenter, w.Rows, w.Acknowledged, 8*rate)
		}
	}
	for _, p := range got.Pairs {
		if p.Never != 0 || p.Pending != 0 || r.code != 0 {
			t.Errorf("%s to %s: %d never seen, %d still looked for: %s", p.From, p.To, p.Never, p.Pending, r)
		}
		var worst float64
		for _, s := range p.Seconds {
			if s.Max != nil {
				worst = max(worst, *s.Max)
			}
		}
		// Half of the cut's rows were acknowledged more than half a second before its end.
		if worst < 500 {
			t.Errorf("%s to %s: the worst second is %.0f ms; where is the cut? %s", p.From, p.To, worst, r)
		}
		t.Logf("%s to %s: p50 %.1f to %.1f ms, worst second %.0f ms, width p99 %.1f ms", p.From, p.To, *p.Lag.Low.P50, *p.Lag.High.P50, worst, *p.Interval.P99)
	}
	if len(got.Faults) != 1 || got.Faults[0].Kind != "partition" || got.Faults[0].Until == nil {
		t.Errorf("want the partition in the document: %+v", got.Faults)
	}
	c.awaitWhole(t)
}

// TestLag stops a measurement, and asks for others in bad ways.
func TestLag(t *testing.T) {
	c := sharedCluster(t, newest)
	t.Run("stopped", func(t *testing.T) {
		m := c.start(t, "lag", c.name, "--duration", "1h", "--pair", "us-west-2:us-east", "-o", "json")
		m.says(t, "\nlag ...")
		at := c.rowsOfLag(t)
		eventually(t, patience, "rows are written", func() bool { return c.rowsOfLag(t) >= at+100 })
		m.signal(t, os.Interrupt)
		r := m.wait(t)
		got := decode[lag.Result](t, r)
		if r.code != 130 || !got.Interrupted || len(got.Pairs) != 1 || len(got.Writes) != 1 {
			t.Fatalf("want what was seen, and exit 130: %s", r)
		}
		p := got.Pairs[0]
		if p.From != "us-west-2" || p.To != "us-east" || p.Rows == 0 || p.Seen == 0 || p.Never != 0 || p.Seen+p.Pending != p.Rows {
			t.Errorf("%d rows from %s to %s: %d seen, %d never, %d pending", p.Rows, p.From, p.To, p.Seen, p.Never, p.Pending)
		}
	})
	t.Run("more than there can be", func(t *testing.T) {
		r := c.want(t, 2, "lag", c.name, "--rate", "20000", "--duration", "10s")
		checkSays(t, r, "20000 rows a second are too many: in a try just now", "; ask for less than that")
	})
	t.Run("asked wrongly", func(t *testing.T) {
		r := c.want(t, 2, "lag", c.name, "--rate", "0", "--look-every", "1us", "--pair", "us-east:us-west-2", "--pair", "us-east:us-west-2", "--pair", "us-east:mars",
			"--missing-deadline", "0s", "--duration", "0s", "--write-consistency", "SOMETIMES", "--threshold", "2")
		checkSays(t, r, "--rate: ", "--look-every: ", "--pair us-east:us-west-2: is named twice", `there is no datacenter "mars"`, "--missing-deadline: ", "--duration: ", "--write-consistency: ", "--threshold: ")
	})
}

// TestLagPage types what docs/lag.md says, line by line.
func TestLagPage(t *testing.T) {
	needLong(t)
	c := sharedCluster(t, newest)
	typePage(t, c, "lag.md", 4)
	c.awaitWhole(t)
}

// TestFaultsPage types what docs/faults.md says.
func TestFaultsPage(t *testing.T) {
	needLong(t)
	c := sharedCluster(t, newest)
	typePage(t, c, "faults.md", 2)
	c.awaitWhole(t)
}

// typePage types what a page says, line by line; so many commands are on it at least. A
// cluster that it calls NAME is c, and its newest run RUN.
func typePage(t *testing.T, c cluster, page string, least int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	typed := 0
	for _, block := range regexp.MustCompile("(?s)\n```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[1]) {
			words := strings.Fields(strings.ReplaceAll(line, "NAME", c.name))
			if words[0] != "crossring" {
				t.Fatalf("%q is no command of crossring's", line)
			}
			for i, w := range words {
				if w == "RUN" {
					words[i] = lastRun(decode[runs.Listing](t, c.must(t, "runs", c.name, "-o", "json")))
				}
				if strings.HasPrefix(w, "examples/") {
					words[i] = filepath.Join("..", w)
				}
			}
			c.must(t, words[1:]...)
			typed++
		}
	}
	if typed < least {
		t.Errorf("%d commands on the page; is this how they are read?", typed)
	}
}

// TestBenchLag measures two minutes with a cut of 20 s in the middle, and the same without.
func TestBenchLag(t *testing.T) {
	needBench(t)
	c := sharedCluster(t, newest)
	for _, cut := range []bool{false, true} {
		m := c.start(t, "lag", c.name, "--rate", "100", "--duration", "2m", "-o", "json")
		m.says(t, "\nlag ...")
		if cut {
			<-time.After(50 * time.Second)
			c.must(t, "fault", "partition", c.name, east, west)
			<-time.After(20 * time.Second)
			c.must(t, "fault", "heal", c.name, east, west)
		}
		got := decode[lag.Result](t, m.wait(t))
		checkLag(t, got, 100)
		t.Logf("100 rows a second for 2 minutes, cut: %v; %.1f %% of one core (goal 15)", cut, 100**got.ClientCPU)
		for _, p := range got.Pairs {
			t.Logf("%s to %s: %d rows, %d seen, %d never; p50 %.1f to %.1f ms (goal 40 ± 3), width p50 %.2f, p99 %.2f (goal 3), max %.1f ms", p.From, p.To,
				p.Rows, p.Seen, p.Never, *p.Lag.Low.P50, *p.Lag.High.P50, *p.Interval.P50, *p.Interval.P99, *p.Interval.Max)
		}
	}
}
