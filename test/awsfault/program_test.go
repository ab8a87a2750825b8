package awsfault

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crossring/test/built"
	"crossring/test/harness"
)

// typist types commands of the program, built from this source, against a bench.
type typist struct {
	asked bool // left to be asked before something is made
	t     *testing.T
	exe   string
	state string
	env   []string // over the test's own environment
}

// program is the binary, built once for all tests.
var program = sync.OnceValues(func() (string, error) {
	return built.Program(lab.dir)
})

func newTypist(t *testing.T) typist {
	t.Helper()
	exe, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return typist{t: t, exe: exe, state: filepath.Join(t.TempDir(), "state")}
}

// spec writes the cluster.yaml of a bench.
func (y typist) spec(text string) string {
	y.t.Helper()
	file := filepath.Join(y.t.TempDir(), "fault.yaml")
	if err := os.WriteFile(file, []byte("version: crossring/v1\nname: fault\nprovider: ec2\n"+text), 0o600); err != nil {
		y.t.Fatal(err)
	}
	return file
}

// command is a command that is not started yet; out takes both streams.
func (y typist) command(ctx context.Context, stdout, stderr io.Writer, args ...string) *exec.Cmd {
	if !y.asked && slices.Contains(args, "up") && !slices.Contains(args, "--replace") {
		args = append(slices.Clone(args), "--yes")
	}
	cmd := exec.CommandContext(ctx, y.exe, append([]string{"--state", y.state}, args...)...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Env = append(os.Environ(), y.env...)
	return cmd
}

// run runs a command that should end with a code. What it answers is returned, and with
// any code but 0 what it said besides.
func (y typist) run(want int, args ...string) string {
	y.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	r := harness.Run(y.command(ctx, nil, nil, args...))
	if r.Code != want {
		y.t.Fatalf("crossring %s: exit %d, want %d\n%s%s", strings.Join(args, " "), r.Code, want, r.Stdout, r.Stderr)
	}
	if want == 0 {
		return r.Stdout
	}
	return r.Stdout + r.Stderr
}

// withoutOperator is the spec of two regions that leaves to the command line who may
// reach it.
var withoutOperator = strings.ReplaceAll(twoRegions, "  operator_cidr: 198.18.255.4/32\n", "")

// The program itself, as somebody types it, up to provision and down again.
func TestProgram(t *testing.T) {
	b := newBench(t, withoutOperator)
	b.proxy.Arm(nil)
	y := newTypist(t)
	file, state, run := y.spec(withoutOperator), y.state, y.run
	if out := run(2, "up", "-f", file, "--until", "provision"); !strings.Contains(out, "--operator-cidr") {
		t.Errorf("without a network: %s", out)
	}
	if out := run(2, "up", "-f", file, "--operator-cidr", "198.18.255.4/8"); !strings.Contains(out, "the network is 198.0.0.0/8") {
		t.Errorf("a network that is none: %s", out)
	}
	run(0, "up", "-f", file, "--operator-cidr", "198.18.255.4/32", "--dry-run")
	b.none(t)
	if out := run(0, "plan", "-f", file); !strings.Contains(out, "cost: ") || !strings.Contains(out, "call: us-west-2 RunInstances us-west-2-1") {
		t.Errorf("plan: %s", out)
	}
	// What it costs is said before, and asked about.
	asked := y
	asked.asked = true
	if out := asked.run(2, "up", "-f", file, "--operator-cidr", "198.18.255.4/32", "--until", "provision"); !strings.Contains(out, "USD an hour") || !strings.Contains(out, "--yes") {
		t.Errorf("%s", out)
	}
	if out := run(2, "up", "-f", file, "--operator-cidr", "203.0.113.4/32"); !strings.Contains(out, "kept for documentation") {
		t.Errorf("%s", out)
	}
	run(0, "up", "-f", file, "--operator-cidr", "198.18.255.4/32", "--until", "provision")
	if got := b.made(t); got["us-east-1 instance"] != 1 || got["us-west-2 instance"] != 1 {
		t.Errorf("made %v", got)
	}
	b.proxy.Arm(nil)
	run(0, "up", "fault", "--until", "provision")
	if calls := b.proxy.Mutations(); len(calls) > 0 {
		t.Errorf("the second up called %v", calls)
	}
	// The network that was given is kept: without it the spec is the same.
	run(0, "up", "-f", file, "--until", "provision")
	if calls := b.proxy.Mutations(); len(calls) > 0 {
		t.Errorf("the third up called %v", calls)
	}
	if out := run(8, "up", "-f", file, "--operator-cidr", "198.18.100.0/24"); !strings.Contains(out, `ec2.operator_cidr[0]: "198.18.255.4/32" → "198.18.100.0/24"`) {
		t.Errorf("another network: %s", out)
	}
	var listing struct {
		Clusters []struct {
			Name      string  `json:"name"`
			ExpiresAt *string `json:"expires_at"`
		} `json:"clusters"`
	}
	if out := run(0, "ls", "--ec2", "--region", "us-east-1", "--region", "us-west-2", "-o", "json"); json.Unmarshal([]byte(out), &listing) != nil ||
		len(listing.Clusters) != 1 || listing.Clusters[0].ExpiresAt == nil {
		t.Errorf("ls: %s", out)
	}
	run(0, "extend", "fault", "--ttl", "20h")
	if out := run(2, "extend", "fault", "--ttl=-1h"); !strings.Contains(out, "is over already") {
		t.Errorf("a time to live in the past: %s", out)
	}
	if out := run(2, "down", "fault"); !strings.Contains(out, "down fault --yes") {
		t.Errorf("down without a word: %s", out)
	}
	run(0, "down", "fault", "--yes", "--no-collect")
	b.none(t)
	run(0, "gc", "--region", "us-east-1")

	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	if out := run(7, "up", "-f", file, "--operator-cidr", "198.18.255.4/32", "--until", "provision"); !strings.Contains(out, "aws configure") {
		t.Errorf("without credentials: %s", out)
	}
	if left, err := os.ReadDir(filepath.Join(state, "clusters")); err != nil || len(left) > 0 {
		t.Errorf("left in the state directory: %v, %v", left, err)
	}
}
