package app

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A trace is a file of its own, for its owner alone, and nothing else is written to.
func TestTokenTraceFile(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, mode fs.FileMode) {
		t.Helper()
		if err := os.WriteFile(at(name), []byte("before\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("of-another", 0o644)
	write("has-two-names", 0o644)
	write("open", 0o666)
	for _, err := range []error{
		os.Symlink(at("of-another"), at("link")), os.Symlink(at("nowhere"), at("link-to-nothing")), os.Link(at("has-two-names"), at("hard")),
		os.Mkdir(at("dir"), 0o700), syscall.Mkfifo(at("pipe"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, says := range map[string]string{
		"link": "is a link", "link-to-nothing": "is a link", "hard": "other names", "dir": "directory", "pipe": "pipe", "none/x": "no such file", "": "no such file",
	} {
		path := at(name)
		if name == "" {
			path = ""
		}
		if f, err := openTrace(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, %v", name, f, err)
		}
	}
	if _, err := os.Lstat(at("nowhere")); err == nil {
		t.Error("what a link leads to was made")
	}
	for _, name := range []string{"of-another", "has-two-names"} {
		if got, err := os.ReadFile(at(name)); err != nil || string(got) != "before\n" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if info, err := os.Stat(at(name)); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	for name, before := range map[string]string{"new": "", "open": "before\n"} {
		f, err := openTrace(at(name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("after\n"); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(at(name))
		if err != nil || string(got) != before+"after\n" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if info, err := os.Stat(at(name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}
