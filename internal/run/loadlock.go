package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"crossring/internal/plain"
)

// loadLock lets one load at a time run on a cluster's table: two would measure each
// other. It does not wait, since the other may go on for hours; the second ends
// with ExitBusy.
func (w World) loadLock(name string) (unlock func(), err error) {
	dir := filepath.Join(w.StateDir, "locks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, Usage("making the state directory", err, "choose another place with --state DIR")
	}
	f, err := os.OpenFile(filepath.Join(dir, name+".load"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, Usage("locking the table of cluster "+name, err, "choose another place with --state DIR")
	}
	if err := tryFlock(f); err != nil {
		pid := holder(f)
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, Busy("", fmt.Errorf("another load runs on cluster %s%s: one at a time writes or reads its table", name, pid), "crossring status "+name)
		}
		return nil, fmt.Errorf("locking the table of cluster %s: %w", name, err)
	}
	// Only for the message above; the lock itself is what counts.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return func() { f.Close() }, nil
}

// lockRun keeps a second command from writing results into a run directory. The
// lock is on the directory itself and leaves nothing there.
func lockRun(path string) (unlock func(), err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("locking run %s: %w", path, err)
	}
	if err := tryFlock(f); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, Busy("", fmt.Errorf("another command writes or reads run %s: one at a time keeps its results there", path), plain.Command("crossring", "report", path))
		}
		return nil, fmt.Errorf("locking run %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

func tryFlock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
