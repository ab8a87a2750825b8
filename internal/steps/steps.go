// Package steps does work that is made of steps, each once, whatever crashes in
// between: a step's intent is on disk before it is begun and its result after, and who
// comes later goes on with the first that has none.
package steps

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"crossring/internal/journal"
)

// Step is one piece of work. Do looks at what is and does what is missing: it may have
// been begun, or even done, by a process that died before it could say so.
type Step struct {
	ID       string
	Text     string        // for who waits
	What     any           // for the journal, beside the intent
	Patience time.Duration // how long it may take
	Do       func(context.Context) error
}

// Work is what is to be done.
type Work struct {
	Path  string // of the journal
	Kind  string // of the journal's entries
	Steps []Step
	// Begin is told the steps that were done before, by id; nil need not know.
	Begin func(done map[string]bool) error
	// Until is asked before each step, and ends the work there when it says so; nil never
	// does.
	Until func(i int) bool
	// Ended is told of each step that has been done, now or earlier; nil need not know.
	Ended func(i int, earlier bool, took time.Duration)
	// Stage does f as something that is reported under a text.
	Stage func(text string, f func() error) error
	// Now is a clock.
	Now func() time.Time
}

// Run does the steps in order, but for those that were done, and stops at the first that
// fails. whole says that all of them have been done.
func Run(ctx context.Context, w Work) (whole bool, err error) {
	j, entries, err := journal.Open(w.Path)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	done := map[string]bool{}
	for _, e := range entries {
		if e.Phase == journal.PhaseResult && e.Error == "" {
			done[e.ID] = true
		}
	}
	if w.Begin != nil {
		if err := w.Begin(done); err != nil {
			return false, err
		}
	}
	for i, s := range w.Steps {
		if w.Until != nil && w.Until(i) {
			return false, nil
		}
		earlier, start := done[s.ID], w.Now()
		if !earlier {
			if err := w.one(ctx, j, i); err != nil {
				return false, err
			}
		}
		if w.Ended != nil {
			w.Ended(i, earlier, w.Now().Sub(start))
		}
	}
	return true, nil
}

// one does a step, with its intent on disk before and its result after.
func (w Work) one(ctx context.Context, j *journal.Journal, i int) error {
	s := w.Steps[i]
	text := fmt.Sprintf("%d of %d: %s", i+1, len(w.Steps), s.Text)
	if slices.ContainsFunc(j.Pending(), func(e journal.Entry) bool { return e.ID == s.ID }) {
		text += ", which was begun"
	} else if err := j.Intent(w.Kind, s.ID, s.What); err != nil {
		return err
	}
	err := w.Stage(text, func() error {
		ctx, cancel := context.WithTimeoutCause(ctx, s.Patience, fmt.Errorf("%s took longer than %s", s.ID, s.Patience))
		defer cancel()
		return s.Do(ctx)
	})
	if err != nil {
		err = fmt.Errorf("step %d of %d, %s: %w", i+1, len(w.Steps), s.ID, err)
	}
	return errors.Join(err, j.Result(w.Kind, s.ID, nil, err))
}

// Read reads what is under way, which what names in errors; nil is nothing.
func Read[T any](path, what string) (*T, error) {
	var v T
	err := journal.ReadJSON(path, &v)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the %s under way: %w", what, err)
	}
	return &v, nil
}

// End removes the file of what was under way, and then its journal: without that file it
// would be done again.
func End(dir, what, file, journal string) error {
	for _, name := range []string{file, journal} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("ending the %s: %w", what, err)
		}
	}
	return nil
}
