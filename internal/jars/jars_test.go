package jars

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"crossring/internal/release"
	"crossring/internal/release/releasetest"
)

// fakeMaven puts an mvn and a java in PATH. The mvn runs body (sh) with $out
// set to the output directory, and adds a line to the returned file each time.
func fakeMaven(t *testing.T, body string) (calls string) {
	t.Helper()
	dir := t.TempDir()
	calls = filepath.Join(dir, "calls")
	script(t, filepath.Join(dir, "mvn"), `
for a in "$@"; do case $a in -DoutputDirectory=*) out=${a#*=};; esac; done
echo "$*" >> `+calls+`
mkdir -p "$out"
`+body)
	script(t, filepath.Join(dir, "java"), `echo 'openjdk version "17.0.15"' >&2`)
	t.Setenv("JAVA_HOME", "")
	t.Setenv("HOME", dir)
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return calls
}

func script(t *testing.T, path, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func countCalls(t *testing.T, calls string) int {
	t.Helper()
	text, err := os.ReadFile(calls)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}

const twoJars = `printf one > "$out/a.jar"; printf two > "$out/b.jar"`

// testLock is the lock of twoJars.
func testLock(t *testing.T) lock {
	t.Helper()
	l, err := parseLock(releasetest.Newest(), ""+
		"7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed  a.jar\n"+
		"3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3  b.jar\n")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func request(cache string) Request {
	return Request{CacheDir: cache, Progress: func(string) {}, Log: discard()}
}

func TestFillOnceThenCached(t *testing.T) {
	calls := fakeMaven(t, twoJars)
	cache := filepath.Join(t.TempDir(), "deep", "cache")
	for range 3 {
		dir, err := ensureLocked(context.Background(), request(cache), testLock(t))
		if err != nil {
			t.Fatal(err)
		}
		if dir != filepath.Join(cache, releasetest.Newest()) {
			t.Errorf("dir is %s", dir)
		}
		if err := testLock(t).verify(dir); err != nil {
			t.Error(err)
		}
	}
	if n := countCalls(t, calls); n != 1 {
		t.Errorf("mvn ran %d times, want 1", n)
	}
	left, err := filepath.Glob(filepath.Join(cache, ".fill-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestDamagedCacheIsRefilled(t *testing.T) {
	damages := map[string]func(dir string) error{
		"deleted jar":  func(dir string) error { return os.Remove(filepath.Join(dir, "a.jar")) },
		"cut short":    func(dir string) error { return os.Truncate(filepath.Join(dir, "a.jar"), 1) },
		"other bytes":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "a.jar"), []byte("0ne"), 0o644) },
		"extra jar":    func(dir string) error { return os.WriteFile(filepath.Join(dir, "c.jar"), nil, 0o644) },
		"emptied":      func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)) },
		"a whole loss": os.RemoveAll,
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			calls := fakeMaven(t, twoJars)
			cache := t.TempDir()
			dir, err := ensureLocked(context.Background(), request(cache), testLock(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := ensureLocked(context.Background(), request(cache), testLock(t)); err != nil {
				t.Fatal(err)
			}
			if err := testLock(t).verify(dir); err != nil {
				t.Error(err)
			}
			if n := countCalls(t, calls); n != 2 {
				t.Errorf("mvn ran %d times, want 2", n)
			}
		})
	}
}

func TestTouchedCacheIsReadNotRefilled(t *testing.T) {
	calls := fakeMaven(t, twoJars)
	cache := t.TempDir()
	dir, err := ensureLocked(context.Background(), request(cache), testLock(t))
	if err != nil {
		t.Fatal(err)
	}
	then := time.Unix(1e9, 0)
	if err := os.Chtimes(filepath.Join(dir, "a.jar"), then, then); err != nil {
		t.Fatal(err)
	}
	if whole(dir, testLock(t)) {
		t.Error("a changed time was not noticed")
	}
	if _, err := ensureLocked(context.Background(), request(cache), testLock(t)); err != nil {
		t.Fatal(err)
	}
	if n := countCalls(t, calls); n != 1 {
		t.Errorf("mvn ran %d times, want 1", n)
	}
	if !whole(dir, testLock(t)) {
		t.Error("the manifest was not renewed")
	}
}

func TestTwoAtOnce(t *testing.T) {
	// The first mvn blocks until the second caller says that it waits.
	gate := filepath.Join(t.TempDir(), "gate")
	calls := fakeMaven(t, `while [ ! -e `+gate+` ]; do sleep 0.02; done; `+twoJars)
	cache := t.TempDir()
	// Stale work of a process that died under the lock.
	if err := os.MkdirAll(filepath.Join(cache, ".fill-stale", "new"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var open sync.Once
	var all sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		req := request(cache)
		req.Progress = func(line string) {
			if strings.HasPrefix(line, "waiting for another process") {
				open.Do(func() { script(t, gate, "") })
			}
		}
		all.Go(func() { _, errs[i] = ensureLocked(ctx, req, testLock(t)) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := countCalls(t, calls); n != 1 {
		t.Errorf("mvn ran %d times, want 1", n)
	}
	if _, err := os.Stat(filepath.Join(cache, ".fill-stale")); !os.IsNotExist(err) {
		t.Errorf("stale work is still there: %v", err)
	}
}

func TestWaitForLockEnds(t *testing.T) {
	cache := t.TempDir()
	unlock, err := lockCache(context.Background(), cache, func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(context.Background())
	_, err = lockCache(ctx, cache, cancel)
	if !errors.Is(err, context.Canceled) || !strings.Contains(fmt.Sprint(err), "waiting for the lock") {
		t.Errorf("got %v", err)
	}
}

func TestWrongJarsAreRefused(t *testing.T) {
	fakeMaven(t, `printf 0ne > "$out/a.jar"; printf x > "$out/c.jar"`)
	cache := t.TempDir()
	_, err := ensureLocked(context.Background(), request(cache), testLock(t))
	var bad *MismatchError
	if !errors.As(err, &bad) {
		t.Fatalf("got %v, want a MismatchError", err)
	}
	got := fmt.Sprint(bad.Missing, bad.Extra, bad.Different)
	if want := "[b.jar] [c.jar] [a.jar]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !strings.Contains(bad.Hint(), "a.jar") {
		t.Errorf("hint does not name the bad jar: %s", bad.Hint())
	}
	if _, err := os.Stat(filepath.Join(cache, releasetest.Newest())); !os.IsNotExist(err) {
		t.Errorf("wrong jars are in the cache: %v", err)
	}
}

func TestLocalRepositoryFirst(t *testing.T) {
	// Offline the fake leaves half a set and fails; online it works.
	calls := fakeMaven(t, `case $1 in -o) printf x > "$out/z.jar"; echo '[ERROR] no such jar'; exit 1;; esac; `+twoJars)
	repo := filepath.Join(os.Getenv("HOME"), ".m2/repository/org/apache/cassandra/cassandra-all", releasetest.Newest())
	script(t, filepath.Join(repo, "cassandra-all-"+releasetest.Newest()+".jar"), "")
	cache := t.TempDir()
	if _, err := ensureLocked(context.Background(), request(cache), testLock(t)); err != nil {
		t.Fatal(err)
	}
	if n := countCalls(t, calls); n != 2 {
		t.Errorf("mvn ran %d times, want 2", n)
	}
}

func TestNoNetwork(t *testing.T) {
	fakeMaven(t, `echo '[INFO] Scanning'; echo '[ERROR] Could not transfer x.jar: Connection refused -> [Help 1]'; echo '[ERROR] see the manual'; exit 1`)
	for _, offline := range []bool{false, true} {
		req := request(t.TempDir())
		req.Version, req.Offline = "5.0", offline
		_, err := Ensure(context.Background(), req)
		var down *NoNetworkError
		if !errors.As(err, &down) {
			t.Fatalf("got %v, want a NoNetworkError", err)
		}
		if down.Line != "Could not transfer x.jar: Connection refused" || down.Offline != offline || down.Hint() == "" {
			t.Errorf("got %+v", down)
		}
	}
}

func TestInterrupted(t *testing.T) {
	fakeMaven(t, `echo "[INFO] Downloaded from here: scheme:/some/x.jar (1 kB)"; exec sleep 60`)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req := request(t.TempDir())
	req.Version = releasetest.Newest()
	var seen []string
	req.Progress = func(line string) {
		if seen = append(seen, line); strings.HasSuffix(line, ": x.jar") {
			cancel()
		}
	}
	_, err := Ensure(ctx, req)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v after %q", err, seen)
	}
	left, err := os.ReadDir(req.CacheDir)
	if err != nil || len(left) != 1 || left[0].Name() != ".lock" {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestMissingTools(t *testing.T) {
	for _, tool := range []string{"mvn", "java"} {
		t.Run(tool, func(t *testing.T) {
			fakeMaven(t, twoJars)
			dir := os.Getenv("HOME")
			if err := os.Remove(filepath.Join(dir, tool)); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir)
			req := request(t.TempDir())
			req.Version = releasetest.Newest()
			_, err := Ensure(context.Background(), req)
			var missing *MissingToolError
			if !errors.As(err, &missing) || missing.Tool != tool || !strings.Contains(missing.Hint(), "apt-get install") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestUnknownVersion(t *testing.T) {
	req := request(t.TempDir())
	req.Version = "5.0.4"
	_, err := Ensure(context.Background(), req)
	var unknown *release.UnknownError
	if !errors.As(err, &unknown) {
		t.Errorf("got %v", err)
	}
}

// Every release has a pom and a lock that holds the server, the agents it
// needs and nothing for other systems.
func TestLocks(t *testing.T) {
	for _, rel := range release.All() {
		l, err := readLock(rel.Version)
		if err != nil {
			t.Error(err)
			continue
		}
		want := map[string]int{"cassandra-all-" + rel.Version + ".jar": 1, "jamm-": 1, "jolokia-": 1}
		for name := range l.sums {
			for prefix := range want {
				if strings.HasPrefix(name, prefix) {
					want[prefix]--
				}
			}
			for _, other := range []string{"osx", "windows", "macos"} {
				if strings.Contains(name, other) {
					t.Errorf("%s: %s is for another system", rel.Version, name)
				}
			}
		}
		for prefix, n := range want {
			if n != 0 {
				t.Errorf("%s: %d files too few with prefix %s", rel.Version, n, prefix)
			}
		}
	}
	for _, set := range Sets() {
		pom, err := Pom(set)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile("poms/" + set + ".xml")
		if err != nil || string(file) != string(pom) {
			t.Errorf("poms/%s.xml is not as lockgen writes it (%v): go run ./internal/jars/lockgen %s", set, err, set)
		}
		if strings.Contains(string(pom), "<repositor") || !strings.Contains(string(pom), "<artifactId>maven-dependency-plugin</artifactId>\n        <version>") {
			t.Errorf("pom of %s names a repository, or does not pin its plugin", set)
		}
		if _, err := readLock(set); err != nil {
			t.Error(err)
		}
	}
}

func TestParseLock(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	for _, bad := range []string{
		"", sum, sum + " a.jar", sum + "  ", sum + "  dir/a.jar", sum[2:] + "  a.jar", "zz" + sum[2:] + "  a.jar",
		sum + "  a.jar\n" + sum + "  a.jar", sum + "  a.jar\n\n" + sum + "  b.jar",
	} {
		if _, err := parseLock("x", bad); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}
