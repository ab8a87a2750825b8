package run

import "crossring/internal/fail"

// The exit codes and errors of internal/fail, under the names that this package's
// callers know.
const (
	ExitOK           = fail.ExitOK
	ExitFailure      = fail.ExitFailure
	ExitUsage        = fail.ExitUsage
	ExitPartial      = fail.ExitPartial
	ExitRing         = fail.ExitRing
	ExitLeftover     = fail.ExitLeftover
	ExitData         = fail.ExitData
	ExitPrerequisite = fail.ExitPrerequisite
	ExitBusy         = fail.ExitBusy
	ExitInterrupted  = fail.ExitInterrupted
)

// Fail is fail.Error.
type Fail = fail.Error

// Usage is fail.Usage.
func Usage(op string, err error, hint string) error { return fail.Usage(op, err, hint) }

// Partial is fail.Partial.
func Partial(op string, err error, hint string) error { return fail.Partial(op, err, hint) }

// Ring is fail.Ring.
func Ring(op string, err error, hint string) error { return fail.Ring(op, err, hint) }

// Leftover is fail.Leftover.
func Leftover(op string, err error, hint string) error { return fail.Leftover(op, err, hint) }

// Data is fail.Data.
func Data(op string, err error, hint string) error { return fail.Data(op, err, hint) }

// Prerequisite is fail.Prerequisite.
func Prerequisite(op string, err error, hint string) error { return fail.Prerequisite(op, err, hint) }

// Busy is fail.Busy.
func Busy(op string, err error, hint string) error { return fail.Busy(op, err, hint) }
