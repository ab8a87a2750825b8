// Package cputime says what this process has cost so far.
package cputime

import "time"

// Times are processor times of this process since it began, in user and in system mode;
// 0 where that cannot be told.
type Times struct{ User, System time.Duration }

// Total is both.
func (t Times) Total() time.Duration { return t.User + t.System }

// Since is what has been used after an earlier look.
func (t Times) Since(earlier Times) Times {
	return Times{User: t.User - earlier.User, System: t.System - earlier.System}
}
