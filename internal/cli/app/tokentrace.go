package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"crossring/internal/fail"
	"crossring/internal/pki/hsm"

	"github.com/urfave/cli/v2"
)

const tokenTraceFlag = "pkcs11-trace"

// TokenTraceFlag is for every command that may sign with a key in a token.
func TokenTraceFlag() cli.Flag {
	return &cli.StringFlag{Name: tokenTraceFlag, Usage: "write each call to the token's library to `FILE`, without secrets; - is stderr"}
}

// traced has what is done with tokens written down, where --pkcs11-trace was given. done
// ends that, and says what came of it.
func (e *Env) traced(ctx context.Context, c *cli.Context) (_ context.Context, done func(), err error) {
	if !c.IsSet(tokenTraceFlag) {
		return ctx, func() {}, nil
	}
	if err := hsm.Available(); err != nil {
		return ctx, nil, fmt.Errorf("--%s: %w", tokenTraceFlag, err)
	}
	path := c.String(tokenTraceFlag)
	var out io.Writer = e.Stderr
	closeFile := func() error { return nil }
	if path != "-" {
		f, err := openTrace(path)
		if err != nil {
			return ctx, nil, fail.Usage("--"+tokenTraceFlag, err, HelpFor(c))
		}
		out, closeFile = f, f.Close
	}
	t := hsm.NewTrace(out)
	return hsm.WithTrace(ctx, t), func() {
		calls, err := t.Close()
		if err = errors.Join(err, closeFile()); err != nil {
			Note(e.Stderr, "warning: --%s: the trace is not whole: %s", tokenTraceFlag, err)
		} else if calls == 0 {
			Note(e.Stderr, "note: --%s: no token was asked", tokenTraceFlag)
		}
	}, nil
}

// openTrace opens a file to be written at its end, one that nobody else may read and that
// no link leads to.
func openTrace(path string) (*os.File, error) {
	// Without O_NONBLOCK a named pipe without a reader would be waited for.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%s is a link, and none is followed", path)
	}
	if err != nil {
		return nil, err
	}
	err = plainFile(f)
	if err == nil {
		err = f.Chmod(0o600)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// plainFile says what keeps a file from being a file of its own.
func plainFile(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", f.Name())
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Nlink > 1 {
		return fmt.Errorf("%s has other names as well: a trace is a file of its own", f.Name())
	}
	return nil
}
