package cql

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/gocql/gocql"
)

// secureDialer opens connections whose TLS is asked for at each of them.
type secureDialer struct {
	dialer *dialer
	tls    *tls.Config
	fresh  func(*tls.Config) *tls.Config
}

// DialHost does what the driver does by itself, but for that.
func (d *secureDialer) DialHost(ctx context.Context, host *gocql.HostInfo) (*gocql.DialedHost, error) {
	if host.ConnectAddress() == nil || host.Port() == 0 {
		return nil, fmt.Errorf("connecting to a node: it has no address, or no port: %s", host)
	}
	conn, err := d.dialer.DialContext(ctx, "tcp", host.ConnectAddressAndPort())
	if err != nil {
		return nil, err
	}
	cfg := d.fresh(d.tls)
	if d.dialer.counts != nil {
		cfg = d.dialer.counts.Counting(cfg)
	}
	return gocql.WrapTLS(ctx, conn, host.HostnameAndPort(), cfg)
}
