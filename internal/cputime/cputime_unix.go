//go:build unix

package cputime

import (
	"syscall"
	"time"
)

// Used looks now.
func Used() Times {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return Times{}
	}
	return Times{User: time.Duration(u.Utime.Nano()), System: time.Duration(u.Stime.Nano())}
}
