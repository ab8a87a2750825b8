package jars

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"crossring/internal/release"
)

// Have says what the cache holds of a version without fetching anything: the jars as they
// were verified (ready), none (neither), or others, which the next one who needs them
// replaces (changed).
func Have(req Request) (ready, changed bool, err error) {
	rel, err := release.Find(req.Version)
	if err != nil {
		return false, false, err
	}
	want, err := readLock(rel.Version)
	if err != nil {
		return false, false, err
	}
	cache, err := filepath.Abs(req.CacheDir)
	if err != nil {
		return false, false, fmt.Errorf("finding the jar cache: %w", err)
	}
	dir := filepath.Join(cache, want.set)
	if whole(dir, want) {
		return true, false, nil
	}
	_, err = os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, false, nil
	}
	return false, err == nil, err
}

// FindMaven is the mvn command, where there is one and a Java that it runs on. Errors to
// tell apart: *MissingToolError, *JavaError.
func FindMaven(ctx context.Context) (string, error) {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return "", &MissingToolError{Tool: "mvn"}
	}
	_, _, err = FindJava(ctx, javaForMaven, 0)
	return mvn, err
}
