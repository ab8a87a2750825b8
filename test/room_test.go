package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPortTaken(t *testing.T) {
	beside(t, 0)
	for port, what := range map[int]string{7000: "storage", 9042: "CQL", 8778: "agent"} {
		t.Run(what, func(t *testing.T) {
			h := absentHome(t)
			file := write(t, "cluster.yaml", oneByOne("bad", oldest))
			var r result
			inAnotherNetwork(t, func() error {
				l, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
				if err != nil {
					return err
				}
				defer l.Close()
				r = h.run(t.Context(), "up", "-f", file)
				return nil
			})
			if r.code != 8 {
				t.Errorf("want exit 8: %s", r)
			}
			checkSays(t, r, fmt.Sprintf(":%d (pid %d, ", port, os.Getpid()), "ports already in use")
			h.checkNothingMade(t)
		})
	}
}

// inAnotherNetwork runs f, and what it starts, with loopback and nothing else, so
// that ports taken there are nobody else's.
func inAnotherNetwork(t *testing.T, f func() error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not possible here: only root may make a network of its own")
	}
	failed := make(chan error, 1)
	var onThread func()
	onThread = func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and its network
		if unix.Gettid() == unix.Getpid() {
			// The first thread's network is what /proc shows as the process's. While
			// this goroutine keeps it, another one is on another thread.
			done := make(chan struct{})
			go func() { defer close(done); onThread() }()
			<-done
			runtime.UnlockOSThread()
			return
		}
		failed <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("making a network: %w", err)
			}
			if err := loopbackUp(); err != nil {
				return err
			}
			return f()
		}()
	}
	go onThread()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bringing loopback up: %w", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("bringing loopback up: %w", err)
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("bringing loopback up: %w", err)
	}
	return nil
}

// mount puts a filesystem in memory on a directory until the test ends.
func mount(t *testing.T, dir, options string, flags uintptr) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not possible here: only root may mount a filesystem")
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		t.Fatalf("mount on %s: %v", dir, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

func TestNoSpaceForACluster(t *testing.T) {
	beside(t, 0)
	h := newHome(t)
	mount(t, h.state, "size=64m", 0)
	r := h.want(t, 1, "up", "-f", write(t, "cluster.yaml", oneByOne("bad", oldest)))
	checkSays(t, r, "not enough space in "+h.state, " MB free, at least 512 MB needed", "--state DIR")
	h.checkNothingMade(t)
}

func TestNoSpaceForResults(t *testing.T) {
	t.Parallel()
	c := sharedCluster(t, oldest)
	runs := filepath.Join(c.state, "runs")
	if err := os.MkdirAll(runs, 0o755); err != nil {
		t.Fatal(err)
	}
	mount(t, runs, "size=24k", 0)
	// Fewer results come than rows are written: that must not pass for success.
	r := c.want(t, 1, "stress", "write", c.name, "--rows", "200000", "--value-bytes", "64")
	if !strings.Contains(r.stderr, "no space left on device") {
		t.Errorf("want the reason: %s", r)
	}
	c.must(t, "ring", c.name)
}

func TestStateDirectoryThatCannotBeWritten(t *testing.T) {
	beside(t, 0)
	file := write(t, "cluster.yaml", oneByOne("bad", oldest))
	t.Run("read-only", func(t *testing.T) {
		h := newHome(t)
		mount(t, h.state, "size=1m", unix.MS_RDONLY)
		checkSays(t, h.want(t, 2, "up", "-f", file), "read-only file system", "--state DIR")
		h.checkNothingMade(t)
	})
	t.Run("below a file", func(t *testing.T) {
		h := home{state: filepath.Join(file, "state")}
		checkSays(t, h.want(t, 2, "up", "-f", file), "not a directory", "--state DIR")
	})
}
