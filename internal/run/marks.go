package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Marks in a cluster's directory.
const (
	// readyMark: the ring has been whole; from then on a start is a restart.
	readyMark = "ready"
	// keyspaceMark: the test keyspace has been made.
	keyspaceMark = "keyspace"
)

func isMarked(dir, name string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the mark %s: %w", name, err)
	}
	return true, nil
}

func mark(dir, name string) error {
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
		return fmt.Errorf("leave the mark %s: %w", name, err)
	}
	return nil
}
