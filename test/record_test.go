package test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossring/internal/release/releasetest"
)

// cellRecord is a file that keeps what cells came to, a line of JSON each: the whole matrix
// takes hours, and one that was cut off goes on with the same file. Without a name it
// keeps nothing.
type cellRecord struct{ name, code string }

// recorded is a line of it.
type recorded struct {
	Code, Cell, Outcome string
	Rows                int64
	UpSeconds, Seconds  float64
}

// newRecord is the one that CROSSRING_MATRIX_RECORD names.
func newRecord(t *testing.T) cellRecord {
	t.Helper()
	r := cellRecord{name: os.Getenv("CROSSRING_MATRIX_RECORD")}
	if r.name == "" {
		return r
	}
	// What a cell came to holds for the program and the suite of that day, and goes on
	// holding when something else is committed.
	same := filepath.Join(t.TempDir(), "crossring")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", same, "crossring")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	digest := sha256.New()
	for _, name := range []string{same, "suite_test.go", "places_test.go"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		digest.Write(data)
	}
	r.code = hex.EncodeToString(digest.Sum(nil))[:16]
	return r
}

// passed is what an earlier run of the same code found of a cell, if that was good.
func (r cellRecord) passed(t *testing.T, c cell, rows int64) (o outcome, ok bool) {
	t.Helper()
	if r.name == "" {
		return o, false
	}
	data, err := os.ReadFile(r.name)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var was recorded
		if err := json.Unmarshal([]byte(line), &was); err != nil {
			continue // torn: the last line of a run that was killed
		}
		if was.Code == r.code && was.Cell == c.String() && was.Rows == rows && was.Outcome == "ok" {
			seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
			o, ok = outcome{cell: c, text: "ok, in an earlier run of this code", up: seconds(was.UpSeconds), total: seconds(was.Seconds)}, true
		}
	}
	return o, ok
}

// keep adds a cell's outcome.
func (r cellRecord) keep(t *testing.T, o outcome, rows int64) {
	t.Helper()
	if r.name == "" {
		return
	}
	line, err := json.Marshal(recorded{r.code, o.cell.String(), o.text, rows, o.up.Seconds(), o.total.Seconds()})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(r.name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		// The line before may be torn: a run was killed while it wrote it. Lines that are
		// empty are passed over.
		_, err = f.WriteString("\n" + string(line) + "\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A matrix that is begun again does not repeat what it passed, and does repeat the rest.
func TestRecordOfTheMatrix(t *testing.T) {
	cells := allCells(releasetest.All())
	r := cellRecord{filepath.Join(t.TempDir(), "record"), "c1"}
	if _, ok := r.passed(t, cells[0], 20); ok {
		t.Error("there is no record yet")
	}
	r.keep(t, outcome{cells[0], "failed", 0, time.Minute}, 20)
	r.keep(t, outcome{cells[0], "ok", 9 * time.Second, time.Minute}, 20)
	r.keep(t, outcome{cells[1], "failed", 0, time.Minute}, 20)
	data, err := os.ReadFile(r.name)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, r.name, string(data)+`{"Code":"c1","Ce`) // killed
	r.keep(t, outcome{cells[3], "ok", 9 * time.Second, time.Minute}, 20)
	for _, c := range []struct {
		cellRecord
		cell cell
		rows int64
		want bool
	}{{r, cells[0], 20, true}, {r, cells[1], 20, false}, {r, cells[2], 20, false}, {r, cells[3], 20, true}, {r, cells[0], 21, false}, {cellRecord{r.name, "c2"}, cells[0], 20, false}, {cellRecord{}, cells[0], 20, false}} {
		o, ok := c.passed(t, c.cell, c.rows)
		if ok != c.want || ok && (o.cell.String() != c.cell.String() || o.up != 9*time.Second || o.total != time.Minute) {
			t.Errorf("%s of code %s with %d rows: %+v, %v", c.cell, c.code, c.rows, o, ok)
		}
	}
}
