package sshhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Command is one command on the machine.
type Command struct {
	Line string // for its POSIX shell
	// Name stands for it in errors; "" is the line.
	Name string
	Root bool      // with root's rights, by sudo if need be
	In   io.Reader // nil is empty
	Out  io.Writer // nil collects
	Err  io.Writer // nil collects
}

// Result is what a command said, as far as that was collected.
type Result struct {
	Out, Err string
}

// killWait is how long a cancelled command may take to end, before it is left
// alone; the connection is then closed under it.
const killWait = 10 * time.Second

// Run runs a command to its end. When ctx ends first the command is ended, with
// all processes of its group: SIGTERM, and SIGKILL after two seconds. The error
// is an *ExitError for a status other than 0, and a *LostError when the
// connection ended.
func (c *Client) Run(ctx context.Context, cmd Command) (Result, error) {
	if cmd.Name == "" {
		cmd.Name = cmd.Line
	}
	prefix, err := c.become(ctx, cmd.Root)
	if err != nil {
		return Result{}, err
	}
	return c.run(ctx, cmd, prefix)
}

func (c *Client) run(ctx context.Context, cmd Command, prefix string) (Result, error) {
	conn, err := c.conn(ctx)
	if err != nil {
		return Result{}, err
	}
	session, err := c.session(ctx, conn, cmd.Name)
	if err != nil {
		return Result{}, err
	}
	defer session.Close()
	var out, errs bytes.Buffer
	if cmd.Out == nil {
		cmd.Out = &out
	}
	tail := cmd.Err == nil
	if tail {
		cmd.Err = &errs
	}
	group := newGroupFinder(cmd.Err)
	session.Stdout, session.Stderr = cmd.Out, group
	in, err := session.StdinPipe()
	if err != nil {
		return Result{}, fmt.Errorf("%s on %s: %w", cmd.Name, c, err)
	}
	// The group is told first, so that it can be ended; the shell that tells it
	// becomes the command.
	line := prefix + "sh -c " + Quote(groupLine+"; exec sh -c "+Quote(cmd.Line))
	if err := c.guard(ctx, conn, cmd.Name, func() error { return session.Start(line) }); err != nil {
		return Result{}, err
	}
	// Not the session's own copying: it waits for a reader that may have nothing
	// more to give, after the command has ended.
	go func() {
		if cmd.In != nil {
			_, _ = io.Copy(in, cmd.In) // a command need not read all of it
		}
		in.Close()
	}()
	ended := make(chan error, 1)
	go func() { ended <- session.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		c.kill(conn, group, prefix, ended)
		return Result{}, fmt.Errorf("%s on %s: %w", cmd.Name, c, context.Cause(ctx))
	}
	group.flush()
	res := Result{Out: out.String(), Err: errs.String()}
	var exit *ssh.ExitError
	switch {
	case errors.As(err, &exit):
		e := &ExitError{Host: c.String(), Command: cmd.Name, Status: exit.ExitStatus(), Signal: exit.Signal(), Stderr: res.Err}
		if e.Signal != "" {
			e.Status = -1
		}
		return res, e
	case err != nil:
		return res, &LostError{Host: c.String(), Command: cmd.Name, Err: err}
	}
	return res, nil
}

// session opens a channel for one command.
func (c *Client) session(ctx context.Context, conn *connection, name string) (*ssh.Session, error) {
	var s *ssh.Session
	err := c.guard(ctx, conn, name, func() (err error) {
		s, err = conn.NewSession()
		return err
	})
	if err != nil {
		return nil, err // s may still be written to
	}
	return s, nil
}

// guard waits for something that the library waits for without an end: a question
// asked in the moment in which the connection ends is never answered.
func (c *Client) guard(ctx context.Context, conn *connection, name string, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		var refused *ssh.OpenChannelError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &refused):
			return fmt.Errorf("%s on %s: %w", name, c, err) // too many at once: the connection is well
		}
		conn.broken.Store(true)
		return &LostError{Host: c.String(), Command: name, Err: err}
	case <-conn.over:
		return &LostError{Host: c.String(), Command: name, Err: errOver}
	case <-ctx.Done():
		return fmt.Errorf("%s on %s: %w", name, c, context.Cause(ctx))
	}
}

var errOver = errors.New("the connection ended")

// kill ends a command's process group and waits for its end.
func (c *Client) kill(conn *connection, group *groupFinder, prefix string, ended <-chan error) {
	defer func() {
		select {
		case _ = <-ended: // how, is known: it was killed
		case <-time.After(killWait):
			conn.Close() // neither the command nor the connection answers
			_ = <-ended
		}
	}()
	id := group.wait(killWait)
	if id == "" {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		session, err := conn.NewSession()
		if err != nil {
			return
		}
		defer session.Close()
		_ = session.Run(prefix + "sh -c " + Quote(`kill -s TERM -- -`+id+` 2>/dev/null
i=0
while kill -s 0 -- -`+id+` 2>/dev/null; do
  i=$((i+1)); [ $i -gt 20 ] && { kill -s KILL -- -`+id+`; exit; }
  sleep 0.1
done`)) // it may have ended by itself
	}()
	select {
	case <-done:
	case <-time.After(killWait):
	}
}

// groupMark begins the line in which a command's shell tells its process group.
const groupMark = "crossring-group "

const groupLine = `read -r _ _ _ _ g _ </proc/$$/stat; echo "` + groupMark + `$g" >&2`

// groupFinder takes the line that tells the process group out of what a command
// says on standard error, and hands on the rest.
type groupFinder struct {
	to    io.Writer
	found chan struct{}

	mu    sync.Mutex
	id    string
	held  []byte
	loose bool // hand on as it comes
}

func newGroupFinder(to io.Writer) *groupFinder {
	return &groupFinder{to: to, found: make(chan struct{})}
}

func (g *groupFinder) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.loose {
		return g.to.Write(p)
	}
	g.held = append(g.held, p...)
	for {
		end := bytes.IndexByte(g.held, '\n')
		if end < 0 {
			return len(p), nil
		}
		line := g.held[:end+1]
		g.held = g.held[end+1:]
		if id, ok := strings.CutPrefix(string(bytes.TrimSpace(line)), groupMark); ok {
			g.id, g.loose = id, true
			close(g.found)
			rest := g.held
			g.held = nil
			if len(rest) == 0 {
				return len(p), nil
			}
			_, err := g.to.Write(rest)
			return len(p), err
		}
		// What a login's profile says comes before it.
		if _, err := g.to.Write(line); err != nil {
			return len(p), err
		}
	}
}

// flush hands on what is held back of a command that told nothing.
func (g *groupFinder) flush() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.held) > 0 {
		_, _ = g.to.Write(g.held)
		g.held = nil
	}
}

func (g *groupFinder) wait(d time.Duration) string {
	select {
	case <-g.found:
	case <-time.After(d):
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.id
}

// become is what stands before a command that needs root's rights.
func (c *Client) become(ctx context.Context, root bool) (string, error) {
	if !root || c.cfg.NoRoot {
		return "", nil
	}
	select {
	case <-c.turn:
	case <-ctx.Done():
		return "", fmt.Errorf("becoming root on %s: %w", c, context.Cause(ctx))
	}
	known := c.root
	c.turn <- struct{}{}
	if known == nil {
		res, err := c.run(ctx, Command{Name: "id", Line: "id -u"}, "")
		if err != nil {
			return "", err
		}
		is := strings.TrimSpace(res.Out) == "0"
		if !is {
			if _, err := c.run(ctx, Command{Name: "sudo", Line: "sudo -n true"}, ""); err != nil {
				var exit *ExitError
				if errors.As(err, &exit) {
					return "", &SudoError{Host: c.String(), Err: err}
				}
				return "", err
			}
		}
		<-c.turn
		c.root, known = &is, &is
		c.turn <- struct{}{}
	}
	if *known {
		return "", nil
	}
	return "sudo -n ", nil
}

// Script runs a POSIX shell script with arguments, with root's rights, and gives
// what it prints. The script stands by itself: it reads nothing, stops at the
// first command that fails, and finds the arguments as $1, $2 and so on. name
// stands for it in errors.
func (c *Client) Script(ctx context.Context, name, script string, args ...string) (string, error) {
	line := "sh -s --"
	for _, a := range args {
		line += " " + Quote(a)
	}
	// One compound command: the shell has read all of it before it does any of it,
	// so nothing in it can eat the rest of the script as its input.
	whole := "set -eu\n{\n" + script + "\n} </dev/null\n"
	res, err := c.Run(ctx, Command{Name: name, Line: line, Root: true, In: strings.NewReader(whole)})
	return res.Out, err
}

// ScriptIn is Script with bytes for the script's standard input: what must not be seen
// in the list of processes, where arguments are. The script has to read all of it.
func (c *Client) ScriptIn(ctx context.Context, name, script string, in []byte, args ...string) (string, error) {
	res, err := c.Run(ctx, Command{Name: name, Line: shellCall(script, args...), Root: true, In: bytes.NewReader(in)})
	return res.Out, err
}

// Quote makes one word of a text for a POSIX shell.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
