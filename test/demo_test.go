package test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crossring/internal/fail"
	"crossring/internal/load"
	"crossring/internal/report"
	"crossring/internal/run"
	"crossring/stress/results"
)

// demoRows is how many rows the demo writes and reads. 1.2 estimates its keys from one in
// 128, and needs as many as this for the bound below; later versions do at any number.
func demoRows(version string) int64 {
	switch {
	case long():
		return 100_000
	case version == oldest:
		return 20_000
	}
	return 5000
}

// TestDemo is the whole way in one command: two regions 80 ms apart, every write
// and every row accounted for, a report, and nothing left but the run.
func TestDemo(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			beside(t, 2)
			h, rows, name := newHome(t), demoRows(version), "demo-"+strings.ReplaceAll(version, ".", "-")
			s := h.start(t, "demo", "-o", "json", "--name", name, "--cassandra", version, "--rows", fmt.Sprint(rows), "--rtt", "80")
			t.Cleanup(func() { h.takeDown(t, name) })
			// What was made is looked at while it is there.
			s.says(t, "ring before")
			inv, made := h.inventory(t, name)
			if !made {
				t.Fatal("there is no inventory")
			}
			r := s.wait(t)
			if r.code != 0 {
				t.Fatal(r)
			}
			doc := decode[report.Document](t, r)
			if doc.Provider != "local" || doc.Version != version || doc.ValueBytes != 2048 {
				t.Errorf("%s, Cassandra %s, %d bytes", doc.Provider, doc.Version, doc.ValueBytes)
			}
			checkDocument(t, doc, inv, rows)
			checkEstimates(t, doc, rows)
			for _, ring := range []map[string]float64{doc.RingBefore.RTT, doc.RingAfter.RTT} {
				// The network adds to the distance, and a busy computer more.
				if len(ring) != 1 || ring["us-east-1 -> us-west-2"] < 80 {
					t.Errorf("round trips %v, want at least 80 ms", ring)
				}
			}
			if doc.Write.Response != nil || doc.Read.Response != nil {
				t.Error("a closed loop has no response times")
			}
			if seen := stages(doc); !slices.IsSortedFunc(seen, func(a, b int) int { return a - b }) || len(seen) < 9 {
				t.Errorf("stages %v", doc.Stages)
			}
			h.checkGone(t, inv)
			if l := decode[run.Listing](t, h.must(t, "ls", "-o", "json")); len(l.Clusters) != 0 {
				t.Errorf("clusters %v", l.Clusters)
			}

			// The run is all that stays, and says the same again.
			again := decode[report.Document](t, h.must(t, "report", doc.RunDir, "-o", "json"))
			checkDocument(t, again, inv, rows)
			checkSameCounts(t, doc, again)
			byName := decode[report.Document](t, h.must(t, "report", filepath.Base(doc.RunDir), "-o", "json"))
			checkSameCounts(t, doc, byName)
			if err := os.Remove(filepath.Join(doc.RunDir, "summary.json")); err != nil {
				t.Fatal(err)
			}
			checkSameCounts(t, doc, decode[report.Document](t, h.must(t, "report", doc.RunDir, "-o", "json")))
			checkReportText(t, h.must(t, "report", doc.RunDir).stdout, version, rows)
		})
	}
}

// stages gives the place of each stage of the document in the order that they
// have to have.
func stages(doc report.Document) []int {
	order := []string{"up", "ring before", "keyspace", "estimate before", "write", "estimate after write", "read", "estimate after read", "ring after", "down"}
	var seen []int
	for _, s := range doc.Stages {
		seen = append(seen, slices.Index(order, s.Name))
	}
	return seen
}

// checkEstimates holds each node's estimate of its keys near the rows: one node has all
// of its datacenter's. From 2.2 on an estimate has a standard error of 1.15 % (HyperLogLog
// with 2^13 registers), so one in a million is further off than this.
func checkEstimates(t *testing.T, doc report.Document, rows int64) {
	t.Helper()
	const most = 0.055
	for address, n := range doc.KeysEstimate.AfterRead {
		n -= doc.KeysEstimate.Before[address]
		if off := math.Abs(float64(n-rows)) / float64(rows); off > most {
			t.Errorf("%s estimates %d keys of %d after the read, %.1f %% off", address, n, rows, 100*off)
		}
	}
	// Right after the write the other datacenter may still be getting rows.
	coordinator := coordinatorOf(doc.Write.Frame)
	written := doc.KeysEstimate.AfterWrite[coordinator] - doc.KeysEstimate.Before[coordinator]
	if off := math.Abs(float64(written-rows)) / float64(rows); off > most {
		t.Errorf("the node written to estimates %d keys of %d after the write, %.1f %% off", written, rows, 100*off)
	}
}

func coordinatorOf(f results.Frame) string {
	for address := range f.Coordinators {
		return address
	}
	return ""
}

// checkSameCounts holds a report against the document that the run itself gave.
func checkSameCounts(t *testing.T, a, b report.Document) {
	t.Helper()
	counts := func(d report.Document) string {
		w, r := d.Write, d.Read
		return fmt.Sprint("write ", w.Rows, w.Attempts, w.Acknowledged, w.Failed, w.Unknown, w.Coordinators,
			" read ", r.Rows, r.Attempts, r.Found, r.MissingAtFirstRead, r.FoundLater, r.Missing, r.Wrong, r.Failed, r.Coordinators,
			" latencies ", w.Latency, r.Latency, " keys ", d.KeysEstimate, " in ", d.RunDir)
	}
	if got, want := counts(b), counts(a); got != want {
		t.Errorf("the report says\n%s\nthe run said\n%s", got, want)
	}
}

func checkReportText(t *testing.T, text, version string, rows int64) {
	t.Helper()
	grouped := fmt.Sprintf("%d,%03d", rows/1000, rows%1000)
	for _, want := range []string{version, "us-east", "us-west-2", "p99", "80"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
	if !strings.Contains(text, grouped) && !strings.Contains(text, fmt.Sprint(rows)) {
		t.Errorf("the report does not say how many rows:\n%s", text)
	}
}

// TestReproTwice does the experiment twice on one cluster, which stays up, and in
// phases of its own.
func TestReproTwice(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ string, c cluster) {
		const rows = 1000
		inv, _ := c.inventory(t, c.name)
		before := c.servers(t)
		var runs []string
		for range 2 {
			// What the run before left is read again until this run's has come.
			doc := decode[report.Document](t, c.must(t, "repro", c.name, "--rows", fmt.Sprint(rows), "-o", "json"))
			checkDocument(t, doc, inv, rows)
			runs = append(runs, doc.RunDir)
		}
		if runs[0] == runs[1] {
			t.Errorf("both runs are in %s", runs[0])
		}
		checkRing(t, decodeRing(t, c), inv)
		if after := c.servers(t); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("servers %v, before %v", after, before)
		}
	})
}

// TestOpenLoop writes and reads at a fixed rate, each phase by itself.
func TestOpenLoop(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ string, c cluster) {
		const rows, rate = 600, 400
		inv, _ := c.inventory(t, c.name)
		w := decode[load.StressResult](t, c.must(t, "stress", "write", c.name, "--rows", fmt.Sprint(rows), "--rate", fmt.Sprint(rate), "--write-consistency", "ALL", "-o", "json"))
		if w.Write == nil || w.Read != nil {
			t.Fatalf("a write is one phase: %+v", w)
		}
		checkFrame(t, w.Write.Frame, inv, "us-east", rows)
		if w.Write.Acknowledged != rows {
			t.Errorf("%+v", w.Write)
		}
		r := decode[load.StressResult](t, c.must(t, "stress", "read", c.name, "--run", filepath.Base(w.RunDir), "-o", "json"))
		if r.Read == nil || r.Write != nil || r.RunDir != w.RunDir {
			t.Fatalf("a read is one phase, of the run that was written: %+v", r)
		}
		checkFrame(t, r.Read.Frame, inv, "us-west-2", rows)
		if r.Read.Found != rows {
			t.Errorf("%+v", r.Read)
		}
		for _, f := range []results.Frame{w.Write.Frame, r.Read.Frame} {
			if f.Rate != rate || f.Response == nil {
				t.Fatalf("%s: rate %v, response times %v", f.Op, f.Rate, f.Response)
			}
			// The response includes the wait for the turn; a rate is not exceeded.
			if f.Response.Max < f.Latency.Max || f.Seconds < 0.99*(rows-1)/rate {
				t.Errorf("%s: %.3f s, response %+v, latency %+v", f.Op, f.Seconds, *f.Response, f.Latency)
			}
		}
		doc := decode[report.Document](t, c.must(t, "report", w.RunDir, "-o", "json"))
		if doc.Write == nil || doc.Read == nil || doc.Write.Acknowledged != rows || doc.Read.Found != rows {
			t.Errorf("the report of both phases: %+v, %+v", doc.Write, doc.Read)
		}

		// Pinned the other way round.
		back := decode[load.StressResult](t, c.must(t, "stress", "write", c.name, "--rows", "100", "--write-dc", "us-west-2", "-o", "json"))
		checkFrame(t, back.Write.Frame, inv, "us-west-2", 100)
		c.want(t, fail.ExitUsage, "stress", "write", c.name, "--write-dc", "eu-west-1")
	})
}
