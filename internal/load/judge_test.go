package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/cluster"
	"crossring/internal/fail"

	"crossring/stress/results"
)

// What was cut short says so, whoever did it: a signal, or a kill of somebody else,
// of which the context knows nothing.
func TestCutShort(t *testing.T) {
	f := results.Frame{Op: "read", Rows: 200, RowsAsked: 1000, Interrupted: true}
	const want = "the read was cut short after 200 of 1000 rows"
	if err := cutShort(t.Context(), nil, f); err == nil || err.Error() != want {
		t.Errorf("by nobody: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("a signal came")
	cancel(stop)
	if err := cutShort(ctx, nil, f); !errors.Is(err, stop) || err.Error() != want+": a signal came" {
		t.Errorf("by a signal: %v", err)
	}
	f.Interrupted = false
	if err := cutShort(ctx, nil, f); err != nil {
		t.Errorf("one that came to its end: %v", err)
	}
	if err := cutShort(ctx, stop, f); err != stop {
		t.Errorf("another error: %v", err)
	}
}

// One load at a time runs on a cluster, one command at a time keeps results in a
// run directory, and neither leaves anything that keeps the next one away.
func TestOneLoadAtATime(t *testing.T) {
	w := cluster.World{StateDir: t.TempDir()}
	run := filepath.Join(w.StateDir, "runs", "one")
	if err := os.MkdirAll(run, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, lock := range map[string]func() (func(), error){
		fmt.Sprintf("another load runs on cluster lab (pid %d, repro)", os.Getpid()): func() (func(), error) { l, err := lockLoad(w, "lab", "repro"); return l.free, err },
		"another command writes or reads run " + run:                                 func() (func(), error) { return lockRun(run) },
	} {
		for range 2 {
			free, err := lock()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := lock(); err == nil || fail.CodeOf(err) != fail.ExitBusy || !strings.Contains(err.Error(), name) {
				t.Errorf("a second one: %v; want exit %d and %q", err, fail.ExitBusy, name)
			}
			if other, err := lockLoad(w, "other", "repro"); err != nil {
				t.Errorf("another cluster: %v", err)
			} else {
				other.free()
			}
			free()
		}
	}
	if all, err := os.ReadDir(run); err != nil || len(all) > 0 {
		t.Errorf("a lock left %v in the run directory, %v", all, err)
	}
}
