package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"crossring/internal/journal"
)

// stepJournal is the journal of what is done in steps, and after a crash goes on with
// the first that was not done.
type stepJournal struct {
	*journal.Journal
	kind string          // of its entries
	done map[string]bool // steps that were done, by id
}

func openSteps(path, kind string) (stepJournal, error) {
	j, entries, err := journal.Open(path)
	s := stepJournal{Journal: j, kind: kind, done: map[string]bool{}}
	for _, e := range entries {
		if e.Phase == journal.PhaseResult && e.Error == "" {
			s.done[e.ID] = true
		}
	}
	return s, err
}

// journaledStep is one step.
type journaledStep struct {
	number, of int
	id         string
	text       string        // for who waits
	step       any           // for the journal
	patience   time.Duration // how long it may take
}

// journaled does a step, with its intent on disk before and its result after.
func (w World) journaled(ctx context.Context, j stepJournal, s journaledStep, do func(context.Context) error) error {
	text := fmt.Sprintf("%d of %d: %s", s.number, s.of, s.text)
	if slices.ContainsFunc(j.Pending(), func(e journal.Entry) bool { return e.ID == s.id }) {
		text += ", which was begun"
	} else if err := j.Intent(j.kind, s.id, s.step); err != nil {
		return err
	}
	err := w.stage(text, func() error {
		ctx, cancel := context.WithTimeoutCause(ctx, s.patience, fmt.Errorf("%s took longer than %s", s.id, s.patience))
		defer cancel()
		return do(ctx)
	})
	if err != nil {
		err = fmt.Errorf("step %d of %d, %s: %w", s.number, s.of, s.id, err)
	}
	return errors.Join(err, j.Result(j.kind, s.id, nil, err))
}

// readUnderWay reads what is under way, which what names; nil is nothing.
func readUnderWay[T any](path, what string) (*T, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the %s under way: %w", what, err)
	}
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return &v, nil
}

// endUnderWay removes the file of what was under way, and then its journal: without
// that it would be done again.
func endUnderWay(dir, what, file, journal string) error {
	for _, name := range []string{file, journal} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("end the %s: %w", what, err)
		}
	}
	return nil
}
