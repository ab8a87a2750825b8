package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/load"
	"crossring/internal/report"
	"crossring/stress/results"
)

// manyRows are more than any test waits for.
const manyRows = "20000000"

// checkCutShort holds the summary of a write that a signal ended against what an
// honest one says.
func checkCutShort(t *testing.T, r result, w *results.WriteSummary) {
	t.Helper()
	if r.code != 130 {
		t.Errorf("want exit 130: %s", r)
	}
	if w == nil {
		t.Fatalf("no summary of the write: %s", r)
	}
	if !w.Interrupted || w.Rows == 0 || w.Rows >= w.RowsAsked {
		t.Errorf("interrupted %t after %d of %d rows", w.Interrupted, w.Rows, w.RowsAsked)
	}
	if w.Acknowledged+w.Failed+w.Unknown != w.Rows {
		t.Errorf("%d acknowledged + %d failed + %d unknown are not %d rows", w.Acknowledged, w.Failed, w.Unknown, w.Rows)
	}
	if err := w.Check(); err != nil {
		t.Error(err)
	}
}

// written waits until rows are being written: there are raw results in a run
// directory that was not there before.
func (h home) written(t *testing.T, before map[string]bool) {
	t.Helper()
	eventually(t, patience, "rows are written", func() bool {
		for dir := range h.runDirs(t) {
			info, err := os.Stat(filepath.Join(dir, "write.raw"))
			if !before[dir] && err == nil && info.Size() > 4096 {
				return true
			}
		}
		return false
	})
}

func (h home) runDirs(t *testing.T) map[string]bool {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(h.state, "runs", "*"))
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{}
	for _, d := range dirs {
		set[d] = true
	}
	return set
}

func TestInterruptStressWrite(t *testing.T) {
	t.Parallel()
	c := sharedCluster(t, oldest)
	before := c.runDirs(t)
	s := c.start(t, "stress", "write", c.name, "--rows", manyRows, "-o", "json")
	c.written(t, before)
	s.signal(t, os.Interrupt)
	r := s.wait(t)
	got := decode[load.StressResult](t, r)
	checkCutShort(t, r, got.Write)
	checkInterruptedError(t, r)
	c.readBack(t, got.RunDir, int(min(got.Write.Rows, 1000))) // the first of those that were written
	c.must(t, "ring", c.name)
}

func checkInterruptedError(t *testing.T, r result) {
	t.Helper()
	got := decode[struct {
		Error struct {
			Code    int
			Message string
		}
	}](t, r)
	if got.Error.Code != 130 || !strings.Contains(got.Error.Message, "interrupt") {
		t.Errorf("want an error of code 130 in the answer: %s", r)
	}
	if !strings.Contains(r.stderr, "crossring: interrupt: finishing what is in flight; once more leaves at once") {
		t.Errorf("want to be told what happens: %s", r)
	}
}

func TestInterruptRepro(t *testing.T) {
	t.Parallel()
	c := sharedCluster(t, oldest)
	before := c.runDirs(t)
	s := c.start(t, "repro", c.name, "--rows", manyRows)
	c.written(t, before)
	s.signal(t, os.Interrupt)
	r := s.wait(t)
	if r.code != 130 {
		t.Errorf("want exit 130: %s", r)
	}
	for _, want := range []string{"Write in us-east", "interrupted after ", " of 20,000,000 rows", "The write was cut short after "} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("want %q in the report: %s", want, r)
		}
	}
	// The same can be had again from the run directory.
	for dir := range c.runDirs(t) {
		if before[dir] {
			continue
		}
		doc := decode[report.Document](t, c.must(t, "report", dir, "-o", "json"))
		checkCutShort(t, r, doc.Write)
		if doc.RingBefore == nil || doc.RingAfter != nil || doc.Read != nil {
			t.Errorf("the document should end with the write: %s", r)
		}
	}
	c.must(t, "ring", c.name)
}

func TestInterruptDemo(t *testing.T) {
	beside(t, standIns(2))
	h := processHome(t)
	s := h.start(t, "demo", "--name", "show", "--cassandra", oldest, "--rows", manyRows, "-o", "json")
	t.Cleanup(func() { h.clear("show") })
	h.written(t, nil)
	inv, _ := h.inventory(t, "show")
	s.signal(t, os.Interrupt)
	r := s.wait(t)
	doc := decode[report.Document](t, r)
	checkCutShort(t, r, doc.Write)
	checkInterruptedError(t, r)
	h.checkGone(t, inv)
}

func TestInterruptDemoDuringUp(t *testing.T) {
	beside(t, standIns(2))
	h := processHome(t)
	s := h.start(t, "demo", "--name", "show", "--cassandra", oldest)
	t.Cleanup(func() { h.clear("show") })
	s.says(t, "every node sees every node")
	inv, _ := h.inventory(t, "show")
	s.signal(t, os.Interrupt)
	if r := s.wait(t); r.code != 130 {
		t.Errorf("want exit 130: %s", r)
	}
	h.checkGone(t, inv)
}

func TestInterruptTwice(t *testing.T) {
	beside(t, standIns(2))
	h := processHome(t)
	c := h.up(t, "twice", oneByOne("twice", oldest))
	s := c.start(t, "stress", "write", c.name, "--rows", manyRows)
	c.written(t, nil)
	// A server that hangs answers nothing: what is in flight takes until its timeout.
	stopProcess(t, c.servers(t)["us-east-1-1"])
	s.signal(t, os.Interrupt)
	s.says(t, "once more leaves at once")
	s.signal(t, os.Interrupt)
	r := s.wait(t)
	if r.code != 130 || !strings.Contains(r.stderr, "crossring: leaving at once") {
		t.Errorf("want exit 130, at once: %s", r)
	}
	inv, _ := h.inventory(t, c.name)
	c.must(t, "down", c.name) // a server that hangs is no obstacle
	h.checkGone(t, inv)
}

func TestInterruptDemoTwice(t *testing.T) {
	beside(t, standIns(2))
	h := processHome(t)
	s := h.start(t, "demo", "--name", "show", "--cassandra", oldest, "--rows", manyRows)
	t.Cleanup(func() { h.clear("show") })
	h.written(t, nil)
	inv, _ := h.inventory(t, "show")
	// Without its answer the cluster is not taken down, so there is a second time.
	stopProcess(t, h.keeper(t))
	s.signal(t, os.Interrupt)
	s.says(t, "take show down ...")
	s.signal(t, os.Interrupt)
	if r := s.wait(t); r.code != 130 || !strings.Contains(r.stderr, "crossring: leaving at once") {
		t.Errorf("want exit 130, at once: %s", r)
	}
	resumeProcess(t, h.keeper(t))
	h.must(t, "down", "show")
	h.checkGone(t, inv)
}

func TestInterruptUp(t *testing.T) {
	beside(t, standIns(2))
	for _, next := range []string{"up", "down"} {
		t.Run("then "+next, func(t *testing.T) {
			h := processHome(t)
			file := h.spec(t, oneByOne("again", oldest))
			t.Cleanup(func() { h.clear("again") })
			s := h.start(t, "up", "-f", file, "-o", "json")
			s.says(t, "every node sees every node")
			s.signal(t, os.Interrupt)
			r := s.wait(t)
			if r.code != 130 {
				t.Errorf("want exit 130: %s", r)
			}
			checkInterruptedError(t, r)
			for _, want := range []string{"2 of its 2 servers run", "crossring up again", "crossring down again"} {
				if !strings.Contains(r.stderr[strings.Index(r.stderr, "interrupt"):], want) {
					t.Errorf("want to be told what runs, and what to do with it, %q: %s", want, r)
				}
			}
			inv, made := h.inventory(t, "again")
			if !made {
				t.Fatalf("nothing was made: %s", r)
			}
			if next == "up" {
				servers := h.servers(t)
				h.must(t, "up", "-f", file)
				h.must(t, "ring", "again")
				for node, pid := range h.servers(t) {
					if servers[node] != pid {
						t.Errorf("%s runs anew: pid %d, was %d", node, pid, servers[node])
					}
				}
			}
			h.must(t, "down", "again")
			h.checkGone(t, inv)
		})
	}
}
