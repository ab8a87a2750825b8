package procs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// clockTick is what the kernel counts processor time in, in /proc: USER_HZ, which is 100
// wherever Linux runs.
const clockTick = 10 * time.Millisecond

// CPU is what a process has used so far, user and system, its threads that have ended
// included, to 10 ms. A process that is gone, or another one by its number, is
// os.ErrNotExist.
func (p Proc) CPU() (time.Duration, error) {
	stat, err := os.ReadFile(procFile(p.PID, "stat"))
	if err != nil {
		return 0, fmt.Errorf("process %d: %w", p.PID, os.ErrNotExist)
	}
	// The name, in parentheses, may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const utime, stime, start = 11, 12, 19 // counted from the field behind the name
	if len(fields) <= start {
		return 0, fmt.Errorf("process %d: %d fields in its stat", p.PID, len(fields))
	}
	if string(fields[start]) != strconv.FormatUint(p.Start, 10) {
		return 0, fmt.Errorf("process %d: %w", p.PID, os.ErrNotExist)
	}
	var ticks time.Duration
	for _, i := range []int{utime, stime} {
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("process %d: processor time %q: %w", p.PID, fields[i], err)
		}
		ticks += time.Duration(n)
	}
	return ticks * clockTick, nil
}

// Threads is what each thread of a process has used so far, by its number, to the
// nanosecond. One that has ended is not there any more.
func (p Proc) Threads() (map[int]time.Duration, error) {
	tasks, err := os.ReadDir(procFile(p.PID, "task"))
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", p.PID, os.ErrNotExist)
	}
	used := map[int]time.Duration{}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		data, err := os.ReadFile(procFile(p.PID, "task/"+t.Name()+"/schedstat"))
		if err != nil {
			return nil, fmt.Errorf("thread %d of process %d: %w", tid, p.PID, err)
		}
		var ns int64
		if _, err := fmt.Sscan(string(data), &ns); err != nil {
			return nil, fmt.Errorf("thread %d of process %d: %w", tid, p.PID, err)
		}
		used[tid] = time.Duration(ns)
	}
	return used, nil
}

// Holders lists all processes that hold one of the sockets with these inodes, among
// those that may be looked into: all of them for root, else this user's.
func Holders(inodes ...uint64) ([]Proc, error) {
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
		for _, inode := range inodes {
			if HasSocket(pid, inode) {
				if p, err := Read(pid); err == nil { // else it is gone while we looked
					found = append(found, p)
				}
				break
			}
		}
	}
	return found, nil
}
