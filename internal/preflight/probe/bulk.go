package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"crossring/internal/preflight"
)

// mostBytes is what one measurement of bandwidth sends at most.
const mostBytes = 64 << 20

// bulk sends many bytes for some seconds and has them counted. What arrived by then,
// and was acknowledged, counts; not what fills buffers.
func bulk(ctx context.Context, r request) preflight.Bulk {
	var b preflight.Bulk
	d := r.dialer()
	if r.MSS > 0 {
		d.Control = func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) { limitSegments(int(fd), r.MSS) })
		}
	}
	c, err := d.DialContext(ctx, "tcp", r.target())
	if err != nil {
		b.Unavailable = cause(err)
		return b
	}
	defer c.Close()
	conn := c.(*net.TCPConn)
	b.DeviceMTU = deviceMTU(conn.LocalAddr().(*net.TCPAddr).AddrPort().Addr())
	if _, err := fmt.Fprintf(conn, "%s %s bulk\n", greeting, r.Token); err != nil {
		b.Unavailable = cause(err)
		return b
	}
	begin := time.Now()
	until := begin.Add(time.Duration(r.Seconds * float64(time.Second)))
	chunk := make([]byte, 64<<10)
	sent := int64(0)
	for sent < mostBytes && time.Now().Before(until) && ctx.Err() == nil {
		// Longer than until: a sender that a slow path holds up is no stalled one.
		if err := conn.SetWriteDeadline(time.Now().Add(stallTime)); err != nil {
			break
		}
		n, err := conn.Write(chunk)
		sent += int64(n)
		if err != nil {
			b.Stalled = errors.Is(err, os.ErrDeadlineExceeded)
			break
		}
	}
	// What is in buffers must get through, too: on a path that carries no big packets
	// nothing has.
	if !b.Stalled {
		_ = conn.CloseWrite() // a lost connection shows at the answer
		line, err := count(conn)
		if err == nil {
			b.Bytes, err = strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		}
		if err != nil {
			b.Stalled = true
		}
	}
	b.Seconds = time.Since(begin).Seconds()
	b.PathMTU = pathMTU(conn)
	if !b.Stalled {
		b.MbitPerSec = float64(b.Bytes) * 8 / 1e6 / b.Seconds
	}
	return b
}

// count waits for the other end's count, for as long as bytes still arrive there: a
// slow path may hold many in its buffers.
func count(conn *net.TCPConn) (string, error) {
	const tick, most = 200 * time.Millisecond, time.Minute
	begin := time.Now()
	last, moved := acked(conn), begin
	in := bufio.NewReader(conn)
	line := ""
	for {
		if err := conn.SetReadDeadline(time.Now().Add(tick)); err != nil {
			return "", err
		}
		part, err := in.ReadString('\n')
		line += part
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return line, err
		}
		if now := acked(conn); now != last {
			last, moved = now, time.Now()
		}
		if time.Since(moved) > stallTime || time.Since(begin) > most {
			return "", err
		}
	}
}

// deviceMTU is that of the device that has an address; 0 is not known.
func deviceMTU(a netip.Addr) int {
	devices, err := net.Interfaces()
	if err != nil {
		return 0
	}
	for _, d := range devices {
		addrs, err := d.Addrs()
		if err != nil {
			continue
		}
		for _, have := range addrs {
			if p, err := netip.ParsePrefix(have.String()); err == nil && p.Addr() == a {
				return d.MTU
			}
		}
	}
	return 0
}
