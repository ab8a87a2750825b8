//go:build unix

package live

import (
	"syscall"
	"time"
)

// cpuTime is what this process has used, user and system; 0 where that cannot be
// told.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
