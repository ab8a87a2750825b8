package test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"crossring/internal/topology"
	"crossring/provision/local/procs"
)

// patience bounds every wait for a command. What it waits for takes seconds; the
// rest is for a computer that is busy with other things.
const patience = 5 * time.Minute

// started is a command that runs.
type started struct {
	args           []string
	cmd            *exec.Cmd
	stdout, stderr *buffer
	ended          chan struct{}
}

// start starts a command that the test does something to while it runs. It is
// killed when the test ends.
func (h home) start(t *testing.T, args ...string) *started {
	t.Helper()
	s := &started{args: args, stdout: &buffer{}, stderr: &buffer{}, ended: make(chan struct{})}
	s.cmd = h.command(context.Background(), unasked(args)...)
	s.cmd.Stdout, s.cmd.Stderr = s.stdout, s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // how it ended is in ProcessState
		close(s.ended)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // mostly it has ended
		<-s.ended
	})
	return s
}

func (s *started) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("%s to %s: %v", sig, s.result(), err)
	}
}

// says waits until the command has said text on stderr.
func (s *started) says(t *testing.T, text string) {
	t.Helper()
	end := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(s.stderr.String(), text) {
		select {
		case <-s.ended:
			if !strings.Contains(s.stderr.String(), text) {
				t.Fatalf("ended without saying %q: %s", text, s.result())
			}
		case <-end:
			t.Fatalf("did not say %q: %s", text, s.result())
		case <-tick.C:
		}
	}
}

// wait waits for the command's end.
func (s *started) wait(t *testing.T) result {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		t.Fatalf("does not end: %s", s.result())
	}
	return s.result()
}

func (s *started) result() result {
	r := result{args: s.args, code: -1, stdout: s.stdout.String(), stderr: s.stderr.String()}
	select {
	case <-s.ended:
		r.code = s.cmd.ProcessState.ExitCode()
	default:
	}
	return r
}

// buffer is written by a command and read by a test.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// inventory reads what was made; false while there is none.
func (h home) inventory(t *testing.T, name string) (topology.Inventory, bool) {
	t.Helper()
	var inv topology.Inventory
	data, err := os.ReadFile(filepath.Join(h.state, "clusters", name, "inventory.json"))
	if os.IsNotExist(err) {
		return inv, false
	}
	if err == nil {
		err = json.Unmarshal(data, &inv)
	}
	if err != nil {
		t.Fatal(err)
	}
	return inv, true
}

// process is one that belongs to the home's clusters.
type process struct {
	pid  int
	node string // "" for a keeper, or anything else
	args []string
}

func (p process) isKeeper() bool { return len(p.args) > 1 && p.args[1] == "keeper" }

// processes finds what runs for the clusters of the home: every process that has
// its state directory in its command line. Commands in the foreground, which get
// it from the environment, are not among them.
func (h home) processes(t *testing.T) []process {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var found []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil || !bytes.Contains(line, []byte(filepath.Join(h.state, "clusters"))) {
			continue
		}
		p := process{pid: pid, args: strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")}
		for _, a := range p.args {
			if node, ok := strings.CutPrefix(a, "-Dcrossring.node="); ok {
				p.node = node
			}
		}
		found = append(found, p)
	}
	return found
}

// keeper is the pid of the home's keeper, of one cluster; 0 if there is none.
func (h home) keeper(t *testing.T) int {
	t.Helper()
	for _, p := range h.processes(t) {
		if p.isKeeper() {
			return p.pid
		}
	}
	return 0
}

// servers lists the pids of the nodes' servers.
func (h home) servers(t *testing.T) map[string]int {
	t.Helper()
	pids := map[string]int{}
	for _, p := range h.processes(t) {
		if p.node != "" {
			pids[p.node] = p.pid
		}
	}
	return pids
}

// kill9 kills a process that no test code holds.
func kill9(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill process %d: %v", pid, err)
	}
}

// checkGone fails the test for anything that is left of a cluster: processes,
// listeners on the addresses of inv, if one was made, and its directory. Locks
// and run directories stay, and nothing else.
func (h home) checkGone(t *testing.T, inv topology.Inventory) {
	t.Helper()
	for _, p := range h.processes(t) {
		t.Errorf("process %d is left: %q", p.pid, p.args)
	}
	if inv.Local != nil {
		socks, err := procs.Sockets()
		if err != nil {
			t.Fatal(err)
		}
		slot := netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(inv.Local.Slot), 0, 0}), 16)
		for _, s := range socks {
			if !s.Listening || !slot.Contains(s.Local.Addr()) {
				continue
			}
			// Another cluster, with its own state directory, may have got the addresses: its
			// servers and its keeper have that in their arguments, up itself in its environment.
			owner, _ := procs.Owner(s.Inode)
			says := strings.Join(owner.Args, " ") + " " + environment(owner.PID)
			if (strings.Contains(says, "/clusters/") || strings.Contains(says, "CROSSRING_STATE=")) && !strings.Contains(says, h.state) {
				continue
			}
			t.Errorf("a listener is left on %s by %q", s.Local, owner.Args)
		}
	}
	left, err := os.ReadDir(filepath.Join(h.state, "clusters"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("directory of cluster %s is left", e.Name())
	}
	all, err := os.ReadDir(h.state)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range all {
		switch e.Name() {
		case "clusters", "locks", "runs":
		default:
			if !strings.HasPrefix(e.Name(), "spec-") { // the test's own
				t.Errorf("%s is left in the state directory", e.Name())
			}
		}
	}
}

// environment is a process's; "" is that of one that has ended.
func environment(pid int) string {
	data, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	return string(data)
}

// checkSays fails the test unless a failed command gave an error and a hint, and
// its error says all of what.
func checkSays(t *testing.T, r result, what ...string) {
	t.Helper()
	for _, w := range append([]string{"crossring: error: ", "crossring: hint: "}, what...) {
		if !strings.Contains(r.stderr, w) {
			t.Errorf("want %q on stderr: %s", w, r)
		}
	}
}

// stopProcess has a process hang, as one that swaps or waits for a dead disk does.
func stopProcess(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatalf("stop process %d: %v", pid, err)
	}
}

// clear takes down what a test may have left. For t.Cleanup: by then the test's
// context has ended, and the test has judged what it wanted to judge.
func (h home) clear(name string) { h.run(context.Background(), "down", name) }

func resumeProcess(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatalf("resume process %d: %v", pid, err)
	}
}

// copyRun is a run directory with the write of another one, for another read.
func copyRun(t *testing.T, dir string) string {
	t.Helper()
	to, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+"-")
	if err != nil {
		t.Fatal(err)
	}
	raws, err := filepath.Glob(filepath.Join(dir, "write*.raw")) // one for each loader
	if err != nil || len(raws) == 0 {
		t.Fatalf("no write in %s (%v)", dir, err)
	}
	for _, from := range append(raws, filepath.Join(dir, "meta.json")) {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(from)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// readBack waits until the first rows of a write are read in the other region, all
// of them.
func (c cluster) readBack(t *testing.T, dir string, rows int) {
	t.Helper()
	var last result
	defer func() {
		if t.Failed() {
			t.Log(last)
		}
	}()
	eventually(t, patience, "all rows are read in the other region", func() bool {
		last = c.run(t.Context(), "stress", "read", c.name, "--run", copyRun(t, dir), "--rows", strconv.Itoa(rows))
		return last.code == 0
	})
}
