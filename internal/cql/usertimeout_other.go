//go:build !linux

package cql

import (
	"syscall"
	"time"
)

// userTimeout has no counterpart here: a silent partition is noticed when the
// system's own retransmissions end.
func userTimeout(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }
