// Package safely writes files that are there whole or as they were before, whatever
// ends the process or the computer meanwhile.
package safely

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Write writes a file by way of one beside it, PATH.new, and puts it in its place when it
// is on the disk. The file has this mode, less the umask, and nothing of what a file of
// that name had before. It is for files that have one writer at a time: who writes them
// holds a lock.
func Write(path string, data []byte, mode fs.FileMode) error {
	next := path + ".new"
	// What a writer left that was killed may have another mode, or be a link.
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write %s: %w", path, err)
	}
	f, err := os.OpenFile(next, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = put(next, path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, gone(next)))
	}
	return nil
}

// JSON is Write with a value's JSON form, indented.
func JSON(path string, v any, mode fs.FileMode) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return Write(path, append(data, '\n'), mode)
}

// Stream is for what is written piece by piece, and for places where others may write the
// same file at the same time, or where a name could be guessed: the file beside it has a
// name of its own. The mode is as given, whatever the umask.
func Stream(path string, mode fs.FileMode, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	err = write(f)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err == nil {
		err = put(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, gone(f.Name())))
	}
	return nil
}

// put gives a file its name, and has the disk know the name, too.
func put(from, path string) error {
	if err := os.Rename(from, path); err != nil {
		return err
	}
	err := Names(filepath.Dir(path))
	if errors.Is(err, fs.ErrPermission) {
		return nil // a directory to write in and not to read is in order: written all the same
	}
	return err
}

// Names has the disk know which files are in a directory.
func Names(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing a directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing a directory: %w", err)
	}
	return nil
}

func gone(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
