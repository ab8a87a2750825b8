package run

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/topology"
)

// LogsRequest says which logs.
type LogsRequest struct {
	Ref    string // NAME or NAME:NODE
	Lines  int    // from the end, of each node
	Follow bool
}

// Logs writes the last lines of the nodes' logs, and with Follow what comes
// after, until ctx ends. With several nodes each line bears its node's name.
func Logs(ctx context.Context, w cluster.World, req LogsRequest, out io.Writer) error {
	c, nodes, err := w.Pick(req.Ref)
	if err != nil {
		return err
	}
	if req.Follow && c.Place.Inside != nil {
		return c.NoMachines(nodes[0], "tail -F "+path.Join(nodes[0].Layout.Log, "system.log"))
	}
	lines := make(chan string)
	errs := make(chan error, len(nodes))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, n := range nodes {
		prefix := ""
		if len(nodes) > 1 {
			prefix = n.Name + ": "
		}
		tail, err := c.Host(n).Tail(ctx, req.Lines)
		if err != nil {
			return err
		}
		for _, l := range tail {
			if _, err := fmt.Fprintln(out, prefix+l); err != nil {
				return err
			}
		}
		if req.Follow {
			go func() {
				if c.Remote() {
					errs <- followRemote(ctx, w, c, n, prefix, lines)
					return
				}
				errs <- follow(ctx, n, prefix, lines)
			}()
		}
	}
	if !req.Follow {
		return nil
	}
	for {
		select {
		case l := <-lines:
			if _, err := fmt.Fprintln(out, l); err != nil {
				return err
			}
		case err := <-errs:
			return err
		case <-ctx.Done():
			return nil // following ends when the reader has had enough
		}
	}
}

// eachLine hands on lines until f has had enough or there are no more.
func eachLine(r io.Reader, f func(string) bool) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if !f(s.Text()) {
			return nil
		}
	}
	return s.Err()
}

// follow sends the lines that are added to a node's log.
func follow(ctx context.Context, n topology.Node, prefix string, lines chan<- string) error {
	const every = 200 * time.Millisecond
	path := filepath.Join(n.Layout.Log, "system.log")
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("follow log of %s: %w", n.Name, err)
	}
	defer func() { f.Close() }()
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return fmt.Errorf("follow log of %s: %w", n.Name, err)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	r, part := bufio.NewReader(f), ""
	for {
		line, err := r.ReadString('\n')
		part += line
		if err == nil {
			select {
			case lines <- prefix + part[:len(part)-1]:
			case <-ctx.Done():
				return nil
			}
			part = ""
			continue
		}
		if !errors.Is(err, io.EOF) {
			return fmt.Errorf("follow log of %s: %w", n.Name, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		// The server rolls its log: the name is then another file's.
		now, err := os.Stat(path)
		old, oldErr := f.Stat()
		if err == nil && oldErr == nil && !os.SameFile(now, old) {
			if next, err := os.Open(path); err == nil {
				f.Close()
				f, r, part = next, bufio.NewReader(next), ""
			}
		}
	}
}
