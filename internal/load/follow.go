package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"crossring/internal/fail"
	"crossring/stress"
	"crossring/stress/record"
	"crossring/stress/results"
)

// The bounds of how long after its acknowledgement a row is read. Nothing begins more
// exactly than the least; latencies are recorded up to the most.
const (
	leastReadAfter = time.Millisecond
	mostReadAfter  = 10 * time.Minute
)

// checkReadAfter says what is wrong with reading each row so long after its acknowledgement;
// nil is not asked for.
func (r *repro) checkReadAfter(after *time.Duration) error {
	switch {
	case after == nil:
		return nil
	case *after < leastReadAfter || *after > mostReadAfter:
		return fail.Usage("", fmt.Errorf("--read-after: must be from %v to %v, not %v: reads don't begin more exactly than that", leastReadAfter, mostReadAfter, *after), "crossring help repro")
	case r.Remote() && r.perDC > 0:
		return fail.Usage("", errors.New("--read-after: the reads take each row from the write that runs beside them, in one process: add --loaders 0"), "crossring help repro")
	}
	return nil
}

// writeAndRead does both at the same time: each row is read so long after its own
// acknowledgement.
func (r *repro) writeAndRead(ctx context.Context, after time.Duration) error {
	defer WatchFaults(r.World, r.Cluster, r.dir.Path, record.OpWrite)()
	follow := stress.NewFollow(after)
	cfgs := map[string]stress.Config{}
	for _, op := range []string{record.OpWrite, record.OpRead} {
		cfg, err := phase(r.World, r.Cluster, r.settings, op)
		if err != nil {
			return err
		}
		cfg.Keys, cfg.Follow = record.Keys{{First: r.dir.Meta.FirstKey, Rows: r.settings.Rows}}, follow
		cfgs[op] = cfg
	}
	// A read that can't go on ends the write, too: nothing would be read of it.
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	var both sync.WaitGroup
	var writeErr, readErr error
	both.Go(func() {
		defer follow.End()
		_, writeErr = stress.Write(ctx, r.dir, cfgs[record.OpWrite], func(p stress.Progress) { r.shown.phase(r.settings.WriteDC, p) })
	})
	both.Go(func() {
		if _, readErr = stress.Read(ctx, r.dir, cfgs[record.OpRead], r.progress); readErr != nil {
			giveUp(fmt.Errorf("the read beside the write failed: %w", readErr))
		}
	})
	both.Wait()
	s, err := r.dir.Refresh(context.WithoutCancel(ctx)) // either may have been summed up while the other still ran
	err = errors.Join(writeErr, readErr, err)
	var frames []results.Frame
	if s.Write != nil {
		r.doc.Write = s.Write
		frames = append(frames, s.Write.Frame)
	}
	if s.Read != nil {
		r.doc.Read = s.Read
		frames = append(frames, s.Read.Frame)
	}
	if s.Outcomes != nil {
		r.doc.Account = s.Account
	}
	for _, f := range frames {
		if err = cutShort(ctx, err, f); err != nil {
			return err
		}
	}
	return err
}
