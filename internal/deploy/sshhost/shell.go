package sshhost

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"
)

// Terminal is one that a person sits at.
type Terminal struct {
	Type          string // as in TERM
	Width, Height int    // in characters
	// Resized gets width and height when they change; nil never does.
	Resized <-chan [2]int
}

// Shell runs a login shell, or a command if line is not "", at a terminal, until
// it ends. The terminal should be in raw mode.
func (c *Client) Shell(ctx context.Context, t Terminal, line string, in io.Reader, out io.Writer) error {
	conn, err := c.conn(ctx)
	if err != nil {
		return err
	}
	session, err := c.session(ctx, conn, "shell")
	if err != nil {
		return err
	}
	defer session.Close()
	if err := session.RequestPty(t.Type, t.Height, t.Width, ssh.TerminalModes{}); err != nil {
		return fmt.Errorf("terminal on %s: %w", c, err)
	}
	stdin, err := session.StdinPipe()
	if err != nil {
		return fmt.Errorf("terminal on %s: %w", c, err)
	}
	session.Stdout, session.Stderr = out, out
	if line == "" {
		err = session.Shell()
	} else {
		err = session.Start(line)
	}
	if err != nil {
		return &LostError{Host: c.String(), Command: "shell", Err: err}
	}
	go func() {
		_, _ = io.Copy(stdin, in)
		stdin.Close()
	}()
	ended := make(chan error, 1)
	go func() { ended <- session.Wait() }()
	for {
		select {
		case size := <-t.Resized:
			_ = session.WindowChange(size[1], size[0]) // a wrong width is no reason to end
		case <-ctx.Done():
			return fmt.Errorf("shell on %s: %w", c, context.Cause(ctx))
		case err := <-ended:
			var exit *ssh.ExitError
			if errors.As(err, &exit) {
				return &ExitError{Host: c.String(), Command: "shell", Status: exit.ExitStatus(), Signal: exit.Signal()}
			}
			if err != nil {
				return &LostError{Host: c.String(), Command: "shell", Err: err}
			}
			return nil
		}
	}
}
