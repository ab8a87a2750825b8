package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"crossring/internal/state"
	"crossring/provision/local/procs"
)

// ccmLogArg begins the argument that ccm gives the servers of its nodes: where they log.
const ccmLogArg = "-Dcassandra.logdir="

// tracesOf says whether a process is a keeper or a server of a cluster whose directory is
// one of dirs: by its arguments, or by where it works, which follows a directory that was
// moved. A shell that happens to be there is none.
func tracesOf(p procs.Proc, workingDirectory string, dirs []string) bool {
	if clusterOf(p) == "" && p.Flag(ccmLogArg) == "" {
		return false
	}
	for _, dir := range dirs {
		for _, a := range p.Args {
			if a = pathIn(a); a == dir || strings.HasPrefix(a, dir+"/") {
				return true
			}
		}
		if workingDirectory == dir || strings.HasPrefix(workingDirectory, dir+"/") {
			return true
		}
	}
	return false
}

// pathIn is the path in an argument: @DIR/nodes/… of a server, -Dcassandra.logdir=DIR/ccm/…
// of one of ccm's, DIR of a keeper.
func pathIn(arg string) string {
	return strings.TrimPrefix(strings.TrimPrefix(arg, "@"), ccmLogArg)
}

// Named lists the clusters of the state directory that a keeper or a server names, whether
// they have a directory or not.
func (p Provider) Named() ([]string, error) {
	root := state.Dir(p.StateDir, "") + string(filepath.Separator)
	names := map[string]bool{}
	_, err := procs.Select(func(p procs.Proc) bool {
		if clusterOf(p) == "" && p.Flag(ccmLogArg) == "" {
			return false
		}
		for _, a := range p.Args {
			if rest, ok := strings.CutPrefix(pathIn(a), root); ok {
				name, _, _ := strings.Cut(rest, "/")
				names[name] = true
			}
		}
		return false
	})
	return slices.Sorted(maps.Keys(names)), err
}

// Traces are what runs on this computer for a cluster's directory.
type Traces struct {
	Processes []procs.Proc
	// LockedBy are the processes that hold the keeper's lock.
	LockedBy []int
}

// Any says that there is something.
func (t Traces) Any() bool { return len(t.Processes)+len(t.LockedBy) > 0 }

// Traces finds what runs for a cluster, without an inventory: keepers and servers by
// their arguments and by where they work, and by the ids of those that were found so.
func (p Provider) Traces(name string) (Traces, error) {
	dir := state.Dir(p.StateDir, name)
	found, err := tracesIn(dir)
	if err != nil {
		return Traces{}, err
	}
	locked, err := holders(filepath.Join(dir, lockFile))
	return Traces{Processes: found, LockedBy: locked}, err
}

func tracesIn(dir string) ([]procs.Proc, error) {
	dirs := []string{dir}
	if real, err := filepath.EvalSymlinks(dir); err == nil && real != dir {
		dirs = append(dirs, real)
	}
	found, err := procs.Select(func(p procs.Proc) bool { return tracesOf(p, procs.WorkingDirectory(p.PID), dirs) })
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, p := range found {
		ids[clusterOf(p)] = true
	}
	delete(ids, "")
	return procs.Select(func(p procs.Proc) bool {
		return ids[clusterOf(p)] || slices.ContainsFunc(found, func(q procs.Proc) bool { return q.PID == p.PID && q.Start == p.Start })
	})
}

// clusterOf is the id of the cluster that a keeper or a server is of, "" for anything else.
func clusterOf(p procs.Proc) string {
	if id := p.Flag(idArg("")); id != "" {
		return id
	}
	if len(p.Args) > 2 && p.Args[1] == KeeperCommand {
		return p.Flag("--id=")
	}
	return ""
}

// holders lists the processes that hold a flock of a file, by the kernel's list of locks.
func holders(path string) ([]int, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the keeper's lock: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, nil
	}
	want := fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)), st.Ino)
	f, err := os.Open("/proc/locks")
	if err != nil {
		return nil, fmt.Errorf("list locks: %w", err)
	}
	defer f.Close()
	var pids []int
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// 1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || fields[1] != "FLOCK" || fields[5] != want {
			continue
		}
		if pid, err := strconv.Atoi(fields[4]); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// EndTraces ends what runs on this computer for a cluster, without an inventory: what
// Traces finds. It returns what resists, and the listeners of what it ended that stay.
func (p Provider) EndTraces(ctx context.Context, name string) (left []string, err error) {
	const deadline = 60 * time.Second
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	dir := state.Dir(p.StateDir, name)
	first, err := tracesIn(dir)
	if err != nil {
		return nil, err
	}
	listened, err := listening(first)
	if err != nil {
		return nil, err
	}
	if len(first) > 0 {
		p.askDown(ctx, name, dir)
	}
	if left, err = endAll(ctx, func() ([]procs.Proc, error) { return tracesIn(dir) }); err != nil || len(left) > 0 {
		return left, err
	}
	locked, err := holders(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, err
	}
	for _, pid := range locked {
		left = append(left, fmt.Sprintf("process %d, which holds %s", pid, filepath.Join(dir, lockFile)))
	}
	return append(left, lastOf(ctx, func() []string { return stillListening(listened) })...), nil
}

// listening lists the addresses on which processes listen.
func listening(some []procs.Proc) (map[string]bool, error) {
	if len(some) == 0 {
		return nil, nil
	}
	all, err := procs.Sockets()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s procs.Socket) bool { return !s.Listening })
	addresses := map[string]bool{}
	for _, p := range some {
		for _, s := range p.Sockets(all) {
			addresses[s.Local.String()] = true
		}
	}
	return addresses, nil
}

func stillListening(addresses map[string]bool) []string {
	if len(addresses) == 0 {
		return nil
	}
	socks, err := procs.Sockets()
	if err != nil {
		return []string{err.Error()}
	}
	var left []string
	for _, s := range socks {
		if s.Listening && addresses[s.Local.String()] {
			left = append(left, "listener "+s.Local.String())
		}
	}
	return left
}
