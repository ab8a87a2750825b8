package app

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"crossring/internal/fail"
)

// signals delivers SIGINT and SIGTERM until stop is called.
func signals() (got <-chan os.Signal, stop func()) {
	// Two places: a second signal that comes while the first is being answered
	// must not be lost.
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	return ch, func() { signal.Stop(ch) }
}

// supervise runs f until it returns. The first signal cancels f's context, with
// an interruption as its cause, and waits for f to finish what is in flight. The
// second does not wait: supervise returns 130 while f may still be running, and
// the caller must leave the process.
func supervise(stderr io.Writer, got <-chan os.Signal, f func(context.Context) int) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	done := make(chan int, 1)
	go func() { done <- f(ctx) }()
	first := true
	for {
		select {
		case code := <-done:
			return code
		case s := <-got:
			if !first {
				Note(stderr, "leaving at once; what was in flight is not waited for")
				return fail.ExitInterrupted
			}
			first = false
			Note(stderr, "%s: finishing what is in flight; once more leaves at once", s)
			cancel(&interrupted{signal: s})
		}
	}
}

// stopped says of an error that a signal came before it, where one did. A
// command that ended well in spite of the signal stays well.
func stopped(ctx context.Context, err error) error {
	var cause, already *interrupted
	if err == nil || !errors.As(context.Cause(ctx), &cause) || errors.As(err, &already) {
		return err
	}
	return &interrupted{signal: cause.signal, err: err}
}
