package load

import (
	"errors"
	"fmt"
	"strings"

	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/stress/results"
)

// Thresholds are the shares of the rows, 0..1, that may be amiss before a run
// counts as failed.
type Thresholds struct {
	// Threshold is for rows that are missing, wrong, failed or unknown, each of
	// which counts once.
	Threshold float64
	// Lost is for acknowledged rows that are lost, of those that were acknowledged.
	Lost float64
}

// judge holds what became of the rows against the thresholds. Of a phase on its own
// the other one is nil; its rows count all the same where they say more.
func judge(wr *results.WriteSummary, rd *results.ReadSummary, rows results.Account, t Thresholds, runDir string) error {
	hint := plain.Command("crossring", "report", runDir)
	if rows.Outcomes != nil {
		if n := rows.Outcomes.Failed.There(); n > 0 {
			return &fail.Error{Code: fail.ExitFailure, Op: "", Hint: hint, Err: fmt.Errorf(
				"rows are there whose write is on record as failed, which means that it did not happen: %d of them; this is an error of crossring's own, please report it with %s", n, runDir)}
		}
	}
	var bad int64
	var parts []string
	count := func(n int64, what string) {
		if bad += n; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	var all int64
	switch {
	case wr != nil && rd != nil && rows.Outcomes != nil:
		// A row that was not written is not found either, and counts once.
		o := rows.Outcomes
		all = wr.Rows
		count(o.Failed.Rows(), "not written")
		count(o.Unknown.Rows(), "of unknown outcome")
		count(o.Acknowledged.Missing, "missing")
		count(o.Acknowledged.Wrong, "wrong")
		count(o.Acknowledged.Failed, "not readable")
	case rd != nil:
		all = rd.Rows
		count(rd.Missing, "missing")
		count(rd.Wrong, "wrong")
		count(rd.Failed, "not readable")
	case wr != nil:
		all = wr.Rows
		count(wr.Failed, "not written")
		count(wr.Unknown, "of unknown outcome")
	}
	var said []string
	if float64(bad) > t.Threshold*float64(all) {
		said = append(said, fmt.Sprintf("of %d rows: %s", all, strings.Join(parts, ", ")))
	}
	if rd != nil && rows.Lost != nil && rows.Outcomes != nil {
		if acked := rows.Outcomes.Acknowledged.Rows(); float64(*rows.Lost) > t.Lost*float64(acked) {
			said = append(said, fmt.Sprintf("of %d acknowledged rows: %d lost", acked, *rows.Lost))
		}
	}
	if len(said) == 0 {
		return nil
	}
	return fail.Data("", errors.New(strings.Join(said, "; ")), hint)
}
