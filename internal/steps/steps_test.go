package steps

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// crash is what ends a process in the middle of a step, as a kill does: nothing after it
// is run, and nothing is written any more.
type crash struct{ at string }

// process does the work of five steps and dies where it is told to, "" nowhere. It
// returns what was done in it, in order.
func process(t *testing.T, path, dies string, fails map[string]error) (did []string, whole bool, err error) {
	t.Helper()
	w := Work{
		Path: path, Kind: "step", Now: time.Now,
		Stage: func(text string, f func() error) error {
			if dies == "before "+text[:1] {
				panic(crash{dies})
			}
			err := f()
			if dies == "after "+text[:1] {
				panic(crash{dies})
			}
			return err
		},
	}
	for i := range 5 {
		id := fmt.Sprint(i + 1)
		w.Steps = append(w.Steps, Step{ID: id, Text: "step " + id, Patience: time.Minute, Do: func(context.Context) error {
			if fails[id] != nil {
				return fails[id]
			}
			did = append(did, id)
			return nil
		}})
	}
	defer func() {
		if r := recover(); r != nil {
			if _, ours := r.(crash); !ours {
				panic(r)
			}
			err = errors.New("killed")
		}
	}()
	whole, err = Run(t.Context(), w)
	return did, whole, err
}

// A process that dies anywhere is followed by one that goes on where it was: every step
// is done, none that has a result is done again, and their order holds.
func TestCrashInEveryStep(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		for i := 1; i <= 5; i++ {
			at := fmt.Sprintf("%s %d", when, i)
			path := filepath.Join(t.TempDir(), "journal")
			first, _, err := process(t, path, at, nil)
			if err == nil {
				t.Fatalf("%s: did not die", at)
			}
			second, whole, err := process(t, path, "", nil)
			if err != nil || !whole {
				t.Errorf("%s: whole %t, %v", at, whole, err)
			}
			// A step whose result was not written is done again, from the start of it.
			want := []string{"1", "2", "3", "4", "5"}[i-1:]
			if !slices.Equal(second, want) {
				t.Errorf("%s: first did %v, then %v; want then %v", at, first, second, want)
			}
			if third, whole, err := process(t, path, "", nil); len(third) > 0 || !whole || err != nil {
				t.Errorf("%s: after the end: did %v, whole %t, %v", at, third, whole, err)
			}
		}
	}
}

// A step that fails ends the work, says which it was, and is tried again.
func TestStepThatFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	broken := errors.New("no room")
	did, whole, err := process(t, path, "", map[string]error{"3": broken})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "step 3 of 5, 3: ") || whole || !slices.Equal(did, []string{"1", "2"}) {
		t.Errorf("did %v, whole %t, %v", did, whole, err)
	}
	if did, whole, err := process(t, path, "", nil); !slices.Equal(did, []string{"3", "4", "5"}) || !whole || err != nil {
		t.Errorf("then did %v, whole %t, %v", did, whole, err)
	}
}

func TestHooks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	var begun []map[string]bool
	var texts, ended []string
	run := func(until int) (bool, error) {
		return Run(t.Context(), Work{
			Path: path, Kind: "step", Now: time.Now,
			Steps: []Step{{ID: "a", Patience: time.Minute, Do: ok}, {ID: "b", Patience: time.Minute, Do: ok}},
			Begin: func(done map[string]bool) error { begun = append(begun, done); return nil },
			Until: func(i int) bool { return i == until },
			Ended: func(i int, earlier bool, _ time.Duration) { ended = append(ended, fmt.Sprint(i, earlier)) },
			Stage: func(text string, f func() error) error { texts = append(texts, text); return f() },
		})
	}
	if whole, err := run(1); whole || err != nil {
		t.Errorf("stopped after one: whole %t, %v", whole, err)
	}
	if whole, err := run(-1); !whole || err != nil {
		t.Errorf("to the end: whole %t, %v", whole, err)
	}
	if len(begun) != 2 || len(begun[0]) != 0 || !begun[1]["a"] || begun[1]["b"] {
		t.Errorf("begun with %v", begun)
	}
	if !slices.Equal(ended, []string{"0 false", "0 true", "1 false"}) {
		t.Errorf("ended: %v", ended)
	}
	if !slices.Equal(texts, []string{"1 of 2: ", "2 of 2: "}) {
		t.Errorf("texts: %q", texts)
	}
}

func ok(context.Context) error { return nil }

// What takes too long is ended, with the step's name and how long it had.
func TestPatience(t *testing.T) {
	_, err := Run(t.Context(), Work{
		Path: filepath.Join(t.TempDir(), "journal"), Kind: "step", Now: time.Now,
		Steps: []Step{{ID: "slow", Patience: time.Millisecond, Do: func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}}},
		Stage: func(_ string, f func() error) error { return f() },
	})
	if err == nil || !strings.Contains(err.Error(), "slow took longer than 1ms") {
		t.Errorf("%v", err)
	}
}
