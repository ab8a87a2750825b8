package safely

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// ways are the two ways to write a file.
var ways = map[string]func(path string, data []byte, mode fs.FileMode) error{
	"Write": Write,
	"Stream": func(path string, data []byte, mode fs.FileMode) error {
		return Stream(path, mode, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
	},
}

func TestWritten(t *testing.T) {
	for name, write := range ways {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, other := filepath.Join(dir, "file"), filepath.Join(t.TempDir(), "other")
			// What a killed writer left: open to all, and a link to somebody else's.
			for _, left := range []func(string) error{
				func(p string) error { return os.WriteFile(p, []byte("left"), 0o666) },
				func(p string) error { return os.Symlink(other, p) },
			} {
				for _, p := range []string{path, path + ".new"} {
					_ = os.Remove(p)
					if err := left(p); err != nil {
						t.Fatal(err)
					}
				}
				if err := write(path, []byte("secret"), 0o600); err != nil {
					t.Fatal(err)
				}
				data, err := os.ReadFile(path)
				info, lerr := os.Lstat(path)
				if err = errors.Join(err, lerr); err != nil || string(data) != "secret" || info.Mode() != 0o600 {
					t.Errorf("%q, mode %v, %v", data, info.Mode(), err)
				}
				if _, err := os.Lstat(other); !errors.Is(err, fs.ErrNotExist) {
					t.Error("written through a link")
				}
			}
			_ = os.Remove(path + ".new")
			if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
				t.Errorf("in the directory: %v, %v", left, err)
			}
		})
	}
}

func TestNotWritten(t *testing.T) {
	failed := errors.New("failed")
	cases := map[string]func(path string) error{
		"the writer fails half way": func(path string) error {
			return Stream(path, 0o644, func(w io.Writer) error {
				_, err := w.Write([]byte("ha"))
				return errors.Join(err, failed)
			})
		},
		"no JSON": func(path string) error { return JSON(path, func() {}, 0o644) },
	}
	for name, write := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			if err := os.WriteFile(path, []byte("before"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := write(path); err == nil {
				t.Error("no error")
			}
			data, err := os.ReadFile(path)
			if err != nil || string(data) != "before" {
				t.Errorf("%q, %v", data, err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
				t.Errorf("in the directory: %v, %v", left, err)
			}
		})
	}
	// A directory is not replaced by a file, and nothing stays beside it.
	for name, write := range ways {
		t.Run(name+" over a directory", func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := write(path, nil, 0o644); err == nil {
				t.Error("no error")
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
				t.Errorf("in the directory: %v, %v", left, err)
			}
		})
	}
}
