package cql

import (
	"bufio"
	"context"
	"net"
	"runtime"
	"sync"
	"time"
)

// dialer opens the connections of one session.
type dialer struct {
	net          net.Dialer
	dial         func(ctx context.Context, network, addr string) (net.Conn, error) // instead of net; or nil
	batch        bool                                                              // gather requests into fewer writes
	writeTimeout time.Duration                                                     // of one write
	// life ends, by abandon, when the session was given up before it stood:
	// connections are then closed and no further ones opened. Nil never ends.
	life    context.Context
	counts  *Counts // may be nil
	abandon context.CancelFunc
}

func (d *dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.life != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(d.life, cancel)()
	}
	dial := d.net.DialContext
	if d.dial != nil {
		dial = d.dial
	}
	conn, err := dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if d.counts != nil {
		d.counts.Flows.Add(1)
	}
	if d.life != nil {
		// Not stopped when the connection closes: a session opens few of them,
		// and the context dies with the session.
		context.AfterFunc(d.life, func() { conn.Close() })
	}
	if d.batch {
		return newBatchConn(conn, d.writeTimeout), nil
	}
	return conn, nil
}

// readBuffer holds some thirty answers of 2 KB: one system call for all that
// have arrived, where the driver alone would make one for every 4 KB.
const readBuffer = 64 << 10

// batchConn gathers what is written while other goroutines still have something
// to write, and sends it at once. Unlike a timer this waits for nobody: alone, a
// request leaves as soon as the scheduler comes round.
//
// Write returns before the bytes have left. If they cannot leave, the connection
// is closed, so that whoever waits for an answer learns it from the reading side.
type batchConn struct {
	net.Conn
	in      *bufio.Reader
	timeout time.Duration

	mu   sync.Mutex
	out  []byte // gathered
	err  error  // why no more can be written
	wake chan struct{}
	done chan struct{}
	once sync.Once
}

func newBatchConn(conn net.Conn, timeout time.Duration) *batchConn {
	c := &batchConn{
		Conn:    conn,
		in:      bufio.NewReaderSize(conn, readBuffer),
		timeout: timeout,
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	go c.send()
	return c
}

func (c *batchConn) Read(p []byte) (int, error) { return c.in.Read(p) }

func (c *batchConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return 0, c.err
	}
	first := len(c.out) == 0
	c.out = append(c.out, p...)
	c.mu.Unlock()
	if first {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	return len(p), nil
}

// SetWriteDeadline does nothing: each write gets its own deadline when it is made.
func (c *batchConn) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline sets the deadline of reads only, for the same reason.
func (c *batchConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *batchConn) Close() error {
	c.fail(net.ErrClosed)
	return c.Conn.Close()
}

func (c *batchConn) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.mu.Unlock()
	c.once.Do(func() { close(c.done) })
}

func (c *batchConn) send() {
	var spare []byte
	for {
		select {
		case <-c.wake:
		case <-c.done:
			return
		}
		// Whoever is ready to run gets to add its request first.
		runtime.Gosched()
		c.mu.Lock()
		batch := c.out
		c.out = spare[:0]
		c.mu.Unlock()
		if err := c.Conn.SetWriteDeadline(time.Now().Add(c.timeout)); err == nil {
			_, err = c.Conn.Write(batch)
			if err == nil {
				spare = batch
				continue
			}
			c.fail(err)
		} else {
			c.fail(err)
		}
		c.Conn.Close()
		return
	}
}
