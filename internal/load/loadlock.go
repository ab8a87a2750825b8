package load

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/plain"
)

// loadLock is the one load that may run on a cluster's table. It is the kernel's and
// goes with the process, however that ends; its file stays.
type loadLock struct{ f *os.File }

// takingDown is what a command says that removes the cluster, and so lets no load begin.
const takingDown = "down"

// lockLoad lets one load at a time run on a cluster's table: two would measure each
// other. what is said of it to others. It does not wait, since the other may go on for
// hours; the second gets a *LoadError.
func lockLoad(w cluster.World, name, what string) (loadLock, error) {
	dir := filepath.Join(w.StateDir, "locks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return loadLock{}, fail.Usage("making the state directory", err, "choose another place with --state DIR")
	}
	f, err := os.OpenFile(filepath.Join(dir, name+".load"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return loadLock{}, fail.Usage("locking the table of cluster "+name, err, "choose another place with --state DIR")
	}
	if err := tryFlock(f); err != nil {
		data, _ := io.ReadAll(io.NewSectionReader(f, 0, 8192)) // only for the message
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			e := &LoadError{Cluster: name}
			_, _ = fmt.Sscan(string(data), &e.PID) // 0 of one that has not written it yet
			_, e.What, _ = strings.Cut(strings.TrimSpace(string(data)), "\n")
			return loadLock{}, e
		}
		return loadLock{}, fmt.Errorf("locking the table of cluster %s: %w", name, err)
	}
	l := loadLock{f}
	l.note(what)
	return l, nil
}

// note writes down what runs. Only for the messages of others; the lock itself counts.
func (l loadLock) note(what string) {
	if err := l.f.Truncate(0); err == nil {
		_, _ = l.f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"+what+"\n"), 0)
	}
}

func (l loadLock) free() { l.f.Close() }

// LoadError says that a load runs on a cluster, or that the cluster is taken down.
type LoadError struct {
	Cluster string
	PID     int    // 0 where it is not known
	What    string // "repro, results in DIR"; "" where it is not known
}

func (e *LoadError) Error() string {
	if e.What == takingDown {
		return fmt.Sprintf("cluster %s is taken down%s", e.Cluster, e.who(""))
	}
	return fmt.Sprintf("another load runs on cluster %s%s: one at a time writes or reads its table", e.Cluster, e.who(e.What))
}

// who is the process, and what it does.
func (e *LoadError) who(what string) string {
	var known []string
	if e.PID > 0 {
		known = append(known, "pid "+strconv.Itoa(e.PID))
	}
	if what != "" {
		known = append(known, what)
	}
	if known == nil {
		return ""
	}
	return " (" + strings.Join(known, ", ") + ")"
}

// ExitCode is that of a cluster that is taken.
func (e *LoadError) ExitCode() int { return fail.ExitBusy }

// Hint shows the cluster.
func (e *LoadError) Hint() string { return plain.Command("crossring", "status", e.Cluster) }

// None keeps loads from beginning while the cluster is removed. One that runs is named,
// and is in the way unless loaded says that it may lose its cluster. again is the command
// that says so.
func None(w cluster.World, name string, loaded bool, again string) (free func(), err error) {
	l, err := lockLoad(w, name, takingDown)
	var load *LoadError
	switch {
	case err == nil:
		return l.free, nil
	case !errors.As(err, &load):
		return nil, err
	case !loaded:
		return nil, fail.Busy("", fmt.Errorf("a load runs on cluster %s%s, which would lose it: wait for its end, or stop it with Ctrl-C", name, load.who(load.What)), again)
	}
	w.Say("a load runs on cluster %s%s; it loses its cluster now", name, load.who(load.What))
	return func() {}, nil
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
			return nil, fail.Busy("", fmt.Errorf("another command writes or reads run %s: one at a time keeps its results there", path), plain.Command("crossring", "report", path))
		}
		return nil, fmt.Errorf("locking run %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

func tryFlock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
