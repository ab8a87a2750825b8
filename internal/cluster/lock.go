package cluster

import (
	"crossring/internal/fail"

	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Lock takes the cluster's lock: of two commands that change one cluster, the
// second waits, and says so. The lock is the kernel's and goes with the process,
// however that ends; its file stays.
func (w World) Lock(ctx context.Context, name string) (unlock func(), err error) {
	return w.lockWithin(ctx, name, lockWait)
}

// lockWait bounds how long a command waits for another one: making hosts and a ring of
// them takes minutes, moving data much longer, and then nobody wants to wait here.
const lockWait = 30 * time.Minute

func (w World) lockWithin(ctx context.Context, name string, most time.Duration) (unlock func(), err error) {
	const every = 100 * time.Millisecond
	if err := w.notAnothers(name); err != nil {
		return nil, err
	}
	dir := filepath.Join(w.StateDir, "locks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fail.Usage("making the state directory", err, "choose another place with --state DIR")
	}
	f, err := os.OpenFile(filepath.Join(dir, name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fail.Usage("locking cluster "+name, err, "choose another place with --state DIR")
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	over := time.NewTimer(most)
	defer over.Stop()
	for said := false; ; said = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("locking cluster %s: %w", name, err)
		}
		if !said {
			w.Say("waiting for another command on cluster %s%s, up to %s", name, holder(f), most)
		}
		select {
		case <-tick.C:
		case <-over.C:
			pid := holder(f)
			f.Close()
			return nil, fail.Busy("waiting for another command on cluster "+name, fmt.Errorf("it has not ended in %s%s", most, pid), "crossring status "+name)
		case <-ctx.Done():
			f.Close()
			return nil, fail.Busy("waiting for another command on cluster "+name, context.Cause(ctx), "")
		}
	}
	// Only for the message above; the lock itself is what counts.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return func() { f.Close() }, nil
}

func holder(f *os.File) string {
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	pid := strings.TrimSpace(string(data))
	if err != nil || pid == "" {
		return ""
	}
	return " (pid " + pid + ")"
}
