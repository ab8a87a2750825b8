package run

import (
	"errors"
	"fmt"

	"crossring/internal/deploy"
	"crossring/ringcheck"
)

// mismatchError carries the differences of a ring.
type mismatchError struct{ ring ringcheck.Ring }

func (e *mismatchError) Error() string {
	s := "the ring is not as planned"
	for _, m := range e.ring.Mismatches {
		s += "\n    " + m.Message
	}
	return s
}

// partial gives an error of some nodes the code that says so, when others are
// well, and the error of a server that ended a hint.
func (c cluster) partial(err error, targets []deploy.Target) error {
	if err == nil {
		return nil
	}
	hint := ""
	var dead *deploy.DeadError
	if errors.As(err, &dead) {
		hint = fmt.Sprintf("crossring logs %s:%s --lines 200", c.inv.Plan.Name, dead.Node)
	}
	if failed, ok := err.(interface{ WrappedErrors() []error }); ok && len(failed.WrappedErrors()) < len(targets) {
		return Partial("", err, hint)
	}
	if hint != "" {
		return &Fail{Code: ExitFailure, Err: err, Hint: hint}
	}
	return err
}
