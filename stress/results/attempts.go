package results

import (
	"context"
	"errors"
	"fmt"
	"io"

	"crossring/stress/record"
)

// Attempts calls each with every attempt of a phase, in the order in which they were recorded,
// one loader after the other. Results that break off are gone through as far as they go.
func (d *Dir) Attempts(ctx context.Context, op string, each func(record.Phase, *record.Record) error) error {
	return d.with(ctx, op, func(raws []io.Reader) error {
		for _, raw := range raws {
			if err := attempts(raw, each); err != nil {
				return err
			}
		}
		return nil
	})
}

func attempts(raw io.Reader, each func(record.Phase, *record.Record) error) error {
	rd, err := record.NewReader(raw)
	var cut *record.TruncatedError
	for rec := (record.Record{}); err == nil; {
		if err = rd.Next(&rec); err != nil {
			break
		}
		if err := each(rd.Phase(), &rec); err != nil {
			return err
		}
	}
	if errors.Is(err, io.EOF) || errors.As(err, &cut) {
		return nil
	}
	return fmt.Errorf("going through attempts: %w", err)
}
