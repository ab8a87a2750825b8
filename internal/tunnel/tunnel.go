// Package tunnel carries connections from ports of this computer to addresses that
// another machine can reach. How that machine is reached is handed to it.
package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"crossring/internal/many"
	"crossring/internal/topology"
)

// Forward is one port of this computer and where it leads.
type Forward struct {
	Listen string `json:"listen"` // host:port here; port 0 is any free one
	Target string `json:"target"` // host:port as the far machine has it
}

// Parse reads a forward as ssh's -L has it, and shorter: [BIND:]PORT:HOST:PORT,
// [BIND:]PORT:PORT and [BIND:]PORT. Without a host it is the node's own: at its private
// address for what Cassandra listens to there, at 127.0.0.1 for anything else, as JMX or a
// desktop. Without BIND it listens on 127.0.0.1; a BIND that is empty or * is every address.
// IPv6 addresses stand in brackets.
func Parse(text string, n topology.Node) (Forward, error) {
	bad := func(why string) (Forward, error) {
		return Forward{}, fmt.Errorf("-L %s: %s; as in -L 9042, -L 19042:9042, -L 5901:127.0.0.1:5901 or -L '*:19042:127.0.0.1:9042'", text, why)
	}
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, ".") {
		return bad("sockets with a path are not carried here")
	}
	parts, err := split(text)
	if err != nil {
		return bad(err.Error())
	}
	bind, host := "127.0.0.1", ""
	if len(parts) > 1 && (len(parts) > 3 || !isPort(parts[0])) {
		if bind, parts = parts[0], parts[1:]; bind == "*" {
			bind = ""
		}
	}
	local, remote := parts[0], parts[len(parts)-1]
	switch len(parts) {
	case 1, 2:
	case 3:
		if host = parts[1]; host == "" || host == "*" {
			return bad("it leads to no host")
		}
	default:
		return bad("it has too many parts: an IPv6 address stands in brackets")
	}
	from, err := strconv.ParseUint(local, 10, 16)
	if err != nil || from == 0 && len(parts) == 1 {
		return bad(fmt.Sprintf("%q is not a port", local))
	}
	to, err := strconv.ParseUint(remote, 10, 16)
	if err != nil || to == 0 {
		return bad(fmt.Sprintf("%q is not a port", remote))
	}
	for _, name := range []string{bind, host} {
		if strings.ContainsFunc(name, unnamed) {
			return bad(fmt.Sprintf("%q is not a host", name))
		}
	}
	if host == "" {
		host = "127.0.0.1"
		switch int(to) {
		case n.Ports.Native, n.Ports.Thrift, n.Ports.Storage, n.Ports.SSLStorage:
			host = n.PrivateAddress
		}
	}
	return Forward{Listen: net.JoinHostPort(bind, strconv.FormatUint(from, 10)), Target: net.JoinHostPort(host, strconv.FormatUint(to, 10))}, nil
}

// isPort says whether a part is meant for a port: digits alone.
func isPort(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// unnamed says of a character that no host has it in its name or address.
func unnamed(r rune) bool {
	return !(r == '.' || r == '-' || r == '_' || r == ':' || r == '%' || unicode.IsLetter(r) || unicode.IsDigit(r))
}

// split parts at colons outside of brackets, and takes the brackets away, which enclose a
// whole part.
func split(text string) ([]string, error) {
	var parts []string
	for {
		if inside, ok := strings.CutPrefix(text, "["); ok {
			address, rest, ok := strings.Cut(inside, "]")
			if _, err := netip.ParseAddr(address); !ok || err != nil {
				return nil, fmt.Errorf("%q is not an address in brackets", text)
			}
			if parts = append(parts, address); rest == "" {
				return parts, nil
			}
			if text, ok = strings.CutPrefix(rest, ":"); !ok {
				return nil, fmt.Errorf("%q stands behind an address in brackets", rest)
			}
			continue
		}
		part, rest, more := strings.Cut(text, ":")
		if parts = append(parts, part); !more {
			return parts, nil
		}
		text = rest
	}
}

// Tunnel is some ports that are listened to.
type Tunnel struct {
	Forwards  []Forward // with the ports that were free
	listeners []net.Listener
}

// Listen listens at all ports, or at none: then the error names each that can't be.
func Listen(forwards []Forward) (*Tunnel, error) {
	t := &Tunnel{}
	var all []error
	for _, f := range forwards {
		l, err := net.Listen("tcp", f.Listen)
		if err != nil {
			all = append(all, fmt.Errorf("listen at %s: %w", f.Listen, err))
			continue
		}
		f.Listen = l.Addr().String()
		t.Forwards, t.listeners = append(t.Forwards, f), append(t.listeners, l)
	}
	if all != nil {
		t.Close()
	}
	return t, many.Join(all...)
}

// Close stops listening.
func (t *Tunnel) Close() {
	for _, l := range t.listeners {
		l.Close()
	}
}

// Dial opens a connection to an address from the far machine.
type Dial func(ctx context.Context, addr string) (net.Conn, error)

// Serve carries connections until ctx ends, and then ends those that stand. One that
// can't be carried is closed, and said in the log.
func (t *Tunnel) Serve(ctx context.Context, dial Dial, log *slog.Logger) {
	var work sync.WaitGroup
	stop := context.AfterFunc(ctx, t.Close)
	defer stop()
	for i, l := range t.listeners {
		work.Go(func() {
			target := t.Forwards[i].Target
			Accept(ctx, l, func(near net.Conn) {
				far, err := dial(ctx, target)
				if err != nil {
					log.Warn("tunnel", "to", target, "err", err)
					return
				}
				Carry(ctx, near, far)
			})
		})
	}
	work.Wait()
}

// Accept does each for every connection, until the listener is closed, and waits for
// them. Connections are closed afterwards.
func Accept(ctx context.Context, l net.Listener, each func(net.Conn)) {
	var work sync.WaitGroup
	defer work.Wait()
	for {
		near, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if ctx.Err() != nil {
			if err == nil {
				near.Close()
			}
			return
		}
		if err != nil {
			continue // one that was gone before it was taken
		}
		work.Go(func() {
			defer near.Close()
			each(near)
		})
	}
}

// Carry copies both ways until both ends have said all, one is lost, or ctx ends.
// It closes both.
func Carry(ctx context.Context, a, b net.Conn) {
	end := func() {
		a.Close()
		b.Close()
	}
	defer end()
	stop := context.AfterFunc(ctx, end)
	defer stop()
	var both sync.WaitGroup
	way := func(to, from net.Conn) {
		_, err := io.Copy(to, from)
		half, ok := to.(interface{ CloseWrite() error })
		if err != nil || !ok || half.CloseWrite() != nil {
			end() // lost: nothing more can come of it
		}
	}
	both.Go(func() { way(a, b) })
	both.Go(func() { way(b, a) })
	both.Wait()
}
