package stress

import "fmt"

// The two kinds of operation.
const (
	OpWrite = "write"
	OpRead  = "read"
)

// Outcome is how one attempt ended.
//
// A write is acknowledged, failed or unknown. It has failed only if it cannot
// have taken place: the coordinator refused it before sending it to any replica,
// or it never left this process. Everything that leaves the question open is
// unknown: no answer in time, a lost connection, and the server's own write
// timeout, write failure and internal error, after which the row may be on some
// replicas. Unknown writes are not repeated.
//
// A read is found, missing (an answer without the row), wrong (a value that is
// not this run's for the key) or failed (no answer).
type Outcome uint8

const (
	Acknowledged Outcome = 1 + iota
	Failed
	Unknown
	Found
	Missing
	Wrong
)

func (o Outcome) String() string {
	switch o {
	case Acknowledged:
		return "acknowledged"
	case Failed:
		return "failed"
	case Unknown:
		return "unknown"
	case Found:
		return "found"
	case Missing:
		return "missing"
	case Wrong:
		return "wrong"
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// fate is what can be said of a request that ended in an error.
type fate uint8

const (
	notSent fate = iota // it never left this process
	refused             // the coordinator turned it down before it did anything
	open                // it may have taken effect
)

// failure is an error, classified.
type failure struct {
	class string // short and stable, such as "write_timeout"
	fate  fate
}

// writeOutcome is the outcome of a write that ended in an error.
func (f failure) writeOutcome() Outcome {
	if f.fate == open {
		return Unknown
	}
	return Failed
}
