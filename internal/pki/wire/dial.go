package wire

import (
	"context"
	"errors"
	"net"
)

// Dial opens a connection as net.Dialer's DialContext does, from wherever it is to come.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// directly dials from this computer, as it is.
func directly(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// Unreached says that an error is about the way to a server: nobody was there, or nobody
// said a word, so that nothing is known of its certificate.
func Unreached(err error) bool {
	var op *net.OpError
	var silent *SilentError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &silent) || errors.As(err, &dns)
}
