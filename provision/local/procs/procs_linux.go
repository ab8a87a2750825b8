package procs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Read reads one process. A process that is gone, or a zombie, is os.ErrNotExist.
func Read(pid int) (Proc, error) {
	start, _, err := readStat(pid)
	if err != nil {
		return Proc{}, err
	}
	cmdline, err := os.ReadFile(procFile(pid, "cmdline"))
	if err != nil {
		return Proc{}, fmt.Errorf("process %d: %w", pid, os.ErrNotExist)
	}
	args := strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")
	ours, err := isOurs(pid)
	if err != nil {
		return Proc{}, err
	}
	return Proc{PID: pid, Start: start, Args: args, Ours: ours}, nil
}

// isOurs says whether a process has our user, as the one who started it and as the one
// whose rights it has: a program that lends root's rights is started by anybody, with any
// arguments. The owner of its directory in /proc does not tell: it may be root for other reasons.
func isOurs(pid int) (bool, error) {
	status, err := os.ReadFile(procFile(pid, "status"))
	if err != nil {
		return false, fmt.Errorf("process %d: %w", pid, os.ErrNotExist)
	}
	for line := range strings.Lines(string(status)) {
		if uids, ok := strings.CutPrefix(line, "Uid:"); ok {
			f, me := strings.Fields(uids), strconv.Itoa(os.Geteuid())
			return len(f) > 1 && f[0] == me && f[1] == me, nil
		}
	}
	return false, fmt.Errorf("process %d: no user in its status", pid)
}

func procFile(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}

// readStat reads when a process started, in clock ticks since boot, and the kernel's
// flags of it. A process that is gone, or a zombie, is os.ErrNotExist.
func readStat(pid int) (start, flags uint64, err error) {
	stat, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return 0, 0, fmt.Errorf("process %d: %w", pid, os.ErrNotExist)
	}
	// The command name in parentheses may hold anything; fields are counted after it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const stateField, flagsField, startField = 0, 6, 19
	if len(fields) <= startField || fields[stateField] == "Z" || fields[stateField] == "X" {
		return 0, 0, fmt.Errorf("process %d: %w", pid, os.ErrNotExist)
	}
	if start, err = strconv.ParseUint(fields[startField], 10, 64); err != nil {
		return 0, 0, fmt.Errorf("process %d: start time: %w", pid, err)
	}
	if flags, err = strconv.ParseUint(fields[flagsField], 10, 64); err != nil {
		return 0, 0, fmt.Errorf("process %d: flags: %w", pid, err)
	}
	return start, flags, nil
}

// Ending says that p runs no more, or is about to: it is gone, a SIGKILL waits for it,
// or the kernel takes it down, which takes a while with a heap of hundreds of megabytes.
func Ending(p Proc) bool {
	const exiting = 0x4 // PF_EXITING of linux/sched.h
	start, flags, err := readStat(p.PID)
	if err != nil || start != p.Start || flags&exiting != 0 {
		return true
	}
	status, err := os.ReadFile(procFile(p.PID, "status"))
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(status)) {
		key, mask, _ := strings.Cut(line, ":")
		if key != "SigPnd" && key != "ShdPnd" {
			continue
		}
		if set, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64); err == nil && set&(1<<(unix.SIGKILL-1)) != 0 {
			return true
		}
	}
	return false
}

// Paused says that p stands still, since it was sent SIGSTOP.
func Paused(p Proc) bool {
	start, _, err := readStat(p.PID)
	if err != nil || start != p.Start {
		return false
	}
	status, err := os.ReadFile(procFile(p.PID, "status"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if state, ok := strings.CutPrefix(line, "State:"); ok {
			return strings.HasPrefix(strings.TrimSpace(state), "T")
		}
	}
	return false
}

// Pause makes p stand still, or go on, and returns when it does. A process that has ended is
// os.ErrNotExist.
func Pause(ctx context.Context, p Proc, still bool) error {
	h, err := Open(p)
	if err != nil {
		return err
	}
	defer h.Close()
	sig := unix.SIGCONT
	if still {
		sig = unix.SIGSTOP
	}
	if err := h.Signal(sig); err != nil {
		return err
	}
	for Paused(p) != still {
		if _, err := Read(p.PID); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for process %d to follow a signal: %w", p.PID, ctx.Err())
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}

// Find lists our running processes that have arg among their arguments. Whatever
// arguments a process of somebody else's has, it is not meant.
func Find(arg string) ([]Proc, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []Proc
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		p, err := Read(pid)
		if err != nil {
			continue // gone while we looked
		}
		for _, a := range p.Args {
			if a == arg && p.Ours {
				found = append(found, p)
				break
			}
		}
	}
	return found, nil
}

// Handle holds one process: signals through it cannot reach another.
type Handle struct {
	Proc
	fd int
}

// Open takes hold of p. If the pid has meanwhile gone to another process, or
// the process has ended or is another user's, the error is os.ErrNotExist.
func Open(p Proc) (*Handle, error) {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		if errors.Is(err, unix.ESRCH) {
			return nil, fmt.Errorf("process %d: %w", p.PID, os.ErrNotExist)
		}
		return nil, fmt.Errorf("open process %d: %w", p.PID, err)
	}
	now, err := Read(p.PID)
	if err != nil || now.Start != p.Start || !now.Ours {
		unix.Close(fd)
		return nil, fmt.Errorf("process %d: %w", p.PID, os.ErrNotExist)
	}
	return &Handle{Proc: now, fd: fd}, nil
}

// Close lets go of the process; it runs on.
func (h *Handle) Close() { unix.Close(h.fd) }

// Signal sends sig. A process that has ended is not an error.
func (h *Handle) Signal(sig unix.Signal) error {
	err := unix.PidfdSendSignal(h.fd, sig, nil, 0)
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal process %d: %w", h.PID, err)
	}
	return nil
}

// Wait returns when the process has ended, or with the context's error.
func (h *Handle) Wait(ctx context.Context) error {
	const tick = 200 * time.Millisecond // how soon a cancelled context is noticed
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("waiting for process %d to end: %w", h.PID, err)
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(h.fd), Events: unix.POLLIN}}, int(tick.Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for process %d to end: %w", h.PID, err)
		}
		if n > 0 {
			return nil
		}
	}
}

// Stop sends SIGTERM, waits up to grace, then SIGKILL, and returns when the
// process has ended. killed says whether the second was needed. With grace 0
// it kills at once.
func Stop(ctx context.Context, p Proc, grace time.Duration) (killed bool, err error) {
	h, err := Open(p)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer h.Close()
	if grace > 0 {
		// One that stands still hears SIGTERM when it goes on.
		if err := errors.Join(h.Signal(unix.SIGTERM), h.Signal(unix.SIGCONT)); err != nil {
			return false, err
		}
		soft, cancel := context.WithTimeout(ctx, grace)
		err := h.Wait(soft)
		cancel()
		if err == nil {
			return false, nil
		}
		if ctx.Err() != nil {
			return false, err
		}
	}
	if err := h.Signal(unix.SIGKILL); err != nil {
		return true, err
	}
	return true, h.Wait(ctx)
}
