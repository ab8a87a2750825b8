package awsfault

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The program itself, as somebody types it, up to provision and down again.
func TestProgram(t *testing.T) {
	b := newBench(t, strings.ReplaceAll(twoRegions, "  operator_cidr: 203.0.113.4/32\n", ""))
	b.proxy.Arm(nil)
	dir := t.TempDir()
	exe := filepath.Join(dir, "crossring")
	if out, err := exec.Command("go", "build", "-o", exe, "crossring").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	file := filepath.Join(dir, "fault.yaml")
	text := "version: crossring/v1\nname: fault\nprovider: ec2\n" + strings.ReplaceAll(twoRegions, "  operator_cidr: 203.0.113.4/32\n", "")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, "state")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	run := func(want int, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, exe, append([]string{"--state", state}, args...)...)
		out, stderr := &strings.Builder{}, &strings.Builder{}
		cmd.Stdout, cmd.Stderr = out, stderr
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Fatalf("crossring %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, want, out, stderr)
		}
		if want == 0 {
			return out.String()
		}
		return out.String() + stderr.String()
	}
	if out := run(2, "up", "-f", file, "--until", "provision"); !strings.Contains(out, "--operator-cidr") {
		t.Errorf("without a network: %s", out)
	}
	if out := run(2, "up", "-f", file, "--operator-cidr", "203.0.113.4/8"); !strings.Contains(out, "the network is 203.0.0.0/8") {
		t.Errorf("a network that is none: %s", out)
	}
	run(0, "up", "-f", file, "--operator-cidr", "203.0.113.4/32", "--dry-run")
	b.none(t)
	if out := run(0, "plan", "-f", file); !strings.Contains(out, "cost: ") || !strings.Contains(out, "call: us-west-2 RunInstances us-west-2-1") {
		t.Errorf("plan: %s", out)
	}
	run(0, "up", "-f", file, "--operator-cidr", "203.0.113.4/32", "--until", "provision")
	if got := b.made(t); got["us-east-1 instance"] != 1 || got["us-west-2 instance"] != 1 {
		t.Errorf("made %v", got)
	}
	b.proxy.Arm(nil)
	run(0, "up", "fault", "--until", "provision")
	if calls := b.proxy.Mutations(); len(calls) > 0 {
		t.Errorf("the second up called %v", calls)
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
	if out := run(2, "down", "fault"); !strings.Contains(out, "crossring down fault --yes") {
		t.Errorf("down without a word: %s", out)
	}
	run(0, "down", "fault", "--yes")
	b.none(t)
	run(0, "gc", "--region", "us-east-1")

	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	if out := run(7, "up", "-f", file, "--operator-cidr", "203.0.113.4/32", "--until", "provision"); !strings.Contains(out, "aws configure") {
		t.Errorf("without credentials: %s", out)
	}
	if left, err := os.ReadDir(filepath.Join(state, "clusters")); err != nil || len(left) > 0 {
		t.Errorf("left in the state directory: %v, %v", left, err)
	}
}
