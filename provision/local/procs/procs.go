// Package procs finds and stops processes by identity: a pid means nothing
// alone, it may be somebody else's a moment later. A process of ours carries a
// random token in its command line, and is held by a pidfd while it is judged. All
// of it lives from /proc and pidfds: elsewhere than on Linux each function says so.
package procs

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"

	"crossring/internal/fail"
)

// Proc is one running process.
type Proc struct {
	PID int
	// Start is the start time in clock ticks since boot; with the pid it names a
	// process for good.
	Start uint64
	Args  []string
	// Ours says that it runs as whoever asks, and not with rights that it was lent.
	Ours bool
}

// Flag returns what follows prefix in the first argument that begins with it.
func (p Proc) Flag(prefix string) string {
	for _, a := range p.Args {
		if v, ok := strings.CutPrefix(a, prefix); ok {
			return v
		}
	}
	return ""
}

// Socket is one TCP socket of this computer.
type Socket struct {
	Local, Remote netip.AddrPort
	Listening     bool
	Inode         uint64
}

// NotLinuxError says that what was asked for can't be had on this system.
type NotLinuxError struct {
	What    string // "provider local"
	Instead string // command that works here, or ""
}

func (e *NotLinuxError) Error() string {
	return fmt.Sprintf("%s needs Linux, and this is %s", e.What, runtime.GOOS)
}

// ExitCode is that of a prerequisite that is missing.
func (e *NotLinuxError) ExitCode() int { return fail.ExitPrerequisite }

// Hint is the command that works here.
func (e *NotLinuxError) Hint() string { return e.Instead }
