package test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"crossring/test/built"
)

// own holds what tests of crossring's own processes run: the program with the race
// detector, and a Java home whose java is the stand-in.
var own struct {
	sync.Once
	err           error
	dir           string
	program, home string
}

// processHome is a home for tests whose subject is crossring's own processes: keeper,
// signals, locks, journals, clusters that are half made. In make test a stand-in takes
// the place of java, and the program has the race detector; make test-long runs the same
// tests on real Cassandra.
func processHome(t *testing.T) home {
	t.Helper()
	if long() {
		return newHome(t)
	}
	return standInHome(t)
}

// standInHome is processHome's in make test, and always: for tests that go through more
// than there is time for on real Cassandra.
func standInHome(t *testing.T) home {
	t.Helper()
	h := newHome(t)
	own.Do(func() { own.err = makeOwn() })
	if own.err != nil {
		t.Fatal(own.err)
	}
	h.program, h.env = own.program, append(h.env, "JAVA_HOME="+own.home)
	return h
}

func makeOwn() error {
	dir, err := os.MkdirTemp("", "crossring-own")
	if err != nil {
		return err
	}
	own.dir = dir
	if own.program, err = built.Race(dir); err != nil {
		return err
	}
	java, err := built.StandIn(dir)
	if err != nil {
		return err
	}
	own.home = filepath.Join(dir, "java")
	if err := os.MkdirAll(filepath.Join(own.home, "bin"), 0o755); err != nil {
		return err
	}
	return os.Symlink(java, filepath.Join(own.home, "bin", "java"))
}
