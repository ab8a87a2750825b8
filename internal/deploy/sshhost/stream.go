package sshhost

import (
	"context"
	"fmt"
	"net"
)

// Stream is Dial for whoever passes bytes on: either end may stop sending and still
// listen (CloseWrite). It knows no deadlines.
func (c *Client) Stream(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := c.conn(ctx)
	if err != nil {
		return nil, err
	}
	far, err := conn.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s through %s: %w", addr, c, err)
	}
	return far, nil
}
