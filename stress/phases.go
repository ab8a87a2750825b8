package stress

import (
	"context"
	"errors"
	"io"
	"os"

	"crossring/stress/record"
	"crossring/stress/results"
)

// Write runs a write phase into a run directory and sums it up. A summary comes
// with an error too, as far as there are results.
func Write(ctx context.Context, d *results.Dir, cfg Config, progress func(Progress)) (results.Summary, error) {
	cfg.Op, cfg.RunID = record.OpWrite, d.Meta.RunID
	s, err := into(ctx, d, cfg, progress)
	if s.Write != nil {
		err = errors.Join(err, s.Write.Check())
	}
	return s, err
}

// Read runs a read phase into a run directory and sums it up, like Write. If the
// directory has the results of the write, the acknowledgements come from there.
func Read(ctx context.Context, d *results.Dir, cfg Config, progress func(Progress)) (results.Summary, error) {
	cfg.Op, cfg.RunID = record.OpRead, d.Meta.RunID
	if cfg.Acks == nil && cfg.Follow == nil {
		acks, err := d.Acks(ctx)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return results.Summary{}, err
		}
		cfg.Acks = acks
	}
	s, err := into(ctx, d, cfg, progress)
	if s.Read != nil {
		err = errors.Join(err, s.Read.Check())
	}
	return s, err
}

// into makes the raw results and, from them, the other files.
func into(ctx context.Context, d *results.Dir, cfg Config, progress func(Progress)) (results.Summary, error) {
	g, err := d.Begin(cfg.Op)
	if err != nil {
		return results.Summary{}, err
	}
	f, err := g.Create()
	if err != nil {
		return results.Summary{}, errors.Join(err, g.Close())
	}
	err = Run(ctx, cfg, f, progress)
	size, seekErr := f.Seek(0, io.SeekCurrent)
	err = errors.Join(err, f.Close(), g.Close())
	if err != nil && seekErr == nil && size == 0 {
		return results.Summary{}, err // nothing was begun
	}
	s, refreshErr := d.Refresh(context.WithoutCancel(ctx)) // what was recorded is summed up, also after a Ctrl-C
	return s, errors.Join(err, refreshErr)
}
