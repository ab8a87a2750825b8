package procs

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const patience = time.Minute

// child starts a shell script, and waits until it has said "ready". Its command
// line ends with args.
func child(t *testing.T, script string, args ...string) (Proc, *exec.Cmd) {
	t.Helper()
	return childOf(t, "/bin/sh", script, args...)
}

func childOf(t *testing.T, shell, script string, args ...string) (Proc, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command(shell, append([]string{"-c", script, "child"}, args...)...)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // most have ended
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the child said %q: %v", line, err)
	}
	p, err := Read(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return p, cmd
}

const (
	forever  = "echo ready; exec sleep 600 >/dev/null"
	waiting  = "echo ready; read -r line" // keeps its arguments; its standard input stays open
	stubborn = "trap '' TERM; echo ready; exec sleep 600 >/dev/null"
)

func TestRead(t *testing.T) {
	me, err := Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if me.PID != os.Getpid() || me.Start == 0 || !slices.Equal(me.Args, os.Args) {
		t.Errorf("this process is %+v", me)
	}
	// A name with parentheses and spaces must not confuse the count of fields.
	odd := filepath.Join(t.TempDir(), ") Z 1 2 (x")
	if err := os.Symlink("/bin/sh", odd); err != nil {
		t.Fatal(err)
	}
	before, _ := child(t, waiting)
	p, _ := childOf(t, odd, waiting)
	after, _ := child(t, waiting)
	if p.Start < before.Start || p.Start > after.Start || p.Args[0] != odd {
		t.Errorf("with an odd name: %+v, between %d and %d", p, before.Start, after.Start)
	}
}

func TestReadOfADeadProcess(t *testing.T) {
	p, cmd := child(t, waiting, "dead")
	h, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if Ending(p) {
		t.Error("a process that waits for input is said to be ending")
	}
	if err := h.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// From this moment on, whatever the kernel has done of it.
	if !Ending(p) {
		t.Error("a process that was killed is not said to be ending")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := h.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if !Ending(p) {
		t.Error("a zombie is not said to be ending")
	}
	// Nobody has asked how it ended: a zombie is as dead as one that is gone.
	if _, err := Read(p.PID); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a zombie reads as %v", err)
	}
	if found, err := Find("dead"); err != nil || slices.ContainsFunc(found, func(q Proc) bool { return q.PID == p.PID }) {
		t.Errorf("a zombie is found: %v, %v", found, err)
	}
	_ = cmd.Wait() // killed
	if _, err := Read(p.PID); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a process that is gone reads as %v", err)
	}
	if killed, err := Stop(t.Context(), p, time.Second); killed || err != nil {
		t.Errorf("stopping it: killed %t, %v", killed, err)
	}
	if err := h.Signal(unix.SIGTERM); err != nil {
		t.Errorf("a signal to a process that has ended: %v", err)
	}
}

func TestFind(t *testing.T) {
	const mark = "-Dmark=8d1f5a"
	one, _ := child(t, waiting, mark)
	two, _ := child(t, waiting, "other", mark, "more")
	child(t, waiting, mark+"x") // another mark
	found, err := Find(mark)
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, p := range found {
		pids = append(pids, p.PID)
	}
	slices.Sort(pids)
	want := []int{one.PID, two.PID}
	slices.Sort(want)
	if !slices.Equal(pids, want) {
		t.Errorf("found %v, want %v", pids, want)
	}
	if got := found[0].Flag("-Dmark="); got != "8d1f5a" {
		t.Errorf("the flag is %q", got)
	}
	if got := found[0].Flag("-Dnone="); got != "" {
		t.Errorf("a flag that is not there is %q", got)
	}
}

func TestOpenKnowsAProcessByItsStart(t *testing.T) {
	p, _ := child(t, forever)
	other := p
	other.Start++ // as a later process with the same pid has
	if _, err := Open(other); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opening another process of that pid: %v", err)
	}
	if killed, err := Stop(t.Context(), other, 0); killed || err != nil {
		t.Errorf("stopping another process of that pid: killed %t, %v", killed, err)
	}
	h, err := Open(p)
	if err != nil {
		t.Fatalf("it should have been left alone: %v", err)
	}
	h.Close()
}

func TestStop(t *testing.T) {
	for name, tt := range map[string]struct {
		script string
		grace  time.Duration
		killed bool
	}{
		"goes when asked":       {forever, patience, false},
		"is not asked":          {forever, 0, true},
		"does not go when told": {stubborn, 100 * time.Millisecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			p, cmd := child(t, tt.script)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			killed, err := Stop(ctx, p, tt.grace)
			if err != nil || killed != tt.killed {
				t.Errorf("killed %t, %v; want killed %t", killed, err, tt.killed)
			}
			if _, err := Read(p.PID); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("it has not ended: %v", err)
			}
			want := unix.SIGTERM
			if tt.killed {
				want = unix.SIGKILL
			}
			_ = cmd.Wait() // by a signal
			if got := cmd.ProcessState.Sys().(interface{ Signal() unix.Signal }).Signal(); got != want {
				t.Errorf("ended by %s, want %s", got, want)
			}
		})
	}
}

func TestStopIsGivenUp(t *testing.T) {
	p, _ := child(t, stubborn)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	killed, err := Stop(ctx, p, patience)
	if killed || !errors.Is(err, context.Canceled) {
		t.Errorf("killed %t, %v; want it left alone, and the context's error", killed, err)
	}
	if _, err := Read(p.PID); err != nil {
		t.Errorf("nobody waited for it, so it lives: %v", err)
	}
}

// A process of somebody else's is never meant, with whatever arguments: not found, and not
// told to end. Nor is one that was lent our rights.
func TestFindOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("starting a process of another user needs root's rights")
	}
	token := "--id=" + filepath.Base(t.TempDir()) + "of-another-user"
	for name, uid := range map[string]uint32{"ours": 0, "theirs": 65534} {
		cmd := exec.Command("/bin/sh", "-c", waiting, "child", token)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
			t.Fatalf("the child said %q: %v", line, err)
		}
		found, err := Find(token)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Read(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		if want := name == "ours"; (len(found) == 1) != want || p.Ours != want {
			t.Errorf("%s: found %v, ours %v", name, found, p.Ours)
		}
		if name == "theirs" {
			if killed, err := Stop(t.Context(), p, 0); killed || err != nil {
				t.Errorf("stopping it: %v, %v", killed, err)
			}
			if _, err := Read(p.PID); err != nil {
				t.Errorf("it did not live on: %v", err)
			}
		}
		stdin.Close()
		_ = cmd.Wait() // it ends with its input
	}
}
