package jars

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// manifestName is the file, beside the jars, that remembers what was verified.
const manifestName = ".verified"

// lockPoll is how often a busy cache is tried again.
const lockPoll = 100 * time.Millisecond

// whole says, without reading the jars, whether they are those that were
// verified: same lock, same names, sizes and times of change.
func whole(dir string, want lock) bool {
	have, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return false
	}
	now, err := manifest(dir, want)
	return err == nil && now == string(have)
}

// manifest describes a directory by what can be had without reading its files.
func manifest(dir string, want lock) (string, error) {
	names, err := list(dir)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "lock %s\n", want.id)
	for _, name := range names {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return "", fmt.Errorf("checking a jar: %w", err)
		}
		fmt.Fprintf(&b, "%d %d %s\n", info.Size(), info.ModTime().UnixNano(), name)
	}
	return b.String(), nil
}

func writeManifest(dir string, want lock) error {
	text, err := manifest(dir, want)
	if err != nil {
		return err
	}
	// Written apart and renamed: a torn manifest would only cost a full check,
	// but there is no reason to leave one.
	tmp := filepath.Join(filepath.Dir(dir), "."+filepath.Base(dir)+manifestName)
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing the manifest of %s: %w", dir, err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, manifestName)); err != nil {
		return fmt.Errorf("writing the manifest of %s: %w", dir, err)
	}
	return nil
}

// fill fetches a set into a sibling of dir, verifies it there and puts it in
// the place of dir. The caller holds the cache's lock.
func fill(ctx context.Context, req Request, dir string, want lock) (err error) {
	cache := filepath.Dir(dir)
	// Left by a process that died; nobody else is at work under the lock.
	stale, err := filepath.Glob(filepath.Join(cache, ".fill-*"))
	if err != nil {
		return fmt.Errorf("looking for stale files in %s: %w", cache, err)
	}
	for _, path := range stale {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("removing a stale part of the jar cache: %w", err)
		}
	}
	work, err := os.MkdirTemp(cache, ".fill-")
	if err != nil {
		return fmt.Errorf("filling the jar cache: %w", err)
	}
	defer func() {
		if rmErr := os.RemoveAll(work); err == nil && rmErr != nil {
			err = fmt.Errorf("filling the jar cache: %w", rmErr)
		}
	}()

	fresh := filepath.Join(work, "new")
	if err := resolve(ctx, req, want.set, work, fresh); err != nil {
		return err
	}
	req.Progress("verifying " + title(want.set))
	if err := want.verify(fresh); err != nil {
		return err
	}
	if err := writeManifest(fresh, want); err != nil {
		return err
	}
	// A directory cannot be renamed over a full one. Running servers keep the
	// old jars open, so taking them away does not hurt.
	if err := os.Rename(dir, filepath.Join(work, "old")); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("replacing damaged jars: %w", err)
	}
	if err := os.Rename(fresh, dir); err != nil {
		return fmt.Errorf("filling the jar cache: %w", err)
	}
	return nil
}

// lockCache takes the cache's file lock. It waits as long as ctx lets it, and
// calls waiting once if it has to.
func lockCache(ctx context.Context, cache string, waiting func()) (unlock func(), err error) {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, fmt.Errorf("making the jar cache: %w", err)
	}
	path := filepath.Join(cache, ".lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the jar cache: %w", err)
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for said := false; ; said = true {
		ok, err := tryLock(f)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("locking the jar cache %s: %w", path, err)
		}
		if ok {
			return func() { f.Close() }, nil // closing unlocks
		}
		if !said {
			waiting()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("waiting for the lock on the jar cache %s: %w", path, context.Cause(ctx))
		}
	}
}
