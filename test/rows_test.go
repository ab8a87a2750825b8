package test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/fail"
	"crossring/internal/load"
	"crossring/internal/report"
	"crossring/internal/verify"
	"crossring/stress/record"
	"crossring/stress/results"
)

// lastOutcomes reads raw results without a fold: of each key what was seen last of
// it, but for reads that had no answer after it was missing, and whether it was
// found by a later read.
func lastOutcomes(t *testing.T, files ...string) map[int64]string {
	t.Helper()
	seen := map[int64]string{}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		rd, err := record.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		for {
			var rec record.Record
			err := rd.Next(&rec)
			var cut *record.TruncatedError
			if errors.Is(err, io.EOF) || errors.As(err, &cut) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			switch was := seen[rec.Key]; {
			case was == "":
				seen[rec.Key] = rec.Outcome.String()
			case rec.Outcome == record.Found:
				seen[rec.Key] = "late"
			case rec.Outcome == record.Wrong:
				seen[rec.Key] = "wrong"
			}
		}
		f.Close()
	}
	return seen
}

// rawOf lists the raw results of an operation of a run, of reads the newest's.
func rawOf(t *testing.T, dir, op string) []string {
	t.Helper()
	d, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := d.Files(op)
	if err != nil || len(all) == 0 {
		t.Fatalf("no results of a %s in %s: %v", op, dir, err)
	}
	var names []string
	for _, r := range all {
		names = append(names, r.Path)
	}
	return names
}

// checkRows counts a run key by key and holds its report against that: each row once
// in the table, what is lost as lost, and what failed nowhere to be found.
func (c cluster) checkRows(t *testing.T, dir string) report.Document {
	t.Helper()
	r := c.must(t, "report", dir, "-o", "json")
	doc := decode[report.Document](t, r)
	if doc.Outcomes == nil || doc.Lost == nil || doc.Read == nil {
		t.Fatalf("no table of the rows: %s", r)
	}
	wrote, read := lastOutcomes(t, rawOf(t, dir, record.OpWrite)...), lastOutcomes(t, rawOf(t, dir, record.OpRead)...)
	table := map[string]int64{}
	for key, w := range wrote {
		o := read[key]
		if o == "" {
			o = "unread"
		}
		table[w+" "+o]++
	}
	for key := range read {
		if wrote[key] == "" {
			t.Errorf("key %d was read, and is not on record as written", key)
		}
	}
	for w, got := range map[string]results.Reads{"acknowledged": doc.Outcomes.Acknowledged, "failed": doc.Outcomes.Failed, "unknown": doc.Outcomes.Unknown} {
		want := results.Reads{Found: table[w+" found"], Late: table[w+" late"], Missing: table[w+" missing"], Wrong: table[w+" wrong"],
			Failed: table[w+" failed"], Unread: table[w+" unread"]}
		if got != want {
			t.Errorf("%s: reported %+v, counted %+v", w, got, want)
		}
	}
	if *doc.Lost != table["acknowledged missing"] || *doc.Read.MissingAcknowledged != *doc.Lost {
		t.Errorf("reported %d lost, counted %d", *doc.Lost, table["acknowledged missing"])
	}
	if n := doc.Outcomes.Failed.There(); n != 0 {
		t.Errorf("%d rows are there whose write failed", n)
	}
	t.Logf("by write and read: %v", table)
	return doc
}

// begun waits until a read of a run has results on disk.
func begun(t *testing.T, file string) {
	t.Helper()
	eventually(t, patience, "the read has begun", func() bool {
		info, err := os.Stat(file)
		return err == nil && info.Size() > 1024
	})
}

// What is said of rows holds through kills: of a server, of who writes and of who
// reads, in a table that has an earlier run's rows.
func TestRowsThroughKills(t *testing.T) {
	t.Parallel()
	sparing(t, newest, func(t *testing.T, _ string, c cluster) {
		written := func(args ...string) string {
			t.Helper()
			args = append([]string{"stress", "write", c.name, "-o", "json"}, args...)
			return decode[load.StressResult](t, c.must(t, args...)).RunDir
		}
		earlier := written("--rows", "300", "--rate", "100", "--write-consistency", "ALL") // a block of results each second

		t.Run("a server", func(t *testing.T) {
			before := c.runDirs(t)
			w := c.start(t, "stress", "write", c.name, "--rows", "6000", "--rate", "600", "--write-consistency", "ALL", "-o", "json")
			c.written(t, before)
			kill9(t, c.servers(t)["us-west-2-1"])
			r := w.wait(t)
			wrote := decode[load.StressResult](t, r)
			if r.code != fail.ExitData || wrote.Write == nil || wrote.Write.Failed == 0 || wrote.Write.Acknowledged == 0 {
				t.Fatalf("want rows from before the kill, and rows refused after it: %s", r)
			}
			c.must(t, "start", c.name+":2")
			c.awaitNamed(t)
			// Of the refused ones all are missing, wherever they are looked for: failed means
			// that it did not happen.
			for _, at := range [][]string{{"us-west-2", "LOCAL_ONE"}, {"us-east", "LOCAL_ONE"}, {"us-east", "ALL"}} {
				r := c.want(t, fail.ExitData, "stress", "read", c.name, "--run", wrote.RunDir, "--read-dc", at[0], "--read-consistency", at[1], "--missing-deadline", "1s", "-o", "json")
				doc := c.checkRows(t, wrote.RunDir)
				if o := doc.Outcomes; o.Failed.Missing != wrote.Write.Failed || o.Acknowledged.Rows() != wrote.Write.Acknowledged || o.Unknown.Rows() != wrote.Write.Unknown {
					t.Errorf("of %+v: %+v, %s", wrote.Write, o, r)
				}
				if said := strings.Contains(r.stderr, "lost"); said != (*doc.Lost > 0) {
					t.Errorf("lost %d: %s", *doc.Lost, r)
				}
			}
		})

		t.Run("the writer", func(t *testing.T) {
			before := c.runDirs(t)
			w := c.start(t, "stress", "write", c.name, "--rows", manyRows, "--rate", "1000", "--write-consistency", "ALL")
			c.written(t, before)
			// One load at a time; a second one does not wait for hours.
			for _, args := range [][]string{{"repro", c.name}, {"stress", "read", c.name, "--run", earlier}} {
				checkSays(t, c.want(t, fail.ExitBusy, args...), "another load runs on cluster "+c.name)
			}
			kill9(t, w.cmd.Process.Pid)
			w.wait(t)
			var dir string
			for d := range c.runDirs(t) {
				if !before[d] {
					dir = d
				}
			}
			on := len(lastOutcomes(t, rawOf(t, dir, record.OpWrite)...))
			r := c.must(t, "stress", "read", c.name, "--run", dir, "-o", "json")
			doc := c.checkRows(t, dir)
			if doc.Read.Rows != int64(on) || doc.Read.Found != int64(on) || *doc.Lost != 0 {
				t.Errorf("%d rows are on record: %s", on, r)
			}
			if want := fmt.Sprintf(" %d are on record as written; those are read", on); !strings.Contains(r.stderr, want) {
				t.Errorf("want %q: %s", want, r)
			}
			text := c.must(t, "report", dir).stdout
			if want := fmt.Sprintf("The write was cut short after %s of 20,000,000 rows;", report.Count(int64(on))); !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
				t.Errorf("want %q:\n%s", want, text)
			}
			c.want(t, fail.ExitUsage, "stress", "write", c.name, "--run", dir) // it is written once
		})

		t.Run("the reader", func(t *testing.T) {
			dir := written("--rows", "2000", "--write-consistency", "ALL")
			c.must(t, "stress", "read", c.name, "--run", dir)
			first := c.checkRows(t, dir)
			s := c.start(t, "stress", "read", c.name, "--run", dir, "--rate", "200")
			begun(t, filepath.Join(dir, "read.2", "read.raw"))
			kill9(t, s.cmd.Process.Pid)
			s.wait(t)
			half := c.checkRows(t, dir)
			if half.Read.Rows >= 2000 || !half.Read.Interrupted || half.Outcomes.Acknowledged.Unread != 2000-half.Read.Rows {
				t.Errorf("half a read: %+v, %+v", half.Read, half.Outcomes)
			}
			text := strings.Join(strings.Fields(c.must(t, "report", dir).stdout), " ")
			if !strings.Contains(text, "The read was cut short after") || strings.Contains(text, "confidence") {
				t.Errorf("of a read that was cut short:\n%s", text)
			}
			c.must(t, "stress", "read", c.name, "--run", dir)
			if again := c.checkRows(t, dir); again.Read.Found != 2000 || again.Read.Interrupted || first.Read.Found != 2000 {
				t.Errorf("read again: %+v", again.Read)
			}
		})

		t.Run("a damaged file", func(t *testing.T) {
			dir := copyRun(t, earlier)
			name := filepath.Join(dir, "write.raw")
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			raw[len(raw)*3/4] ^= 4
			if err := os.WriteFile(name, raw, 0o644); err != nil {
				t.Fatal(err)
			}
			r := c.want(t, fail.ExitFailure, "stress", "read", c.name, "--run", dir, "-o", "json")
			got := decode[load.StressResult](t, r)
			if got.Read == nil || got.Read.Rows >= 300 || got.Read.Found != got.Read.Rows || got.Lost != nil || got.Read.MissingAcknowledged != nil {
				t.Errorf("what is on record before the damage is read, and what is lost is not known: %s", r)
			}
			if !strings.Contains(r.stderr, "the results of the write are damaged") || !strings.Contains(c.must(t, "report", dir).stdout, "Do not trust these counts") {
				t.Errorf("it is not said: %s", r)
			}
		})

		// Without hints what is written behind a cut stays in its own region, until somebody reads
		// it at ALL.
		t.Run("a row that one replica has", func(t *testing.T) {
			c.must(t, "nodetool", c.name+":1", "disablehandoff")
			c.must(t, "fault", "partition", c.name, east, west)
			dir := written("--rows", "60", "--write-consistency", "LOCAL_ONE")
			c.must(t, "fault", "heal", c.name, east, west)
			c.must(t, "nodetool", c.name+":1", "enablehandoff")
			c.awaitWhole(t)
			verified := func(code int, args ...string) verify.Result {
				t.Helper()
				return decode[verify.Result](t, c.want(t, code, append([]string{"verify", dir, "-o", "json"}, args...)...))
			}
			checkVerified(t, verified(fail.ExitData, "--level", "LOCAL_ONE", "--deadline", "0s"), 60, verify.Present, verify.Absent)
			checkVerified(t, verified(0, "--level", "LOCAL_ONE", "--dc", "us-east"), 60, "")
			checkVerified(t, verified(0), 60, "")
			checkVerified(t, verified(0, "--level", "LOCAL_ONE"), 60, "") // mended at ALL
		})

		// Nothing of all that has touched what the earlier run wrote.
		r := c.must(t, "stress", "read", c.name, "--run", earlier, "--read-dc", "us-east", "-o", "json")
		if doc := c.checkRows(t, earlier); doc.Outcomes.Acknowledged.There() != 300 || doc.Read.StaleAtFirstRead != 0 {
			t.Errorf("the earlier run: %s", r)
		}
	})
}
