package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// agentFile, in a cluster's directory, has the password of the nodes' agents.
const agentFile = "agent.password"

// agentPassword is that of the nodes' agents, made when it is first asked for: a cluster
// that an older crossring made gets one, and its nodes ask for it from their next start on.
func (c cluster) agentPassword() (string, error) {
	return keptPassword(filepath.Join(c.dir, agentFile), "of the agents")
}

// knownAgentPassword is agentPassword without making one: "" where there is none.
func (c cluster) knownAgentPassword() (string, error) {
	password, err := ReadPassword(filepath.Join(c.dir, agentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return password, err
}

// keptPassword reads a password from a file that nobody else may read, and makes it
// where there is none.
func keptPassword(file, what string) (string, error) {
	password, err := ReadPassword(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return password, err
	}
	if password, err = NewPassword(); err != nil {
		return "", err
	}
	// A file of this name that an earlier try left may have been anybody's to read.
	if err := os.Remove(file + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("keep the password %s: %w", what, err)
	}
	if err := os.WriteFile(file+".new", []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the password %s: %w", what, err)
	}
	return password, os.Rename(file+".new", file)
}

// closeDir keeps others out of a cluster's directory that an older crossring made for all
// to look into. One that is not there is made so.
func closeDir(dir string) error {
	err := os.Chmod(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
