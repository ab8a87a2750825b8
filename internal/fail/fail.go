// Package fail has the exit codes, and the error that leads to one of them with a
// hint. It is a leaf: every package may import it.
package fail

import "errors"

// Exit codes of crossring. Other programs read them: a code keeps its meaning.
const (
	ExitOK           = 0
	ExitFailure      = 1
	ExitUsage        = 2   // usage, or a spec that is not valid
	ExitPartial      = 3   // some hosts failed
	ExitRing         = 4   // the ring is not as planned
	ExitLeftover     = 5   // something could not be removed
	ExitData         = 6   // rows missing, wrong, failed or unknown above the threshold, or acknowledged rows lost
	ExitPrerequisite = 7   // java, mvn, credentials or the network is missing
	ExitBusy         = 8   // taken: the cluster by a command, a load or a change, its name, or a port
	ExitInterrupted  = 130 // stopped by a signal
)

// Error is an error with the exit code that it leads to, and a hint. A package
// with typed errors of its own needs none: an ExitCode() int or a Hint() string
// method anywhere in the chain is read the same way.
type Error struct {
	Code int    // one of the Exit constants
	Op   string // what failed on what: "starting us-east-1-1"; may be empty
	Err  error  // the cause; may be nil when Op says it all
	Hint string // the command to type next; may be empty
}

// Error is "operation subject: cause", without code and hint.
func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.Op
	case e.Op == "":
		return e.Err.Error()
	}
	return e.Op + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ExitCode is the exit code that the error leads to.
func (e *Error) ExitCode() int { return e.Code }

// Usage is a wrong command line or a spec that is not valid.
func Usage(op string, err error, hint string) error {
	return &Error{Code: ExitUsage, Op: op, Err: err, Hint: hint}
}

// Partial says that some hosts failed and the others did not.
func Partial(op string, err error, hint string) error {
	return &Error{Code: ExitPartial, Op: op, Err: err, Hint: hint}
}

// Ring says that the ring is not as planned.
func Ring(op string, err error, hint string) error {
	return &Error{Code: ExitRing, Op: op, Err: err, Hint: hint}
}

// Leftover says that something could not be removed.
func Leftover(op string, err error, hint string) error {
	return &Error{Code: ExitLeftover, Op: op, Err: err, Hint: hint}
}

// Data says that rows are missing, wrong, failed or unknown above the threshold.
func Data(op string, err error, hint string) error {
	return &Error{Code: ExitData, Op: op, Err: err, Hint: hint}
}

// Prerequisite says that something crossring needs is not there.
func Prerequisite(op string, err error, hint string) error {
	return &Error{Code: ExitPrerequisite, Op: op, Err: err, Hint: hint}
}

// Busy says that what is needed is taken: the cluster, by another command or a change of
// it, its name, or a port.
func Busy(op string, err error, hint string) error {
	return &Error{Code: ExitBusy, Op: op, Err: err, Hint: hint}
}

// CodeOf is the exit code that the outermost error of a chain asks for: ExitFailure when
// none does, ExitOK for no error.
func CodeOf(err error) int {
	if err == nil {
		return ExitOK
	}
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return ExitFailure
}
