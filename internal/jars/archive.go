package jars

import (
	"compress/gzip"
	"context"
	"crossring/internal/release"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// classes holds, for series whose start-up is mostly class loading, the names
// of the classes that a node loads, as -XX:DumpLoadedClassList wrote them. One list
// serves all releases of a series: a class that a jar lacks is left out.
//
//go:embed classes
var classes embed.FS

const (
	// archiveJava is the oldest Java that reads such a list, lambdas included.
	archiveJava = 16
	// dumpTimeout is for a JVM that loads, checks and writes ten thousand classes.
	dumpTimeout = 3 * time.Minute
)

// Archive returns a class data archive of the jars for this Java: classes parsed
// and checked beforehand, which a JVM maps instead of loading. It is made when
// there is none yet, which takes some seconds, and is kept in the cache. "" says
// that there is no list of classes for its series, or that the Java is too old.
// A JVM that does not like an archive starts without it.
func Archive(ctx context.Context, req Request, j Jars, java string, version int, making func()) (string, error) {
	rel, err := release.Of(j.Version)
	if err != nil {
		return "", fmt.Errorf("looking for a class list: %w", err)
	}
	list, err := classes.ReadFile("classes/" + rel.Series + ".list.gz")
	if errors.Is(err, fs.ErrNotExist) || version < archiveJava {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the class list of cassandra %s: %w", j.Version, err)
	}
	cache, err := filepath.Abs(req.CacheDir)
	if err != nil {
		return "", fmt.Errorf("finding the jar cache: %w", err)
	}
	key, err := archiveKey(ctx, j, java, list)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "archives")
	path := filepath.Join(dir, j.Version+"-"+key+".jsa")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making the archive directory: %w", err)
	}
	unlock, err := lockCache(ctx, dir, func() {
		req.Progress("waiting for another process that makes a class archive")
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	making()
	if err := dump(ctx, dir, path, j, java, list); err != nil {
		return "", fmt.Errorf("making a class archive of cassandra %s: %w", j.Version, err)
	}
	return path, nil
}

// archiveKey names what an archive depends on: the very Java, the class path
// with its jars as they are, and the list.
func archiveKey(ctx context.Context, j Jars, java string, list []byte) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, javaTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, java, "-XX:-UsePerfData", "-Xinternalversion").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("running %s -Xinternalversion: %w", java, err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n", java, out)
	h.Write(list)
	for _, jar := range j.ClassPath {
		info, err := os.Stat(jar)
		if err != nil {
			return "", fmt.Errorf("checking a jar: %w", err)
		}
		fmt.Fprintf(h, "%s %d %d\n", jar, info.Size(), info.ModTime().UnixNano())
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// dump makes the archive beside its place and renames it there.
func dump(ctx context.Context, dir, path string, j Jars, java string, list []byte) error {
	// Left by a process that died; nobody else is at work under the lock.
	stale, err := filepath.Glob(filepath.Join(dir, ".dump-*"))
	if err != nil {
		return err
	}
	for _, old := range stale {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	work, err := os.MkdirTemp(dir, ".dump-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	names := filepath.Join(work, "classes")
	if err := unpack(names, list); err != nil {
		return err
	}
	archive := filepath.Join(work, "archive")
	ctx, cancel := context.WithTimeout(ctx, dumpTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, java, "-Xshare:dump", "-XX:-UsePerfData", "-Djava.io.tmpdir="+work,
		"-XX:SharedClassListFile="+names, "-XX:SharedArchiveFile="+archive,
		"-cp", strings.Join(j.ClassPath, string(os.PathListSeparator))).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, lastLine(out))
	}
	return os.Rename(archive, path)
}

func unpack(path string, packed []byte) error {
	r, err := gzip.NewReader(strings.NewReader(string(packed)))
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
