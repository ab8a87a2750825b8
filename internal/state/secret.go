package state

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"crossring/internal/safely"
)

// agentFile, in a cluster's directory, has the password of the nodes' agents.
const agentFile = "agent.password"

// AgentPassword is that of a cluster's agents, made when it is first asked for: a cluster
// that an older crossring made gets one, and its nodes ask for it from their next start on.
func AgentPassword(dir string) (string, error) {
	return Secret(filepath.Join(dir, agentFile))
}

// KnownAgentPassword is AgentPassword without making one: "" where there is none.
func KnownAgentPassword(dir string) (string, error) {
	password, err := ReadPassword(filepath.Join(dir, agentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return password, err
}

// Secret reads a password from a file that nobody else may read, and makes it where there
// is none.
func Secret(file string) (string, error) {
	password, err := ReadPassword(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return password, err
	}
	if password, err = NewPassword(); err != nil {
		return "", err
	}
	if err := safely.Write(file, []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep a password: %w", err)
	}
	return password, nil
}

// Close keeps others out of a cluster's directory that an older crossring made for all to
// look into. One that is not there is made so.
func Close(dir string) error {
	err := os.Chmod(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// NewPassword makes a password of 160 random bits, of letters and digits.
func NewPassword() (string, error) {
	b := make([]byte, 20)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make a password: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(b)), nil
}

// ReadPassword reads a password from a file: its first line.
func ReadPassword(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	if len(line) == 0 {
		return "", fmt.Errorf("read password: %w", errors.New(path+" has an empty first line"))
	}
	return strings.TrimSuffix(string(line), "\r"), nil
}
