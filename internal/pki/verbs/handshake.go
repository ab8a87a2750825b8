package verbs

import (
	"context"
	"errors"
	"fmt"

	"crossring/internal/fail"
	"crossring/internal/pki/wire"

	"github.com/hashicorp/go-multierror"
)

// HandshakeServer is what one server did.
type HandshakeServer struct {
	Address string     `json:"address"`
	New     *wire.Rate `json:"new"` // null when it was not asked for, here and below
	Reused  *wire.Rate `json:"reused"`
	// Error is what went wrong with it; null when nothing did.
	Error *string `json:"error"`
}

// HandshakeResult is the answer of handshake: the first server's figures at the
// top, and those of all in their order.
type HandshakeResult struct {
	New     *wire.Rate        `json:"new"`
	Reused  *wire.Rate        `json:"reused"`
	Servers []HandshakeServer `json:"servers"`
	// Loads are of servers that were given as URLs; the keys above are of the others.
	Loads []LoadServer `json:"loads"`
}

// Handshakes has each server make handshakes, one server after the other. One that
// fails does not keep the others from their turn.
func (w Verbs) Handshakes(ctx context.Context, loads []wire.Load, fresh, reuse bool) (HandshakeResult, error) {
	res := HandshakeResult{Servers: []HandshakeServer{}, Loads: []LoadServer{}}
	var errs *multierror.Error
	for _, l := range loads {
		s, err := w.handshakes(ctx, l, fresh, reuse)
		if err != nil {
			text := err.Error()
			s.Error = &text
			errs = multierror.Append(errs, err)
		}
		if res.Servers = append(res.Servers, s); len(res.Servers) == 1 {
			res.New, res.Reused = s.New, s.Reused
		}
		if ctx.Err() != nil {
			break
		}
	}
	err := alone(errs)
	if err != nil && ctx.Err() == nil && len(errs.Errors) < len(loads) {
		return res, fail.Partial("", err, hintOf(err))
	}
	return res, err
}

// alone is a list of errors, or the one that there is.
func alone(errs *multierror.Error) error {
	if errs != nil && len(errs.Errors) == 1 {
		return errs.Errors[0]
	}
	return errs.ErrorOrNil()
}

// hintOf is the first hint of an error's chain; "" when there is none.
func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// handshakes counts new and resumed handshakes, one after the other.
func (w Verbs) handshakes(ctx context.Context, l wire.Load, fresh, reuse bool) (HandshakeServer, error) {
	s := HandshakeServer{Address: l.Address}
	for _, k := range []struct {
		reuse, wanted bool
		name          string
		to            **wire.Rate
	}{{false, fresh, "new", &s.New}, {true, reuse, "resumed", &s.Reused}} {
		if !k.wanted {
			continue
		}
		l.Reuse = k.reuse
		err := w.Stage(fmt.Sprintf("%s handshakes with %s for %s", k.name, l.Address, l.Time), func() error {
			rate, err := wire.Measure(ctx, l)
			var none *wire.NoSessionError
			if k.reuse && fresh && errors.As(err, &none) {
				// Asked for both, what there is counts.
				w.Say("warning: %s", none)
				return nil
			}
			if err == nil || rate.Connections > 0 {
				*k.to = &rate
			}
			return err
		})
		if err != nil {
			_, err = w.terms(ctx, l.Address, l.Config, err)
			return s, err
		}
	}
	return s, nil
}
