package record

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
