//go:build pkcs11

package hsm

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// Trace writes down each call that is made to tokens' libraries under a context of
// WithTrace: its arguments, what came of it by name, and microseconds. PINs, keys and what
// is signed are not in it. A process has one at a time, and follows one library.
type Trace struct {
	mu     sync.Mutex
	out    io.Writer
	module string // the library that is followed; "" is none yet
	stop   func() // lets go of it
	calls  int
	err    error // the first of writing
}

// Available says whether this program has PKCS#11 at all, with a *NotBuiltError.
func Available() error { return nil }

// NewTrace writes to out, until it is closed.
func NewTrace(out io.Writer) *Trace { return &Trace{out: out} }

type traceKey struct{}

// WithTrace has what is done with tokens under the context traced.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// follow has the calls to a library traced, where the context says so.
func follow(ctx context.Context, module string) error {
	t, ok := ctx.Value(traceKey{}).(*Trace)
	if !ok {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch t.module {
	case module:
		return nil
	case "":
	default:
		return fmt.Errorf("trace %s: it follows %s already, and one library at a time", module, t.module)
	}
	stop, err := spy(module, t)
	if err != nil {
		return fmt.Errorf("trace %s: %w", module, err)
	}
	t.module, t.stop = module, stop
	t.write("# %s: PINs, keys and what is signed are left out", module)
	return nil
}

// Close lets go of the library. It says how many calls were written down, and what kept
// some from being so.
func (t *Trace) Close() (calls int, err error) {
	t.mu.Lock()
	stop := t.stop
	t.stop = nil
	t.mu.Unlock()
	if stop != nil {
		stop()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls, t.err
}

// called is one call that has ended.
func (t *Trace) called(name, arguments, code string, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	t.write("%s(%s) = %s %d us", name, arguments, code, took.Microseconds())
}

// write makes one write of one line. The caller holds the lock.
func (t *Trace) write(format string, args ...any) {
	line := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z ") + fmt.Sprintf(format, args...) + "\n"
	if _, err := io.WriteString(t.out, line); err != nil && t.err == nil {
		t.err = err
	}
}
