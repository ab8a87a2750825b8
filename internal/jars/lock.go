package jars

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

//go:embed locks
var locks embed.FS

// agentSet is the set that has nothing but the Jolokia agent.
const agentSet = "jolokia"

// lock is what a set of jars must be: checksum by file name.
type lock struct {
	set  string
	sums map[string]string
	id   string // checksum of the lock itself
}

func readLock(set string) (lock, error) {
	text, err := locks.ReadFile("locks/" + set + ".lock")
	if err != nil {
		return lock{}, fmt.Errorf("reading the lock of %s: %w", title(set), err)
	}
	return parseLock(set, string(text))
}

// parseLock reads lines of "sha256  filename", the format of sha256sum.
func parseLock(set, text string) (lock, error) {
	sum := sha256.Sum256([]byte(text))
	l := lock{set: set, sums: map[string]string{}, id: hex.EncodeToString(sum[:])}
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		sum, name, ok := strings.Cut(line, "  ")
		raw, err := hex.DecodeString(sum)
		if !ok || err != nil || len(raw) != sha256.Size || name == "" || name != filepath.Base(name) || l.sums[name] != "" {
			return lock{}, fmt.Errorf("lock of %s, line %d: not a new \"sha256  filename\": %q", title(set), i+1, line)
		}
		l.sums[name] = sum
	}
	return l, nil
}

// Sum describes a directory as a lock: one line for each file, "sha256  name",
// sorted by name.
func Sum(dir string) (string, error) {
	names, err := list(dir)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, name := range names {
		sum, err := sumFile(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s  %s\n", sum, name)
	}
	return b.String(), nil
}

// verify reads every file of dir and returns a *MismatchError if they are not
// those of the lock.
func (l lock) verify(dir string) error {
	names, err := list(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	bad := &MismatchError{Set: l.set, Dir: dir}
	have := map[string]bool{}
	for _, name := range names {
		have[name] = true
		want, ok := l.sums[name]
		if !ok {
			bad.Extra = append(bad.Extra, name)
			continue
		}
		got, err := sumFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if got != want {
			bad.Different = append(bad.Different, name)
		}
	}
	for name := range l.sums {
		if !have[name] {
			bad.Missing = append(bad.Missing, name)
		}
	}
	sort.Strings(bad.Missing)
	if len(bad.Missing)+len(bad.Extra)+len(bad.Different) > 0 {
		return bad
	}
	return nil
}

// list names what is in a directory, sorted, apart from our manifest.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("listing jars: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != manifestName {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func sumFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("checking a jar: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("checking jar %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
