package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"

	"crossring/internal/cluster"
	"crossring/internal/deploy/prepare"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/topology"
)

// Exec runs a command on the machine of one node, or of all at once; then each
// line bears its node's name. One argument is a line for the shell, several are
// the words of a command. It is an error when it ends with a status other than 0
// anywhere.
func Exec(ctx context.Context, w cluster.World, ref string, args []string, s cluster.Streams) error {
	c, nodes, err := w.Pick(ref)
	if err != nil {
		return err
	}
	if !c.Remote() {
		return c.NoMachines(nodes[0], strings.Join(args, " "))
	}
	line := args[0]
	if len(args) > 1 {
		words := make([]string, len(args))
		for i, a := range args {
			words[i] = sshhost.Quote(a)
		}
		line = strings.Join(words, " ")
	}
	var mu sync.Mutex
	err = cluster.OnEach(nodes, func(n topology.Node) error {
		m, err := c.Machine(n)
		if err != nil {
			return err
		}
		cmd := sshhost.Command{Line: line, Out: s.Out, Err: s.Err}
		if len(nodes) == 1 {
			cmd.In = s.In
		} else {
			out, errs := &named{to: s.Out, name: n.Name, mu: &mu}, &named{to: s.Err, name: n.Name, mu: &mu}
			defer out.flush()
			defer errs.flush()
			cmd.Out, cmd.Err = out, errs
		}
		_, err = m.Run(ctx, cmd)
		return err
	})
	return cluster.Cluster{Inv: topology.Inventory{Nodes: nodes}}.PartialOf(err)
}

// named puts a node's name before each line.
type named struct {
	to   io.Writer
	name string
	mu   *sync.Mutex // of all that write to the same place
	part []byte
}

func (o *named) Write(p []byte) (int, error) {
	o.part = append(o.part, p...)
	for {
		line, rest, ok := strings.Cut(string(o.part), "\n")
		if !ok {
			return len(p), nil
		}
		o.part = []byte(rest)
		o.mu.Lock()
		_, err := fmt.Fprintf(o.to, "%s: %s\n", o.name, line)
		o.mu.Unlock()
		if err != nil {
			return 0, err
		}
	}
}

// flush writes a last line that has no end.
func (o *named) flush() {
	if len(o.part) > 0 {
		_, _ = o.Write([]byte("\n")) // whoever reads has gone
	}
}

// SSH opens a shell on the machine of a node, at a terminal in raw mode.
func SSH(ctx context.Context, w cluster.World, ref string, t sshhost.Terminal, s cluster.Streams) error {
	c, n, err := w.PickOne(ref)
	if err != nil {
		return err
	}
	if !c.Remote() {
		return c.NoMachines(n, "sh")
	}
	m, err := c.Machine(n)
	if err != nil {
		return err
	}
	var exit *sshhost.ExitError
	if err := m.Shell(ctx, t, "", s.In, s.Out); err != nil && !errors.As(err, &exit) {
		return err // the status of the last command in a shell is nobody's error
	}
	return nil
}

// followRemote sends the lines that are added to a node's log on its machine.
func followRemote(ctx context.Context, w cluster.World, c cluster.Cluster, n topology.Node, prefix string, lines chan<- string) error {
	m, err := c.Machine(n)
	if err != nil {
		return err
	}
	r, in := io.Pipe()
	line := "tail -n 0 -F " + sshhost.Quote(path.Join(n.Layout.Log, "system.log")) + " 2>/dev/null"
	if u := prepare.User(n); u != "" {
		line = "runuser -u " + u + " -- " + line // its directory is the server's, and so what stands there
	}
	go func() {
		_, err := m.Run(ctx, sshhost.Command{
			Name: "follow log of " + n.Name, Line: line,
			Root: true, Out: in,
		})
		in.CloseWithError(err)
	}()
	defer r.Close()
	err = eachLine(r, func(line string) bool {
		select {
		case lines <- prefix + line:
			return true
		case <-ctx.Done():
			return false
		}
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}
