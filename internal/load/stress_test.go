package load

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/report"
	"crossring/stress/record"
	"crossring/stress/results"
)

// What a run wrote is what its reads are held against: nothing is added to it and
// nothing replaced.
func TestRunIsWrittenOnce(t *testing.T) {
	w := cluster.World{StateDir: t.TempDir()}
	path := filepath.Join(runsDir(w), "lab-one")
	if _, err := results.Create(path, results.Meta{Cluster: "lab"}); err != nil {
		t.Fatal(err)
	}
	open := func(op, run string) error {
		d, err := openRun(w, StressRequest{Name: "lab", Op: op, Run: run})
		if err == nil && d.Path != path {
			t.Errorf("%s of run %q: opened %s", op, run, d.Path)
		}
		return err
	}
	if err := open(record.OpWrite, "lab-one"); err != nil {
		t.Errorf("a run without a write: %v", err)
	}
	for _, file := range []string{"write.raw", "read.raw"} {
		if err := os.WriteFile(filepath.Join(path, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, run := range []string{"lab-one", path} {
		var f *fail.Error
		if err := open(record.OpWrite, run); !errors.As(err, &f) || f.Code != fail.ExitUsage || f.Hint != "crossring stress write lab" {
			t.Errorf("a second write of run %q: got %#v", run, err)
		}
	}
	for _, run := range []string{"", "lab-one", path} {
		if err := open(record.OpRead, run); err != nil {
			t.Errorf("a second read of run %q: %v", run, err)
		}
	}
}

// Nor is it written again beside what loaders wrote.
func TestRunIsWrittenOnceByLoaders(t *testing.T) {
	w := cluster.World{StateDir: t.TempDir()}
	path := filepath.Join(runsDir(w), "lab-one")
	d, err := results.Create(path, results.Meta{Cluster: "lab"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "write-us-east-1-1.raw"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var f *fail.Error
	if _, err := openRun(w, StressRequest{Name: "lab", Op: record.OpWrite, Run: "lab-one"}); !errors.As(err, &f) || f.Code != fail.ExitUsage {
		t.Errorf("a second write: got %#v", err)
	}
	if _, err := d.Begin(record.OpWrite); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second write in the directory: %v", err)
	}
}

// The document of a run is replaced as one: somebody who reads it meanwhile, or a crash,
// never has half of it.
func TestReportIsWrittenWhole(t *testing.T) {
	dir := t.TempDir()
	doc := report.New("gk")
	doc.RunDir = dir
	if err := writeDocument(doc); err != nil {
		t.Fatal(err)
	}
	before, err := os.Open(filepath.Join(dir, reportFile))
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	doc.Cluster = "another"
	if err := writeDocument(doc); err != nil {
		t.Fatal(err)
	}
	// Who had it open has the whole of the first.
	var old, now report.Document
	if err := json.NewDecoder(before).Decode(&old); err != nil || old.Cluster != "gk" {
		t.Errorf("the first: %q, %v", old.Cluster, err)
	}
	if err := readDocument(dir, &now); err != nil || now.Cluster != "another" {
		t.Errorf("the second: %q, %v", now.Cluster, err)
	}
}
