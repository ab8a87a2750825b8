package run

import (
	"context"
	"errors"
	"fmt"

	"crossring/internal/pki/wire"
)

// HandshakeServer is what one server did.
type HandshakeServer struct {
	Address string     `json:"address"`
	New     *wire.Rate `json:"new"` // null when it was not asked for, here and below
	Reused  *wire.Rate `json:"reused"`
}

// HandshakeResult is the answer of handshake: the first server's figures at the
// top, and those of all in their order.
type HandshakeResult struct {
	New     *wire.Rate        `json:"new"`
	Reused  *wire.Rate        `json:"reused"`
	Servers []HandshakeServer `json:"servers"`
}

// Add takes a server's figures in.
func (r *HandshakeResult) Add(s HandshakeServer) {
	if len(r.Servers) == 0 {
		r.New, r.Reused = s.New, s.Reused
	}
	r.Servers = append(r.Servers, s)
}

// Handshakes counts new and resumed handshakes, one after the other.
func (w World) Handshakes(ctx context.Context, l wire.Load, fresh, reuse bool) (HandshakeServer, error) {
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
		err := w.stage(fmt.Sprintf("%s handshakes with %s for %s", k.name, l.Address, l.Time), func() error {
			rate, err := wire.Measure(ctx, l)
			var none *wire.NoSessionError
			if k.reuse && fresh && errors.As(err, &none) {
				// Asked for both, what there is counts.
				w.Say("warning: %s", none)
				return nil
			}
			*k.to = &rate
			return err
		})
		if err != nil {
			return s, err
		}
	}
	return s, nil
}
