package jars

import (
	"compress/gzip"
	"crossring/internal/release"
	"crossring/internal/release/releasetest"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A list must be readable and of a series that there is.
func TestClassListsAreOfKnownSeries(t *testing.T) {
	files, err := classes.ReadDir("classes")
	if err != nil || len(files) == 0 {
		t.Fatalf("class lists: %v, %v", files, err)
	}
	for _, f := range files {
		series := strings.TrimSuffix(f.Name(), ".list.gz")
		if rel, err := release.Find(series); err != nil || rel.Series != series {
			t.Errorf("%s: of %s, %v", f.Name(), rel.Series, err)
		}
		r, err := classes.Open("classes/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatalf("%s: %v", f.Name(), err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			t.Fatalf("%s: %v", f.Name(), err)
		}
		if !strings.Contains(string(text), "org/apache/cassandra/service/CassandraDaemon") {
			t.Errorf("%s does not name Cassandra's main class", f.Name())
		}
		if strings.Contains(string(text), "org/jolokia") {
			t.Errorf("%s names an agent's classes, which are not on the class path", f.Name())
		}
	}
}

// fakeJava is a java that says what it was asked, and makes what a dump makes.
func fakeJava(t *testing.T, dump string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "java")
	script := "#!/bin/sh\nfor a; do case $a in -XX:SharedArchiveFile=*) out=${a#*=}; out=${out#SharedArchiveFile=};; esac; done\n" +
		"[ \"$1\" = -Xshare:dump ] || { echo fake; exit 0; }\n" + dump + "\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestArchiveIsMadeOnceForAJavaAndItsJars(t *testing.T) {
	cache := t.TempDir()
	jar := filepath.Join(cache, "a.jar")
	if err := os.WriteFile(jar, []byte("jar"), 0o644); err != nil {
		t.Fatal(err)
	}
	java := fakeJava(t, `echo archive > "$out"`)
	j := Jars{Version: releasetest.Of("5.0"), ClassPath: []string{jar}}
	req := Request{CacheDir: cache, Progress: func(string) {}}
	made := 0
	get := func() string {
		t.Helper()
		path, err := Archive(t.Context(), req, j, java, 17, func() { made++ })
		if err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != "archive\n" {
			t.Fatalf("archive %s: %q, %v", path, data, err)
		}
		return path
	}
	first := get()
	if again := get(); again != first || made != 1 {
		t.Errorf("asked twice: %s then %s, made %d times", first, again, made)
	}
	if err := os.WriteFile(jar, []byte("another jar"), 0o644); err != nil {
		t.Fatal(err)
	}
	if other := get(); other == first || made != 2 {
		t.Errorf("with another jar: %s, as before; made %d times", other, made)
	}
	left, err := filepath.Glob(filepath.Join(cache, "archives", ".dump-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestArchiveNeedsAListAndARecentJava(t *testing.T) {
	req := Request{CacheDir: t.TempDir(), Progress: func(string) {}}
	making := func() { t.Error("an archive was made") }
	for _, c := range []struct {
		version string
		java    int
	}{{releasetest.Of("1.2"), 17}, {releasetest.Of("5.0"), 11}} {
		path, err := Archive(t.Context(), req, Jars{Version: c.version}, "/nonexistent/java", c.java, making)
		if path != "" || err != nil {
			t.Errorf("cassandra %s on Java %d: %q, %v", c.version, c.java, path, err)
		}
	}
}

func TestArchiveSaysWhyTheDumpFailed(t *testing.T) {
	java := fakeJava(t, "echo first; echo 'no room for classes'; exit 1")
	req := Request{CacheDir: t.TempDir(), Progress: func(string) {}}
	_, err := Archive(t.Context(), req, Jars{Version: releasetest.Of("5.0")}, java, 17, func() {})
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(err.Error(), "no room for classes") {
		t.Errorf("error %v, want java's exit status and the last line of its output", err)
	}
}
