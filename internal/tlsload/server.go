package tlsload

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"crossring/provision/local/procs"
)

// server is the processes that listen at an address of this computer.
type server struct {
	listening []uint64 // inodes of the sockets
	procs     []procs.Proc
}

// findServer finds the processes that listen at a remote address, if that is this
// computer, in the same network namespace. The error says why there is nobody to look at.
func findServer(remote net.Addr) (server, error) {
	at, err := netip.ParseAddrPort(remote.String())
	if err != nil {
		return server{}, err
	}
	if !isHere(at.Addr().Unmap()) {
		return server{}, fmt.Errorf("%s is not on this computer", at.Addr())
	}
	sockets, err := procs.Sockets()
	if err != nil {
		return server{}, err
	}
	var s server
	for _, l := range sockets {
		if l.Listening && l.Local.Port() == at.Port() && (l.Local.Addr() == at.Addr().Unmap() || l.Local.Addr().IsUnspecified()) {
			s.listening = append(s.listening, l.Inode)
		}
	}
	if s.procs, err = procs.Holders(s.listening...); err != nil {
		return server{}, err
	}
	if len(s.procs) == 0 {
		return server{}, fmt.Errorf("the process that listens at %s can't be looked into: it is another user's, or in another namespace", at)
	}
	return s, nil
}

// isHere says whether an address is one of this computer's.
func isHere(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	own, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(own, func(n net.Addr) bool {
		p, err := netip.ParsePrefix(n.String())
		return err == nil && p.Addr().Unmap() == a.WithZone("")
	})
}

// usage is what a process has used: to 10 ms, and, by its threads, to the nanosecond.
type usage struct {
	cpu     time.Duration
	threads map[int]time.Duration // nil where it can't be told
}

// used is what each process has used so far, by its pid.
func (s server) used() (map[int]usage, error) {
	all := map[int]usage{}
	for _, p := range s.procs {
		cpu, err := p.CPU()
		if err != nil {
			return nil, err
		}
		threads, _ := p.Threads() // the kernel need not tell
		all[p.PID] = usage{cpu, threads}
	}
	return all, nil
}

// since is what the server has used since before. Processes that have come since count
// whole; where one has ended it can't be known.
func (s server) since(before map[int]usage) (time.Duration, error) {
	now := server{listening: s.listening}
	var err error
	if now.procs, err = procs.Holders(s.listening...); err != nil {
		return 0, err
	}
	after, err := now.used()
	if err != nil {
		return 0, err
	}
	for pid := range before {
		if _, ok := after[pid]; !ok {
			return 0, fmt.Errorf("process %d of the server has ended meanwhile", pid)
		}
	}
	var sum time.Duration
	for pid, u := range after {
		sum += u.less(before[pid])
	}
	return sum, nil
}

// less is what was used since an earlier time. Threads tell it finely as long as none has
// ended, with which what it used is gone.
func (u usage) less(before usage) time.Duration {
	var fine time.Duration
	for tid := range before.threads {
		if _, ok := u.threads[tid]; !ok {
			return u.cpu - before.cpu
		}
	}
	if u.threads == nil || before.threads == nil && before.cpu > 0 {
		return u.cpu - before.cpu
	}
	for tid, cpu := range u.threads {
		fine += cpu - before.threads[tid]
	}
	return fine
}
