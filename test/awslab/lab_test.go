//go:build linux

package awslab

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crossring/internal/jars"
	"crossring/internal/release/releasetest"
	"crossring/test/awsfault"
	"crossring/test/built"
	"crossring/test/harness"
)

// world is the lab and the program of all tests. The lab starts when a test needs it;
// why says why there is none.
var world struct {
	once    sync.Once
	lab     *Lab
	program string
	dir     string
	before  awsfault.Stock
	why     error
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(withLab(m))
}

// withLab runs the tests, and closes the lab that they may have started.
func withLab(m *testing.M) int {
	dir, err := os.MkdirTemp("", "crossring-lab")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	world.dir = dir
	code := m.Run()
	if world.lab != nil {
		if err := world.lab.Close(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "closing the lab:", err)
			code = 1
		}
	}
	return code
}

func start(ctx context.Context) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	cache = filepath.Join(cache, "crossring")
	if err := litter(ctx, cache); err != nil {
		return err
	}
	begun := time.Now()
	world.lab, err = Start(ctx, Config{Cache: cache, Dir: world.dir, Say: say})
	if err != nil {
		return err
	}
	say("the lab took %.1f s", time.Since(begun).Seconds())
	if left, err := world.lab.Left(ctx); err != nil || len(left) > 0 {
		return fmt.Errorf("a new lab has %v from the one before (%w)", left, err)
	}
	if world.program, err = built.Program(world.dir); err != nil {
		return err
	}
	world.before, err = awsfault.Count(ctx, world.lab.Emulator(), world.lab.Regions())
	return err
}

// litter leaves what a lab leaves that is killed: a host's namespace, disk and, if the
// image is there, container. What can't be made here is for Start to say.
func litter(ctx context.Context, cache string) error {
	if os.Getuid() != 0 || len(missing()) > 0 {
		return nil // Start says so
	}
	e, err := newEngine(filepath.Join(cache, "awslab"))
	if err != nil {
		return err
	}
	held, err := lock(ctx, filepath.Join(e.dir, "lock"), say)
	if err != nil {
		return err
	}
	defer held.Close()
	const instance = "i-00000000000000000"
	b := box{name: prefix + instance, namespace: prefix + instance, hostname: "dead", private: "10.11.0.9"}
	err = command(ctx, "ip", "netns", "add", b.namespace)
	device, diskErr := (&Lab{engine: e}).addDisk(ctx, instance+"-0")
	if err = errors.Join(err, diskErr); err == nil && e.hasImage(ctx) {
		b.devices = []string{device}
		err = e.start(ctx, b)
	}
	if err != nil {
		say("no litter: %v", err)
	}
	return nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "lab: "+format+"\n", args...) }

// needLab is the lab of all tests. One that the computer can't hold is a reason to skip.
func needLab(t *testing.T) *Lab {
	t.Helper()
	world.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
		defer cancel()
		world.why = start(ctx)
	})
	var unavailable *Unavailable
	switch {
	case errors.As(world.why, &unavailable):
		t.Skip(world.why)
	case world.why != nil:
		t.Fatal(world.why)
	}
	return world.lab
}

// operator is somebody at a computer from which the hosts can be reached.
type operator struct {
	t     *testing.T
	state string
}

func newOperator(t *testing.T) operator {
	return operator{t: t, state: t.TempDir()}
}

// result is what a command came to.
type result struct {
	line           string
	code           int
	stdout, stderr string
	took           time.Duration
}

func (r result) String() string {
	return fmt.Sprintf("%s: exit %d after %.0f s\n--- stdout\n%s--- stderr\n%s", r.line, r.code, r.took.Seconds(), r.stdout, r.stderr)
}

// crossring runs the program as the operator types it.
func (o operator) crossring(args ...string) result {
	o.t.Helper()
	// Longer than any command's own limits.
	ctx, cancel := context.WithTimeout(context.Background(), 12*time.Minute)
	defer cancel()
	if args[0] == "up" {
		args = append(slices.Clone(args), "--yes") // nobody is there to be asked
	}
	cmd := world.lab.Command(ctx, world.program, args...)
	cmd.Env = append(append(os.Environ(), "CROSSRING_STATE="+o.state), world.lab.Environment()...)
	got := harness.Run(cmd)
	r := result{line: "crossring " + strings.Join(args, " "), code: got.Code, stdout: got.Stdout, stderr: got.Stderr, took: got.Took}
	o.t.Logf("%s: exit %d, %.1f s", r.line, r.code, r.took.Seconds())
	return r
}

func (o operator) want(code int, args ...string) result {
	o.t.Helper()
	r := o.crossring(args...)
	if r.code != code {
		o.t.Fatalf("want exit %d: %s", code, r)
	}
	return r
}

func decode[T any](t *testing.T, r result) T {
	t.Helper()
	return harness.Decode[T](t, r.stdout, r)
}

// publish puts a version of Cassandra on the lab's mirror.
func publish(t *testing.T, version string) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	j, err := jars.Ensure(t.Context(), jars.Request{Version: version, CacheDir: filepath.Join(cache, "crossring", "jars")})
	if err != nil {
		t.Fatal(err)
	}
	if err := world.lab.Publish(version, j.ClassPath); err != nil {
		t.Fatal(err)
	}
}

// spec writes a spec of the example's shape, of as many nodes in each region.
func (o operator) spec(name, version string, nodes int) string {
	o.t.Helper()
	return o.sized(name, version, nodes, nodes)
}

// sized is spec with numbers of nodes for each region.
func (o operator) sized(name, version string, east, west int) string {
	o.t.Helper()
	partitioner := "Murmur3Partitioner"
	if strings.HasPrefix(version, "1.") {
		partitioner = "RandomPartitioner"
	}
	file := filepath.Join(o.t.TempDir(), "cluster.yaml")
	text := fmt.Sprintf(`version: crossring/v1
name: %s
cassandra: %q
partitioner: %s
provider: ec2
heap_mb: 512
regions:
- {region: us-east-1, zone: us-east-1a, nodes: %d}
- {region: us-west-2, zone: us-west-2a, nodes: %d}
%s`, name, version, partitioner, east, west, world.lab.Block())
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		o.t.Fatal(err)
	}
	return file
}

// The releases that the lab's tests boot.
var oldest, newest = releasetest.Oldest(), releasetest.Newest()
