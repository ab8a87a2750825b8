// Package test runs the built program against real Cassandra: whole commands,
// their answers, their exit codes, and what they leave behind.
package test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crossring/internal/release/releasetest"
	"crossring/test/built"
	"crossring/test/harness"
)

// program is the path of the built binary.
var program string

func TestMain(m *testing.M) {
	if os.Getenv(strangerEnv) != "" {
		os.Exit(strangerMain())
	}
	flag.Parse()
	os.Exit(build(m))
}

// build finds or compiles the program, runs the tests, and takes down what they shared.
func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "crossring-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if program, err = built.Program(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if own.dir != "" {
			os.RemoveAll(own.dir)
		}
	}()
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	for _, c := range shared.clusters {
		if got := c.run(context.Background(), "down", c.name); got.code != 0 {
			fmt.Fprintln(os.Stderr, got)
			code = 1
		}
		os.RemoveAll(c.state)
	}
	return code
}

// long says whether the tests that take longer are asked for.
func long() bool { return harness.Long() }

// needLong skips what make test leaves to make test-long.
func needLong(t *testing.T) {
	t.Helper()
	harness.NeedLong(t)
}

// home is a place for the program to work in: a state directory, and an
// environment of its own. The jar cache is the user's, so that nothing is
// fetched twice.
type home struct {
	state string
	env   []string // over the test's own environment
	dir   string   // working directory; "" is the test's
	// program is run instead of the one that all tests share; "" is that one.
	program string
	// via makes the commands where they can't be this process's own children; nil can.
	via func(ctx context.Context, name string, args ...string) *exec.Cmd
}

func newHome(t *testing.T) home {
	t.Helper()
	return home{state: t.TempDir()}
}

// result is what a command came to.
type result struct {
	args   []string
	code   int
	stdout string
	stderr string
}

func (r result) String() string {
	return fmt.Sprintf("crossring %s: exit %d\n--- stdout\n%s--- stderr\n%s", strings.Join(r.args, " "), r.code, r.stdout, r.stderr)
}

// command is a command of the program, not yet started.
func (h home) command(ctx context.Context, args ...string) *exec.Cmd {
	via := h.via
	if via == nil {
		via = exec.CommandContext
	}
	cmd := via(ctx, cmp.Or(h.program, program), args...)
	cmd.Env = append(os.Environ(), "CROSSRING_STATE="+h.state)
	cmd.Env = append(cmd.Env, h.env...)
	cmd.Dir = h.dir
	return cmd
}

// run runs a command to its end.
func (h home) run(ctx context.Context, args ...string) result {
	return h.finish(h.command(ctx, unasked(args)...), args)
}

// unasked answers beforehand what a person would be asked at a terminal, whether machines
// are to be made or taken down.
func unasked(args []string) []string {
	if len(args) > 0 && (args[0] == "down" || args[0] == "up") && !slices.Contains(args, "--yes") {
		return append(slices.Clone(args), "--yes")
	}
	return args
}

// finish runs a command of the program, however that is called, to its end.
func (h home) finish(cmd *exec.Cmd, args []string) result {
	r := harness.Run(cmd)
	return result{args: args, code: r.Code, stdout: r.Stdout, stderr: r.Stderr}
}

// must runs a command that has to succeed.
func (h home) must(t *testing.T, args ...string) result {
	t.Helper()
	return h.want(t, 0, args...)
}

// want runs a command that has to end with code.
func (h home) want(t *testing.T, code int, args ...string) result {
	t.Helper()
	r := h.run(t.Context(), args...)
	if r.code != code {
		t.Fatalf("want exit %d: %s", code, r)
	}
	return r
}

// decode reads a command's JSON answer.
func decode[T any](t *testing.T, r result) T {
	t.Helper()
	return harness.Decode[T](t, r.stdout, r)
}

// cluster is one that is up.
type cluster struct {
	home
	name string
}

// specOf writes a spec into the home and returns its path.
func (h home) spec(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(h.state, fmt.Sprintf("spec-%d.yaml", time.Now().UnixNano()))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// up makes a cluster of a spec's text and takes it down when the test ends.
func (h home) up(t *testing.T, name, text string) cluster {
	t.Helper()
	c := cluster{h, name}
	t.Cleanup(func() { h.takeDown(t, name) })
	h.must(t, "up", "-f", h.spec(t, text))
	return c
}

// takeDown removes a cluster at the end of a test, unless the test did.
func (h home) takeDown(t *testing.T, name string) {
	t.Helper()
	// The test's context has ended by now.
	if r := h.run(context.Background(), "down", name, "--yes"); r.code != 0 && !strings.Contains(r.stderr, "there is no cluster") {
		t.Error(r)
	}
}

// oneByOne is the spec of two regions of one node.
func oneByOne(name, version string) string {
	return fmt.Sprintf(`version: crossring/v1
name: %s
cassandra: "%s"
partitioner: %s
heap_mb: 512
regions:
  - {region: us-east-1, zone: us-east-1a, nodes: 1}
  - {region: us-west-2, zone: us-west-2a, nodes: 1}
`, name, version, partitionerOf(version))
}

// partitionerOf is the experiment's for the experiment's version, and today's for today's.
func partitionerOf(version string) string {
	if strings.HasPrefix(version, "1.") {
		return "RandomPartitioner"
	}
	return "Murmur3Partitioner"
}

// versions are those that every run boots: what is there at both ends.
var (
	oldest, newest = releasetest.Oldest(), releasetest.Newest()
	versions       = []string{oldest, newest}
)

// shared holds one cluster for each version, made when the first test asks.
var shared struct {
	sync.Mutex
	clusters map[string]cluster
}

// sharedCluster is a two-region cluster that tests of a version share, one after another:
// they may write to it and must leave it up and whole.
func sharedCluster(t *testing.T, version string) cluster {
	t.Helper()
	turns.wait(t, 0, []lane{sharedLane(version)})
	shared.Lock()
	c, made := shared.clusters[version]
	shared.Unlock()
	if made {
		return c
	}
	state, err := os.MkdirTemp("", "crossring-shared")
	if err != nil {
		t.Fatal(err)
	}
	c = cluster{home{state: state}, "shared-" + strings.ReplaceAll(version, ".", "-")}
	shared.Lock()
	if shared.clusters == nil {
		shared.clusters = map[string]cluster{}
	}
	shared.clusters[version] = c // also when up fails: TestMain takes it down
	shared.Unlock()
	c.must(t, "up", "-f", c.spec(t, oneByOne(c.name, version)))
	return c
}

// each runs f for every version, on its shared cluster.
func each(t *testing.T, f func(t *testing.T, version string, c cluster)) {
	t.Helper()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) { f(t, v, sharedCluster(t, v)) })
	}
}

// sparing runs f for one version, and for the others too where there is time for it.
func sparing(t *testing.T, one string, f func(t *testing.T, version string, c cluster)) {
	t.Helper()
	each(t, func(t *testing.T, version string, c cluster) {
		if version != one {
			needLong(t)
		}
		f(t, version, c)
	})
}

// eventually asks until ok says yes, and fails the test at the deadline.
func eventually(t *testing.T, deadline time.Duration, what string, ok func() bool) {
	t.Helper()
	harness.Eventually(t, deadline, what, ok)
}
