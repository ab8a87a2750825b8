package awsfault

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"crossring/test/harness"
)

const provision = "--until=provision"

// A spec that differs is shown as a diff and refused; with --replace and a yes the
// cluster is taken down and made anew, and nothing of the first stays.
func TestProgramReplaces(t *testing.T) {
	b := newBench(t, twoRegions)
	b.proxy.Arm(nil)
	y := newTypist(t)
	y.run(0, "up", "-f", y.spec(twoRegions), provision)
	before := b.stock(t)
	// A node more alone would be a change; other machines can't be.
	bigger := y.spec(strings.NewReplacer("[{region: us-east-1}", "[{region: us-east-1, nodes: 2}", "m5.xlarge", "m5.2xlarge").Replace(twoRegions))
	b.proxy.Arm(nil)
	if out := y.run(8, "up", "-f", bigger, provision); !strings.Contains(out, "nodes: 1 → 2") || !strings.Contains(out, "m5.2xlarge") || !strings.Contains(out, "--replace") {
		t.Errorf("another spec: %s", out)
	}
	if out := y.run(2, "up", "-f", bigger, "--replace", "--no-collect", provision); !strings.Contains(out, "--replace --yes") {
		t.Errorf("without a yes: %s", out)
	}
	if calls := b.proxy.Mutations(); len(calls) > 0 {
		t.Errorf("refused, and called %v", calls)
	}
	y.run(0, "up", "-f", bigger, "--replace", "--yes", "--no-collect", provision)
	if got := b.made(t); got["us-east-1 instance"] != 2 || got["us-west-2 instance"] != 1 || got["us-east-1 elastic-ip"] != 2 || got["us-east-1 security-group"] != 1 {
		t.Errorf("made %v", got)
	}
	now := b.stock(t)
	for _, thing := range before.Without(b.before) {
		if len(now.Without(Stock{thing})) < len(now) {
			t.Errorf("still there of the first one: %s", thing)
		}
	}
	y.run(0, "down", "fault", "--yes", "--no-collect")
	b.none(t)
}

// A cluster of another state directory: up refuses the name, down shows whose it is
// and asks, and with a yes removes it by its tags.
func TestProgramElsewhere(t *testing.T) {
	b := newBench(t, twoRegions)
	b.proxy.Arm(nil)
	y, other := newTypist(t), newTypist(t)
	t.Setenv("USER", "somebody")
	file := y.spec(twoRegions)
	y.run(0, "up", "-f", file, provision)
	b.proxy.Arm(nil)
	if out := other.run(8, "up", "-f", file, provision); !strings.Contains(out, "was made from another state directory") || !strings.Contains(out, "down fault --ec2") {
		t.Errorf("up: %s", out)
	}
	if out := other.run(1, "down", "fault", "--yes"); !strings.Contains(out, `there is no cluster "fault"`) {
		t.Errorf("down: %s", out)
	}
	regions := []string{"--region", "us-east-1", "--region", "us-west-2"}
	out := other.run(2, append([]string{"down", "fault", "--ec2"}, regions...)...)
	for _, want := range []string{"cluster fault of somebody: 2 instances", "in us-east-1, us-west-2, not expired: it may live until 2", "down fault --ec2 --yes"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q: %s", want, out)
		}
	}
	if calls := b.proxy.Mutations(); len(calls) > 0 {
		t.Errorf("without a yes, and called %v", calls)
	}
	other.run(1, append([]string{"down", "nonesuch", "--ec2", "--yes"}, regions...)...)
	other.waitsItsTurn("fault", append([]string{"down", "fault", "--ec2", "--yes"}, regions...)...)
	// What has expired is removed by whoever looks for it, and not while somebody works on it.
	y.run(0, "extend", "fault", "--ttl", "1s")
	b.proxy.Arm(nil)
	expired := func() bool {
		return strings.Contains(other.run(0, append([]string{"gc", "--dry-run"}, regions...)...), "fault")
	}
	for end := time.Now().Add(time.Minute); !expired(); {
		if time.Now().After(end) {
			t.Fatal("it does not expire")
		}
	}
	// One of two clocks is wrong: by that of this computer alone nothing is removed.
	for _, off := range []time.Duration{-time.Hour, time.Hour} {
		b.proxy.Clock = off
		if out := other.run(1, append([]string{"gc"}, regions...)...); !strings.Contains(out, "off that of AWS") || !strings.Contains(out, "chronyc") {
			t.Errorf("%s", out)
		}
	}
	b.proxy.Clock = 0
	other.waitsItsTurn("fault", append([]string{"gc"}, regions...)...)
	if calls := b.proxy.Mutations(); len(calls) > 0 {
		t.Errorf("waited, and called %v", calls)
	}
	var done struct {
		Removed bool `json:"removed"`
	}
	if out := other.run(0, append([]string{"down", "fault", "--ec2", "--yes", "-o", "json"}, regions...)...); json.Unmarshal([]byte(out), &done) != nil || !done.Removed {
		t.Errorf("down --ec2 --yes: %s", out)
	}
	b.none(t)
	if !harness.Long() {
		t.Log("make test-long (CROSSRING_LONG=1) has the rest: down looks for more than a minute for what somebody else removed")
		return
	}
	// What it was made from knows when it looks.
	y.run(0, "down", "fault", "--yes", "--no-collect")
}

// said takes what a program says, and tells when it has said something.
type said struct {
	mu    sync.Mutex
	text  strings.Builder
	heard func(string) // takes all of it after every word; nil for nobody
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.text.Write(p)
	if s.heard != nil {
		s.heard(s.text.String())
	}
	return n, err
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// The first Ctrl-C finishes the call that is under way, begins no other, and says what
// stands and how to remove it.
func TestProgramInterrupted(t *testing.T) {
	b := newBench(t, twoRegions)
	y := newTypist(t)
	file := y.spec(twoRegions)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	out := &said{}
	cmd := y.command(ctx, out, out, "up", "-f", file, provision)
	b.proxy.Arm(&Fault{Region: "us-east-1", Action: "AllocateAddress", Nth: 1, Kind: Slow})
	b.proxy.Struck = func() { _ = cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its code tells
	got := b.made(t)
	if code := cmd.ProcessState.ExitCode(); code != 130 || got["us-east-1 elastic-ip"] != 1 || got["us-east-1 instance"] != 0 {
		t.Errorf("exit %d, made %v: %s", code, got, out)
	}
	for _, want := range []string{"finishing what is in flight", "so far there are 0 instances and ", " up fault goes on, ", " down fault removes them"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %q: %s", want, out)
		}
	}
	b.proxy.Arm(nil)
	y.run(0, "up", "-f", file, provision)
	if got := b.made(t); got["us-east-1 elastic-ip"] != 1 || got["us-west-2 instance"] != 1 || got["us-east-1 instance"] != 1 {
		t.Errorf("made %v", got)
	}
	y.run(0, "down", "fault", "--yes", "--no-collect")
	b.none(t)
}

// The second Ctrl-C leaves at once, while a call is under way whose reply is never
// heard; the journal makes that safe.
func TestProgramInterruptedTwice(t *testing.T) {
	b := newBench(t, twoRegions)
	y := newTypist(t)
	file := y.spec(twoRegions)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	out := &said{}
	cmd := y.command(ctx, out, out, "up", "-f", file, provision)
	left := make(chan struct{})
	b.proxy.Arm(&Fault{Region: "us-east-1", Action: "RunInstances", Nth: 1, Kind: LostReply})
	// The reply waits until the program has left.
	b.proxy.Struck = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		for !strings.Contains(out.String(), "finishing what is in flight") && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond) // it says so on a pipe, without a word to us
		}
		_ = cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-left:
		case <-ctx.Done():
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its code tells
	close(left)
	if code := cmd.ProcessState.ExitCode(); code != 130 || !b.proxy.Reached() || !strings.Contains(out.String(), "leaving at once") {
		t.Errorf("exit %d: %s", code, out)
	}
	b.proxy.Struck = nil
	b.proxy.Arm(nil)
	y.run(0, "up", "-f", file, provision)
	if got := b.made(t); got["us-east-1 instance"] != 1 || got["us-west-2 instance"] != 1 || got["us-east-1 elastic-ip"] != 1 || got["us-east-1 security-group"] != 1 {
		t.Errorf("made %v", got)
	}
	y.run(0, "down", "fault", "--yes", "--no-collect")
	b.none(t)
	if left, err := os.ReadDir(filepath.Join(y.state, "clusters")); err != nil || len(left) > 0 {
		t.Errorf("left in the state directory: %v, %v", left, err)
	}
}

// waitsItsTurn has a command find a cluster's lock taken, and interrupts it when it says
// so.
func (y typist) waitsItsTurn(name string, args ...string) {
	y.t.Helper()
	dir := filepath.Join(y.state, "locks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		y.t.Fatal(err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		y.t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		y.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out := &said{heard: func(text string) {
		if strings.Contains(text, "waiting for another command on cluster "+name) {
			cancel()
		}
	}}
	cmd := y.command(ctx, out, out, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	_ = cmd.Run() // its code tells
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(out.String(), "waiting for another command on cluster "+name) {
		y.t.Errorf("crossring %s: exit %d, and it does not wait: %s", strings.Join(args, " "), code, out)
	}
}
