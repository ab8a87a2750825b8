package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/journal"
	"crossring/internal/lag"
	"crossring/internal/report"
	"crossring/internal/runs"
	"crossring/internal/safely"
	"crossring/stress/record"
	"crossring/stress/results"
)

// pageFile is the report of a run as a page, in its directory.
const pageFile = "report.html"

// courseOf is how a run went over time, from its raw results.
func courseOf(ctx context.Context, dir *results.Dir) (report.Course, error) {
	var c report.Course
	var err error
	for _, p := range []struct {
		op string
		to *[]results.Second
	}{{record.OpWrite, &c.Write}, {record.OpRead, &c.Read}} {
		if *p.to, err = dir.Seconds(ctx, p.op); err != nil && !errors.Is(err, os.ErrNotExist) {
			return c, err
		}
	}
	faults, err := ReadRunFaults(dir.Path)
	if err != nil || faults == nil {
		return c, err
	}
	for _, p := range faults.Phases {
		// Of several reads the last counts; one that ran beside the write began with it.
		if at := p.Since; p.Op == record.OpWrite {
			c.WriteSince = &at
		} else {
			c.ReadSince = &at
		}
	}
	if c.ReadSince == nil && len(c.Read) > 0 {
		c.ReadSince = c.WriteSince
	}
	return c, nil
}

// writePage makes the page of a run, and says whether there is one. Without it the run is
// what it is.
func writePage(ctx context.Context, w cluster.World, doc report.Document) bool {
	ctx = context.WithoutCancel(ctx)
	err := func() error {
		dir, err := results.Open(doc.RunDir)
		if err != nil {
			return err
		}
		course, err := courseOf(ctx, dir)
		if err != nil {
			return err
		}
		var page bytes.Buffer
		if err := report.HTML(&page, doc, course); err != nil {
			return err
		}
		return safely.Write(filepath.Join(doc.RunDir, pageFile), page.Bytes(), 0o644)
	}()
	if err != nil {
		w.Say("warning: the report is not there as a page: %v", err)
	}
	return err == nil
}

// keepLag writes a measurement of lag into a directory of its own, as a document and a page.
func keepLag(w cluster.World, res *lag.Result) error {
	if res.Started == nil || len(res.Pairs) == 0 {
		return nil // nothing was measured
	}
	dir := filepath.Join(runsDir(w), fmt.Sprintf("%s-lag-%s", res.Cluster, res.Started.UTC().Format("20060102T150405.000Z")))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keeping the measurement: %w", err)
	}
	res.RunDir = dir
	if err := safely.JSON(filepath.Join(dir, runs.LagFile), res, 0o644); err != nil {
		return fmt.Errorf("keeping the measurement: %w", err)
	}
	var page bytes.Buffer
	if err := report.LagHTML(&page, *res); err != nil {
		return err
	}
	if err := safely.Write(filepath.Join(dir, pageFile), page.Bytes(), 0o644); err != nil {
		return fmt.Errorf("keeping the measurement: %w", err)
	}
	w.Say("the report as a page: %s", filepath.Join(dir, pageFile))
	return nil
}

// FindRun is the directory of a run: itself, its name, the name of a cluster for the newest of
// that, or "latest".
func FindRun(w cluster.World, ref string) (string, error) {
	path, err := runs.Find(runsDir(w), ref)
	if err != nil {
		return "", fail.Usage("", err, "ls "+runsDir(w))
	}
	return path, nil
}

// LagReport is the measurement of lag that is kept in a directory; false where it is of
// something else.
func LagReport(path string) (lag.Result, bool, error) {
	var res lag.Result
	err := journal.ReadJSON(filepath.Join(path, runs.LagFile), &res)
	if errors.Is(err, os.ErrNotExist) {
		return res, false, nil
	}
	return res, true, err
}
