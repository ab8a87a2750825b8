package results

import (
	"io"

	"crossring/stress/record"
)

// Fate is the last word of a read on one row.
type Fate uint8

// The fates. A row that is Lost is missing, or has another run's bytes, at the deadline.
const (
	FateFound Fate = 1 + iota
	FateLost
	FateWrong
	FateFailed
)

// Fates folds the raw results of one read as they come, and then calls see for each row, by
// key. The summary is that of the read.
func Fates(raw io.Reader, see func(key int64, f Fate)) (ReadSummary, error) {
	f, err := foldAll(record.OpRead, []io.Reader{raw})
	if err != nil {
		return ReadSummary{}, err
	}
	for _, s := range f.rows.spans {
		for i, st := range s.state {
			if fate, read := fateOf(st); read {
				see(s.First+int64(i), fate)
			}
		}
	}
	sum := f.read()
	return sum, sum.Check()
}

func fateOf(s state) (Fate, bool) {
	switch s {
	case seenFirst, seenLate:
		return FateFound, true
	case notThere, stale:
		return FateLost, true
	case seenWrong:
		return FateWrong, true
	case unreadable:
		return FateFailed, true
	}
	return 0, false
}
