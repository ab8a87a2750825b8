package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crossring/internal/fail"
)

// What changes a cluster waits while another command has its lock, and says for whom;
// what only looks does not.
func TestTurns(t *testing.T) {
	beside(t, 0)
	h := processHome(t)
	c := h.keeperOnly(t, "held")
	spec := h.spec(t, oneByOne("held", oldest))
	lock := holdLock(t, h, "held")
	defer lock.Close()
	if _, err := lock.WriteAt([]byte(fmt.Sprintln(os.Getpid())), 0); err != nil {
		t.Fatal(err)
	}
	waits := fmt.Sprintf("waiting for another command on cluster held (pid %d)", os.Getpid())
	for _, args := range [][]string{
		{"up", "held"}, {"up", "-f", spec}, {"up", "-f", spec, "--until", "deploy"}, {"down", "held"}, {"start", "held"}, {"stop", "held:1"}, {"restart", "held:2"},
		{"preflight", "held"}, {"pki", "rotate", "held"}, {"extend", "held", "--ttl", "1h"},
	} {
		t.Run(strings.Join(args[:min(2, len(args))], " "), func(t *testing.T) {
			s := c.start(t, args...)
			s.says(t, waits)
			s.signal(t, os.Interrupt)
			if r := s.wait(t); r.code != fail.ExitInterrupted || r.stdout != "" {
				t.Errorf("want exit 130, and nothing said of the cluster: %s", r)
			}
		})
	}
	for _, args := range [][]string{
		{"ls"}, {"plan", "-f", spec}, {"status", "held"}, {"ring", "held"}, {"fault", "show", "held"}, {"fault", "partition", "held", east, west},
		{"fault", "heal", "held"}, {"logs", "held:1"}, {"cql", "held", "SELECT key FROM system.local"}, {"stress", "write", "held", "--rows", "10"},
	} {
		t.Run(strings.Join(args[:min(2, len(args))], " ")+" at once", func(t *testing.T) {
			// What it comes to without servers is not the question.
			if r := c.run(t.Context(), args...); strings.Contains(r.stderr, "waiting for another command") {
				t.Errorf("%s", r)
			}
		})
	}
	t.Run("another cluster", func(t *testing.T) {
		h.want(t, 1, "down", "free")
		h.must(t, "up", "--until", "plan", "-f", h.spec(t, oneByOne("free", oldest)))
		other := h.keeperOnly(t, "free")
		h.must(t, "down", other.name)
	})
	t.Run("nodetool of one node", func(t *testing.T) {
		nodeLock := holdLock(t, h, "held.us-east-1-1.jmx")
		defer nodeLock.Close()
		s := c.start(t, "nodetool", "held:1", "info")
		s.says(t, "waiting for another command on cluster held.us-east-1-1.jmx")
		s.signal(t, os.Interrupt)
		s.wait(t)
		if r := c.run(t.Context(), "nodetool", "held:2", "info"); strings.Contains(r.stderr, "waiting for another command") {
			t.Errorf("another node's nodetool waits, too: %s", r)
		}
	})
	// The files of locks stay, and nothing else does.
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	h.must(t, "down", "held")
	entries, err := os.ReadDir(filepath.Join(h.state, "locks"))
	if err != nil || !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == "held.lock" }) {
		t.Errorf("locks: %v, %v", entries, err)
	}
}
