package stress

import "crossring/stress/record"

// fate is what can be said of a request that ended in an error.
type fate uint8

const (
	notSent   fate = iota // it never left this process
	refused               // the coordinator turned it down before it did anything
	undecided             // it may have taken effect
)

// failure is an error, classified.
type failure struct {
	class string // short and stable, such as "write_timeout"
	fate  fate
}

// writeOutcome is the outcome of a write that ended in an error.
func (f failure) writeOutcome() record.Outcome {
	if f.fate == undecided {
		return record.Unknown
	}
	return record.Failed
}
