package containers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"crossring/internal/topology"
)

// connects, run by bash, connects its streams with a host and a port, and ends when
// either side has ended. It says on stderr that it is connected.
const connects = `exec 3<>"/dev/tcp/$0/$1" || exit 1
exec 4<&0
echo connected >&2
cat <&3 & reads=$!
{ cat <&4 >&3; kill $reads; } >/dev/null 2>&1 & writes=$!
wait $reads 2>/dev/null
kill $writes 2>/dev/null`

// DialFrom opens a connection from a node's container, by a bash in it: from the node's
// own address, to where its network leads.
func (c *Cluster) DialFrom(ctx context.Context, from topology.Node, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	m, err := c.machine(ctx)
	if err != nil {
		return nil, err
	}
	made, err := m.ExecCreate(ctx, c.id(from), client.ExecCreateOptions{
		User: serverUser, AttachStdin: true, AttachStdout: true, AttachStderr: true, Cmd: []string{"bash", "-c", connects, host, port},
	})
	if err != nil {
		return nil, fmt.Errorf("connect from the container of %s: %w", from.Name, err)
	}
	stream, err := m.ExecAttach(ctx, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return nil, fmt.Errorf("connect from the container of %s: %w", from.Name, err)
	}
	ours, theirs := net.Pipe() // what an API hands over has no deadlines everywhere
	said := &firstWord{came: make(chan struct{})}
	go func() {
		_, _ = stdcopy.StdCopy(theirs, said, stream.Reader) // whoever reads ours sees the end
		said.ended()
		theirs.Close()
		stream.Close()
	}()
	go func() {
		var b [16 << 10]byte
		for {
			n, err := theirs.Read(b[:])
			if n > 0 {
				if _, err := stream.Conn.Write(b[:n]); err != nil {
					break
				}
			}
			if err != nil {
				break
			}
		}
		theirs.Close()
		stream.Close()
	}()
	select {
	case <-said.came:
	case <-ctx.Done():
		ours.Close()
		return nil, fmt.Errorf("connect from %s to %s: %w", from.Name, addr, context.Cause(ctx))
	}
	if text := said.text(); text != "connected" {
		ours.Close()
		return nil, fmt.Errorf("connect from %s to %s: %w", from.Name, addr, refused(text))
	}
	return inside{ours, addr}, nil
}

// refused is what bash says of a connection that it does not get.
func refused(text string) error {
	if text == "" {
		return errors.New("the container has no bash, or it ended")
	}
	return errors.New(text)
}

// inside is a connection from within a container.
type inside struct {
	net.Conn
	addr string
}

// RemoteAddr is that of the other node.
func (i inside) RemoteAddr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", i.addr)
	if err != nil {
		return i.Conn.RemoteAddr()
	}
	return a
}

// firstWord waits for a line, or for the end.
type firstWord struct {
	mu   sync.Mutex
	b    bytes.Buffer
	once sync.Once
	came chan struct{}
}

func (f *firstWord) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.b.Write(p)
	if bytes.Contains(f.b.Bytes(), []byte("connected\n")) {
		f.once.Do(func() { close(f.came) })
	}
	return len(p), nil
}

func (f *firstWord) ended() { f.once.Do(func() { close(f.came) }) }

func (f *firstWord) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.TrimSpace(f.b.String())
}
