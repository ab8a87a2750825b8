package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/topology"
)

// DamagedError says that a file of a cluster is not what crossring wrote: cut off,
// changed, or something else altogether.
type DamagedError struct {
	Path   string
	Reason string
}

func (e *DamagedError) Error() string { return fmt.Sprintf("%s is damaged: %s", e.Path, e.Reason) }

// Hint is the command that removes the cluster whose directory the file is in.
func (e *DamagedError) Hint() string {
	return plain.Command("crossring", "down", filepath.Base(filepath.Dir(e.Path)))
}

// NewerError says that a file was written by a crossring that is newer than this one.
// It is left as it is.
type NewerError struct {
	Path   string
	Schema string
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("%s was written by a newer crossring: its schema is %q, and this one knows %q", e.Path, e.Schema, topology.Schema)
}

// ExitCode is that of a prerequisite that is missing.
func (e *NewerError) ExitCode() int { return fail.ExitPrerequisite }

// Hint is a command that says which crossring this is.
func (e *NewerError) Hint() string {
	return "crossring version   # and do this with the crossring that made the cluster, or a newer one"
}

// IsNewer says that an error, or one that it wraps, is a *NewerError.
func IsNewer(err error) bool {
	var newer *NewerError
	return errors.As(err, &newer)
}

// CheckSchema says of the schema of something in a file what is wrong with it: a
// *NewerError, or a *DamagedError for one that never was.
func CheckSchema(path, schema string) error {
	if schema == topology.Schema {
		return nil
	}
	name, mine := schemaVersion(topology.Schema)
	if other, version := schemaVersion(schema); other == name && version > mine {
		return &NewerError{Path: path, Schema: schema}
	}
	return &DamagedError{Path: path, Reason: fmt.Sprintf("its schema is %q and not %q", schema, topology.Schema)}
}

// schemaVersion takes "crossring/v1" apart; the version is 0 where there is none.
func schemaVersion(schema string) (name string, version int) {
	name, v, _ := strings.Cut(schema, "/v")
	n, err := strconv.Atoi(v)
	if err != nil {
		return name, 0
	}
	return name, n
}

// ReadJSON reads a document that begins with a schema. The error is a *NewerError, a
// *DamagedError, fs.ErrNotExist or another one of the file system.
func ReadJSON(path string, v any) error {
	data, err := readAll(path)
	if err != nil {
		return err
	}
	return decodeJSON(path, data, v)
}

func decodeJSON(path string, data []byte, v any) error {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return &DamagedError{Path: path, Reason: err.Error()}
	}
	if err := CheckSchema(path, head.Schema); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return &DamagedError{Path: path, Reason: err.Error()}
	}
	return nil
}

// readAll reads a file. That it is not there, or nobody may read it, is the file
// system's error; any other is damage.
func readAll(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("read a file of the cluster: %w", err)
	}
	return nil, &DamagedError{Path: path, Reason: err.Error()}
}
