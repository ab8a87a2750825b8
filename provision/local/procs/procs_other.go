//go:build !linux

package procs

import (
	"context"
	"time"
)

// NeedLinux is a *NotLinuxError with its arguments; on Linux it is nil.
func NeedLinux(what, instead string) error {
	return &NotLinuxError{What: what, Instead: instead}
}

// errNoProc has no hint: whoever asks for processes here should have asked NeedLinux.
var errNoProc = NeedLinux("looking for processes", "")

// Read is a *NotLinuxError.
func Read(int) (Proc, error) { return Proc{}, errNoProc }

// Find is a *NotLinuxError.
func Find(string) ([]Proc, error) { return nil, errNoProc }

// Stop is a *NotLinuxError.
func Stop(context.Context, Proc, time.Duration) (killed bool, err error) { return false, errNoProc }

// Sockets is a *NotLinuxError.
func Sockets() ([]Socket, error) { return nil, errNoProc }

// HasSocket can't be known.
func HasSocket(int, uint64) bool { return false }

// Holders is a *NotLinuxError.
func Holders(...uint64) ([]Proc, error) { return nil, errNoProc }

// CPU is a *NotLinuxError.
func (Proc) CPU() (time.Duration, error) { return 0, errNoProc }

// Threads is a *NotLinuxError.
func (Proc) Threads() (map[int]time.Duration, error) { return nil, errNoProc }
