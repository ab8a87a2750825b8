// Package state is the state directory: where a cluster's own directory is and what
// lies in it, for clusters of every provider alike.
package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Marks in a cluster's directory. A mark is an empty file: it says that something
// happened, and there is nothing in it to be wrong.
const (
	// Ready: the ring has been whole; from then on a start is a restart.
	Ready = "ready"
	// Keyspace: the test keyspace has been made.
	Keyspace = "keyspace"
	// Agentless: no agent could be put into the servers, so that the ring is read by CQL.
	Agentless = "agentless"
)

// Marked says whether a mark was left in a cluster's directory.
func Marked(dir, name string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for the mark %s: %w", name, err)
	}
	return true, nil
}

// Mark leaves a mark in a cluster's directory.
func Mark(dir, name string) error {
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
		return fmt.Errorf("leaving the mark %s: %w", name, err)
	}
	return nil
}

// Unmark takes a mark away; there may be none.
func Unmark(dir, name string) error {
	if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("taking the mark %s away: %w", name, err)
	}
	return nil
}

// Dir is the directory of a cluster's own, below a state directory.
func Dir(root, name string) string { return filepath.Join(root, "clusters", name) }

// KnownHosts, in a cluster's directory, holds the host keys of its machines.
const KnownHosts = "known_hosts"
