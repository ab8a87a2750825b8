package runs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"crossring/internal/export"
	"crossring/internal/topology"
	"crossring/stress/record"
	"crossring/stress/results"
)

// Exported is what was written to a file.
type Exported struct {
	Schema string `json:"schema"`
	Run    string `json:"run"` // its directory
	File   string `json:"file"`
	Format string `json:"format"`
	Per    string `json:"per"`
	Rows   int64  `json:"rows"`
}

// What a row of an exported file is of.
const (
	PerSecond  = "second"
	PerAttempt = "attempt"
)

// Export writes a run's phases, the write first, and says how many rows that is.
func Export(ctx context.Context, d *results.Dir, per, format string, w io.Writer) (rows int64, err error) {
	if per == PerAttempt {
		return exported(d, format, w, func(op string, add func(export.Attempt) error) error {
			return d.Attempts(ctx, op, func(p record.Phase, r *record.Record) error { return add(export.OfRecord(p, r)) })
		})
	}
	return exported(d, format, w, func(op string, add func(export.Second) error) error {
		secs, err := d.Seconds(ctx, op)
		for _, s := range secs {
			if err == nil {
				err = add(export.OfSecond(op, s))
			}
		}
		return err
	})
}

func exported[T export.Attempt | export.Second](d *results.Dir, format string, w io.Writer, phase func(op string, add func(T) error) error) (rows int64, err error) {
	out, err := export.New[T](format, w)
	if err != nil {
		return 0, err
	}
	found := false
	for _, op := range []string{record.OpWrite, record.OpRead} {
		err := phase(op, func(row T) error {
			rows++
			return out.Add(row)
		})
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has no such phase
		}
		if err != nil {
			return rows, fmt.Errorf("exporting run %s: %w", d.Path, err)
		}
		found = true
	}
	if !found {
		return 0, fmt.Errorf("run %s has no results: %w", d.Path, fs.ErrNotExist)
	}
	if err := out.Close(); err != nil {
		return rows, fmt.Errorf("exporting run %s: %w", d.Path, err)
	}
	return rows, nil
}

// NewExported is what Export left in a file.
func NewExported(run, file, format, per string, rows int64) Exported {
	return Exported{topology.Schema, run, file, format, per, rows}
}
