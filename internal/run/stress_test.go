package run

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"crossring/stress"
)

// The results of a run are what its report is made from, so nothing is added to
// them and nothing replaced.
func TestRunIsReadOnce(t *testing.T) {
	w := World{StateDir: t.TempDir()}
	path := filepath.Join(w.runsDir(), "lab-one")
	if _, err := stress.CreateDir(path, stress.Meta{Cluster: "lab"}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "write.raw"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	read := StressRequest{Name: "lab", Op: stress.OpRead}
	if d, err := w.openRun(read); err != nil || d == nil || d.Path != path {
		t.Errorf("a run that was not read: got %v, %v", d, err)
	}
	if err := os.WriteFile(filepath.Join(path, "read.raw"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, run := range []string{"", "lab-one", path} {
		read.Run = run
		_, err := w.openRun(read)
		var f *Fail
		if !errors.As(err, &f) || f.Code != ExitUsage || f.Hint != "crossring stress write lab" {
			t.Errorf("run %q that was read: got %#v", run, err)
		}
	}
}
