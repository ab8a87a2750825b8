package test

import (
	"slices"
	"testing"

	"crossring/internal/latency"
	"crossring/internal/release"
)

// checkForecast holds the cells of a plan of one node in each of two regions that are 80 ms
// apart against what their levels wait for.
func checkForecast(t *testing.T, f latency.Forecast, version string) {
	t.Helper()
	rel, err := release.Find(version)
	if err != nil {
		t.Fatal(err)
	}
	cells := 2 * 16
	if len(rel.PaxosWrite) == 0 {
		cells -= 2 * 4
	}
	if !rel.EachQuorumReads {
		cells -= 2
	}
	if len(f.Cells) != cells || (len(f.LeftOut) > 0) == (cells == 32) {
		t.Errorf("cassandra %s: %d cells, want %d; left out: %v", version, len(f.Cells), cells, f.LeftOut)
	}
	for _, c := range f.Cells {
		if c.Predicted == nil || c.Predicted.P50 > c.Predicted.P99 {
			t.Errorf("%+v has no prediction", c)
			continue
		}
		far := c.Predicted.P50 >= 64 // the round trip between the regions
		if here := slices.Contains([]string{"ONE", "LOCAL_ONE", "LOCAL_QUORUM", "LOCAL_SERIAL"}, c.Consistency); far == here && c.Measured == nil {
			t.Errorf("%+v", c)
		}
	}
}

// checkLatency holds what was measured of such a cluster against its round trips, which nothing
// that waits for the other region can be faster than.
func checkLatency(t *testing.T, res latency.Result, version string) {
	t.Helper()
	checkForecast(t, res.Forecast, version)
	trip := *res.RoundTrips[0].Millis
	for _, c := range res.Cells {
		if c.Measured == nil || c.N != 3 || c.Failed != 0 {
			t.Errorf("%+v was not measured three times", c)
			continue
		}
		if far := !slices.Contains([]string{"ONE", "LOCAL_ONE", "LOCAL_QUORUM", "LOCAL_SERIAL"}, c.Consistency); far && c.Measured.P50 < 0.95*trip*float64(c.RoundTrips) {
			t.Errorf("%s at %s took %.1f ms, and a round trip takes %.1f", c.Op, c.Consistency, c.Measured.P50, trip)
		}
	}
	if len(res.Traces) != len(res.Cells) {
		t.Errorf("%d traces of %d cells", len(res.Traces), len(res.Cells))
	}
	for _, tr := range res.Traces {
		both := map[string]bool{}
		for _, a := range tr.Answers {
			both[a.Datacenter] = true
		}
		// Traces are written when the answer is out, and may come late: no answer from elsewhere is
		// no proof. One that a read at a local level had is.
		if tr.Op == latency.OpRead && (tr.Consistency == "LOCAL_ONE" || tr.Consistency == "LOCAL_QUORUM") && len(both) > 1 {
			t.Errorf("a read at %s asked both datacenters: %+v", tr.Consistency, tr)
		}
		if tr.Millis != nil && tr.Consistency == "ALL" && !both[tr.Datacenter] {
			t.Errorf("%+v has no answer of its own datacenter", tr)
		}
	}
}

// TestLatencyPage types what docs/latency.md says, line by line.
func TestLatencyPage(t *testing.T) {
	needLong(t)
	typePage(t, sharedCluster(t, newest), "latency.md", 3)
}
