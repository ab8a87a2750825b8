package cluster

import (
	"errors"
	"fmt"

	"crossring/internal/deploy"
	"crossring/internal/fail"
	"crossring/ringcheck"
)

// MismatchError carries the differences of a ring.
type MismatchError struct{ Ring ringcheck.Ring }

func (e *MismatchError) Error() string {
	s := "the ring is not as planned"
	for _, m := range e.Ring.Mismatches {
		s += "\n    " + m.Message
	}
	return s
}

// Partial gives an error of some nodes the code that says so, when others are
// well, and the error of a server that ended a hint.
func (c Cluster) Partial(err error, targets []deploy.Target) error {
	if err == nil {
		return nil
	}
	hint := ""
	var dead *deploy.DeadError
	if errors.As(err, &dead) {
		hint = fmt.Sprintf("crossring logs %s:%s --lines 200", c.Inv.Plan.Name, dead.Node)
	}
	if failed, ok := err.(interface{ WrappedErrors() []error }); ok && len(failed.WrappedErrors()) < len(targets) {
		return fail.Partial("", err, hint)
	}
	if hint != "" {
		return &fail.Error{Code: fail.ExitFailure, Err: err, Hint: hint}
	}
	return err
}
