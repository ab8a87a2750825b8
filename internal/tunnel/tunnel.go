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
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/go-multierror"

	"crossring/internal/topology"
)

// Forward is one port of this computer and where it leads.
type Forward struct {
	Listen string `json:"listen"` // host:port here; port 0 is any free one
	Target string `json:"target"` // host:port as the far machine has it
}

// Parse reads a forward as ssh's -L has it, and shorter: [BIND:]PORT:HOST:PORT,
// PORT:PORT and PORT. Without a host it is the node's own: at its private address for
// what Cassandra listens to there, at 127.0.0.1 for anything else, as JMX or a desktop.
// Without BIND it listens on 127.0.0.1.
func Parse(text string, n topology.Node) (Forward, error) {
	f := split(text)
	bad := func(why string) (Forward, error) {
		return Forward{}, fmt.Errorf("-L %s: %s; as in -L 9042, -L 19042:9042 or -L 5901:127.0.0.1:5901", text, why)
	}
	bind, host := "127.0.0.1", ""
	var local, remote string
	switch len(f) {
	case 1:
		local, remote = f[0], f[0]
	case 2:
		local, remote = f[0], f[1]
	case 3:
		local, host, remote = f[0], f[1], f[2]
	case 4:
		bind, local, host, remote = f[0], f[1], f[2], f[3]
	default:
		return bad("it has too many parts")
	}
	from, err := strconv.ParseUint(local, 10, 16)
	if err != nil || from == 0 && len(f) == 1 {
		return bad(fmt.Sprintf("%q is not a port", local))
	}
	to, err := strconv.ParseUint(remote, 10, 16)
	if err != nil || to == 0 {
		return bad(fmt.Sprintf("%q is not a port", remote))
	}
	if len(f) > 2 && host == "" {
		return bad("the host is empty")
	}
	if host == "" {
		host = "127.0.0.1"
		switch int(to) {
		case n.Ports.Native, n.Ports.Thrift, n.Ports.Storage, n.Ports.SSLStorage:
			host = n.PrivateAddress
		}
	}
	return Forward{Listen: net.JoinHostPort(bind, local), Target: net.JoinHostPort(host, remote)}, nil
}

// split parts at colons outside of brackets, and takes the brackets away.
func split(text string) []string {
	var parts []string
	var part strings.Builder
	inside := false
	for _, r := range text {
		switch {
		case r == '[':
			inside = true
		case r == ']':
			inside = false
		case r == ':' && !inside:
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteRune(r)
		}
	}
	return append(parts, part.String())
}

// Tunnel is some ports that are listened to.
type Tunnel struct {
	Forwards  []Forward // with the ports that were free
	listeners []net.Listener
}

// Listen listens at all ports, or at none: then the error names each that can't be.
func Listen(forwards []Forward) (*Tunnel, error) {
	t := &Tunnel{}
	var all *multierror.Error
	for _, f := range forwards {
		l, err := net.Listen("tcp", f.Listen)
		if err != nil {
			all = multierror.Append(all, fmt.Errorf("listen at %s: %w", f.Listen, err))
			continue
		}
		f.Listen = l.Addr().String()
		t.Forwards, t.listeners = append(t.Forwards, f), append(t.listeners, l)
	}
	if all != nil {
		t.Close()
		all.ErrorFormat = func(errs []error) string {
			lines := make([]string, len(errs))
			for i, err := range errs {
				lines[i] = err.Error()
			}
			return strings.Join(lines, "\n")
		}
	}
	return t, all.ErrorOrNil()
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
