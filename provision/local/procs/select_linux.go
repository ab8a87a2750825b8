package procs

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Select lists the running processes of this user that ours says yes to.
func Select(ours func(Proc) bool) ([]Proc, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []Proc
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || !mine(e.Name()) {
			continue
		}
		if p, err := Read(pid); err == nil && ours(p) { // else it is gone while we looked
			found = append(found, p)
		}
	}
	return found, nil
}

// mine says whether a process is this user's.
func mine(pid string) bool {
	info, err := os.Stat(filepath.Join("/proc", pid))
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}

// WorkingDirectory is where a process works, "" where that can't be seen. It follows a
// directory that is renamed; one that was removed has " (deleted)" behind its name.
func WorkingDirectory(pid int) string {
	dir, err := os.Readlink(procFile(pid, "cwd"))
	if err != nil {
		return ""
	}
	return dir
}

// Sockets of one process: those of all that it holds.
func (p Proc) Sockets(all []Socket) []Socket {
	var held []Socket
	for _, s := range all {
		if s.Inode != 0 && HasSocket(p.PID, s.Inode) {
			held = append(held, s)
		}
	}
	return held
}
