//go:build !pkcs11

package hsm

import (
	"context"
	"io"
)

// Create makes a key in a token.
func Create(context.Context, Ref, string, string) (Key, error) { return nil, &NotBuiltError{} }

// Open finds a key in a token.
func Open(context.Context, Ref, string) (Key, error) { return nil, &NotBuiltError{} }

// Available says whether this program has PKCS#11 at all, with a *NotBuiltError.
func Available() error { return &NotBuiltError{} }

// Trace writes down each call that is made to tokens' libraries.
type Trace struct{}

// NewTrace has nothing to write.
func NewTrace(io.Writer) *Trace { return &Trace{} }

// WithTrace changes nothing.
func WithTrace(ctx context.Context, _ *Trace) context.Context { return ctx }

// Close counts no calls.
func (*Trace) Close() (calls int, err error) { return 0, nil }
