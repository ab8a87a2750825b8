package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"crossring/internal/preflight"
)

// oldBindFirst lets a socket have a port that was free a moment ago.
func oldBindFirst(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) // it works mostly without
}

// limitSegments makes both sides of a connection send packets of this many bytes of
// TCP at most.
func limitSegments(fd, mss int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, mss) // without it the path shows as it is
}

// pathMTU is what the kernel holds the path of a connection for; 0 is not known.
func pathMTU(c *net.TCPConn) int {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	mtu := 0
	err = raw.Control(func(fd uintptr) {
		mtu, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU)
	})
	if err != nil {
		return 0
	}
	return mtu
}

// acked is how many bytes of a connection the other end has acknowledged.
func acked(c *net.TCPConn) uint64 {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	var n uint64
	err = raw.Control(func(fd uintptr) {
		if info, infoErr := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); infoErr == nil {
			n = info.Bytes_acked
		}
	})
	if err != nil {
		return 0
	}
	return n
}

// trace sends the first packet of a connection with growing lifetimes and gathers
// the routers that say where one ended. It needs no rights: the kernel hands such
// messages to the socket whose packet it was. It ends at the machine. Lifetimes that
// are asked for are tried alone, until nothing answers.
func trace(ctx context.Context, r request) ([]preflight.Hop, error) {
	const furthest = 24
	enough := 4 // routers in a row that do not answer
	to, err := netip.ParseAddr(r.Address)
	if err != nil || !to.Is4() {
		return nil, fmt.Errorf("trace to %s: only IPv4 can be traced", r.Address)
	}
	ttls := r.TTLs
	if len(ttls) > 0 {
		enough = 1
	}
	for ttl := 1; len(r.TTLs) == 0 && ttl <= furthest; ttl++ {
		ttls = append(ttls, ttl)
	}
	var hops []preflight.Hop
	silent := 0
	for _, ttl := range ttls {
		addr, there := netip.Addr{}, false
		// Routers answer a few times at once and then about once a second.
		for _, patience := range []time.Duration{400 * time.Millisecond, 800 * time.Millisecond, 1200 * time.Millisecond} {
			if err := ctx.Err(); err != nil {
				return hops, fmt.Errorf("trace to %s: %w", r.Address, context.Cause(ctx))
			}
			if addr, there, err = hop(to, r.Port, ttl, patience); err != nil {
				return hops, fmt.Errorf("trace to %s: %w", r.Address, err)
			}
			if addr.IsValid() {
				break
			}
		}
		hops = append(hops, preflight.Hop{TTL: ttl, Addr: addr})
		if silent++; addr.IsValid() {
			silent = 0
		}
		if there || silent >= enough {
			break
		}
	}
	return hops, nil
}

// hop sends one SYN and waits for what comes back: there is true for an answer of the
// machine itself.
func hop(to netip.Addr, port, ttl int, patience time.Duration) (addr netip.Addr, there bool, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return addr, false, err
	}
	defer unix.Close(fd)
	for _, o := range [][2]int{{unix.IP_TTL, ttl}, {unix.IP_RECVERR, 1}} {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, o[0], o[1]); err != nil {
			return addr, false, err
		}
	}
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: to.As4()})
	if err == nil {
		return to, true, nil
	}
	if !errors.Is(err, unix.EINPROGRESS) {
		return addr, false, nil
	}
	until := time.Now().Add(patience)
	for {
		left := time.Until(until)
		if left <= 0 {
			return addr, false, nil
		}
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(poll, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return addr, false, err
		}
		if n <= 0 {
			continue
		}
		if from, ok := offender(fd); ok {
			return from, from == to, nil
		}
		why, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil {
			return addr, false, err
		}
		if why == 0 || unix.Errno(why) == unix.ECONNREFUSED {
			return to, true, nil
		}
		return addr, false, nil
	}
}

// offender is the router in the socket's queue of errors.
func offender(fd int) (netip.Addr, bool) {
	buf, oob := make([]byte, 512), make([]byte, 512)
	_, n, _, _, err := unix.Recvmsg(fd, buf, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return netip.Addr{}, false
	}
	list, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return netip.Addr{}, false
	}
	for _, m := range list {
		// struct sock_extended_err is 16 bytes, and the sender's address follows it.
		const errSize = 16
		if m.Header.Level != unix.IPPROTO_IP || m.Header.Type != unix.IP_RECVERR || len(m.Data) < errSize+8 {
			continue
		}
		if binary.NativeEndian.Uint16(m.Data[errSize:]) != unix.AF_INET {
			continue
		}
		return netip.AddrFrom4([4]byte(m.Data[errSize+4 : errSize+8])), true
	}
	return netip.Addr{}, false
}
