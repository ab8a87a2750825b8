// Package harness is what the tests of real servers, of the lab and of the emulator share.
package harness

import (
	"hash/fnv"
	"math/rand"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Long says whether the tests that take longer are asked for.
func Long() bool { return os.Getenv("CROSSRING_LONG") != "" }

// NeedLong skips what make test leaves to make test-long.
func NeedLong(t *testing.T) {
	t.Helper()
	if !Long() {
		t.Skip("runs in make test-long (CROSSRING_LONG=1): it takes minutes of both processors")
	}
}

// Commit names the state of the source, which chooses what Some takes.
func Commit() string {
	out, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		return "no commit"
	}
	return strings.TrimSpace(string(out))
}

// Some takes n of all, by the commit: another commit has others, so that all have their
// turn before long. The order of all is changed.
func Some[T any](all []T, n int, commit string) []T {
	h := fnv.New64a()
	h.Write([]byte(commit))
	rand.New(rand.NewSource(int64(h.Sum64()))).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(n, len(all))]
}
