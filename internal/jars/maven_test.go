package jars

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/release/releasetest"
)

func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// realMaven skips a test that has no mvn to run.
func realMaven(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs in make test-long (without -short): it asks mvn")
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		t.Skipf("no mvn: %v", err)
	}
}

// The oldest version is the smallest: 16 MB. The home of a tarball is played by
// the same jars under the tarball's names, without the agent.
func TestRealMaven(t *testing.T) {
	realMaven(t)
	cache := t.TempDir()
	ctx := context.Background()
	jars, err := Ensure(ctx, Request{Version: "1.2", CacheDir: cache, Progress: func(s string) { t.Log(s) }})
	if down := (*NoNetworkError)(nil); errors.As(err, &down) {
		t.Skipf("no network: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	want, err := readLock(releasetest.Oldest())
	if err != nil {
		t.Fatal(err)
	}
	if jars.Version != releasetest.Oldest() || len(jars.ClassPath) != len(want.sums)-1 || jars.Jamm == "" || jars.Jolokia == "" {
		t.Errorf("got %+v", jars)
	}
	for _, path := range append([]string{jars.Jamm, jars.Jolokia}, jars.ClassPath...) {
		if !filepath.IsAbs(path) {
			t.Errorf("%s is not absolute", path)
		}
	}
	if err := want.verify(jars.Dir); err != nil {
		t.Error(err)
	}

	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range jars.ClassPath {
		name := strings.Replace(filepath.Base(path), "cassandra-all-", "apache-cassandra-", 1)
		if err := os.Symlink(path, filepath.Join(home, "lib", name)); err != nil {
			t.Fatal(err)
		}
	}
	jars, err = Ensure(ctx, Request{Home: home, CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	if jars.Version != releasetest.Oldest() || filepath.Dir(jars.Jolokia) != filepath.Join(cache, agentSet) {
		t.Errorf("from a home: got %+v", jars)
	}
}

func TestRealMavenOfflineWithNothing(t *testing.T) {
	realMaven(t)
	_, err := Ensure(context.Background(), Request{
		Version: releasetest.Oldest(), CacheDir: t.TempDir(), Offline: true,
		MavenArgs: []string{"-Dmaven.repo.local=" + t.TempDir()},
	})
	var down *NoNetworkError
	if !errors.As(err, &down) || !down.Offline || down.Line == "" {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
}

// What mvn prints is read to its end, whatever it prints: it would wait for a reader.
func TestLongLineOfMaven(t *testing.T) {
	out, in := io.Pipe()
	wrote := make(chan error, 1)
	go func() {
		_, err := io.WriteString(in, strings.Repeat("x", 3<<20)+"\n[ERROR] what is wrong -> [Help 1]")
		in.CloseWithError(io.EOF)
		wrote <- err
	}()
	if got := watchMaven(out, func(string) {}, "jars"); got != "what is wrong" {
		t.Errorf("it says %.40q", got)
	}
	out.Close() // a writer who is still waiting gets an error
	if err := <-wrote; err != nil {
		t.Errorf("not read to the end: %v", err)
	}
}
