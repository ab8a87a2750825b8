package cluster

import (
	"fmt"

	"crossring/internal/plain"
	"crossring/provision/local"
)

// leastRoom is what a server needs to go on: two segments of its commit log.
const leastRoom = 64 << 20

// RoomLeft says what is the matter with the disk of a cluster on this computer; nil is
// nothing, or that it can't be known.
func (c Cluster) RoomLeft() *fullDiskError {
	if !c.Place.OwnDisks(c.Inv) {
		return nil
	}
	free, err := local.Free(c.Dir)
	if err != nil || free >= leastRoom {
		return nil
	}
	return &fullDiskError{Dir: c.Dir, Free: free}
}

// fullDiskError says that the disk of a running cluster is full.
type fullDiskError struct {
	Dir  string
	Free uint64 // bytes
	Err  error  // what failed for it; nil when nothing has yet
}

func (e *fullDiskError) Error() string {
	s := fmt.Sprintf("the disk of %s is full: %d MB are free, and servers end when they can't write", e.Dir, e.Free>>20)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *fullDiskError) Unwrap() error { return e.Err }

// Hint is the command that shows how full it is.
func (e *fullDiskError) Hint() string { return plain.Command("df", "-h", e.Dir) }

// BecauseFull is an error of the load with its likely cause, where that is a full disk.
func (c Cluster) BecauseFull(err error) error {
	full := c.RoomLeft()
	if err == nil || full == nil {
		return err
	}
	full.Err = err
	return full
}
