//go:build !unix

package jars

import (
	"errors"
	"os"
)

// tryLock has no file locks to take here, and local nodes do not run here.
func tryLock(*os.File) (bool, error) {
	return false, errors.ErrUnsupported
}
