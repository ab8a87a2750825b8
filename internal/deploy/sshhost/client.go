// Package sshhost reaches one machine by SSH: commands, files and connections to
// its ports, over one connection that is kept alive and made anew when it is
// lost. Host keys are held in a file of the cluster's own, and a changed one is
// refused. What the machine must have is sshd, a POSIX shell and coreutils on
// Linux.
package sshhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/net/proxy"

	"crossring/internal/topology"
)

// Config says how to reach a machine.
type Config struct {
	Address  string
	Port     int // 0 is 22
	User     string
	Identity string // file of a private key without a passphrase; "" is none
	Agent    string // socket of an agent; "" is none
	// KnownHosts is the file in which host keys are held, in OpenSSH's format.
	KnownHosts string
	// HostKeys are the only keys accepted of a host that is not in KnownHosts, as
	// in an authorized_keys file. Without any, TrustFirst decides.
	HostKeys []string
	// TrustFirst accepts whatever key an unknown host shows first.
	TrustFirst bool
	Jump       *Config // host to go through; nil is none
	Proxy      string  // host:port of a SOCKS5 proxy; "" is none
	// Booting takes a refused login for one that is not set up yet, and tries again.
	Booting bool
	// NoRoot runs everything as User, what asks for root's rights included.
	NoRoot bool
	// Wait is how long a machine may refuse or stay silent before it counts as out
	// of reach; 0 is 15 s.
	Wait      time.Duration
	KeepAlive time.Duration // between questions whether the other end lives; 0 is 15 s
	// Waiting is told what is waited for, each time that changes; nil is silence.
	Waiting func(text string)
}

const (
	defaultWait      = 15 * time.Second
	defaultKeepAlive = 15 * time.Second
	attemptTimeout   = 10 * time.Second // of one connection, login included
	attemptPause     = 500 * time.Millisecond
)

// Client is a machine that is reached by SSH. It may be used from several
// goroutines. It connects when it is first needed.
type Client struct {
	cfg  Config
	jump *Client

	turn chan struct{} // holds one token: whoever has it may look at what follows
	live *connection
	root *bool // the login is root's; nil is not known yet
}

// connection is one that was made, and may be over.
type connection struct {
	*ssh.Client
	over chan struct{}
	// broken is set by whoever meets the end before over is closed.
	broken atomic.Bool
}

func (c *connection) dead() bool {
	if c.broken.Load() {
		return true
	}
	select {
	case <-c.over:
		return true
	default:
		return false
	}
}

// New prepares a client. It connects nowhere yet.
func New(cfg Config) *Client {
	if cfg.Port == 0 {
		cfg.Port = 22
	}
	if cfg.Wait == 0 {
		cfg.Wait = defaultWait
	}
	if cfg.KeepAlive == 0 {
		cfg.KeepAlive = defaultKeepAlive
	}
	if cfg.Waiting == nil {
		cfg.Waiting = func(string) {}
	}
	c := &Client{cfg: cfg, turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	if cfg.Jump != nil {
		c.jump = New(*cfg.Jump)
	}
	return c
}

// String is user@address:port.
func (c *Client) String() string { return c.cfg.User + "@" + c.address() }

func (c *Client) address() string {
	return net.JoinHostPort(c.cfg.Address, strconv.Itoa(c.cfg.Port))
}

// Connect connects, unless a connection stands.
func (c *Client) Connect(ctx context.Context) error {
	_, err := c.conn(ctx)
	return err
}

// Check asks the other end of the connection that stands for a sign of life, and makes
// none: the error is why there is no connection, or ctx's end.
func (c *Client) Check(ctx context.Context) error {
	var conn *connection
	select {
	case <-c.turn:
		conn = c.live
		c.turn <- struct{}{}
	default:
		return fmt.Errorf("%s: it is being connected", c)
	}
	if conn == nil || conn.dead() {
		return fmt.Errorf("%s: the connection was lost", c)
	}
	answered := make(chan error, 1)
	go func() {
		_, _, err := conn.SendRequest(aliveRequest, true, nil)
		answered <- err
	}()
	select {
	case err := <-answered:
		if err != nil {
			return fmt.Errorf("%s: the connection was lost: %w", c, err)
		}
		return nil
	case <-conn.over:
		return fmt.Errorf("%s: the connection was lost", c)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", c, context.Cause(ctx))
	}
}

// aliveRequest is answered by every server, if with a refusal.
const aliveRequest = "keepalive@openssh.com"

// Close ends the connection. The client may be used again.
func (c *Client) Close() error {
	<-c.turn
	defer func() { c.turn <- struct{}{} }()
	var err error
	if c.live != nil {
		if err = c.live.Close(); errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
			err = nil
		}
	}
	c.live = nil
	if c.jump != nil {
		err = errors.Join(err, c.jump.Close())
	}
	return err
}

// conn is the connection that stands, or a new one.
func (c *Client) conn(ctx context.Context) (*connection, error) {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return nil, fmt.Errorf("connecting to %s: %w", c, context.Cause(ctx))
	}
	defer func() { c.turn <- struct{}{} }()
	if c.live != nil && !c.live.dead() {
		return c.live, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Wait, fmt.Errorf("no login within %s: %w", c.cfg.Wait, context.DeadlineExceeded))
	defer cancel()
	said := ""
	for {
		conn, err := c.attempt(ctx)
		if err == nil {
			c.live = conn
			go c.keepAlive(conn)
			return conn, nil
		}
		if ctx.Err() == nil && c.final(err) {
			return nil, fmt.Errorf("connecting to %s: %w", c, err)
		}
		if text := fmt.Sprintf("ssh to %s: %v", c, err); text != said && ctx.Err() == nil {
			said = text
			c.cfg.Waiting(text)
		}
		select {
		case <-time.After(attemptPause):
		case <-ctx.Done():
			return nil, &UnreachableError{Host: c.String(), Waited: c.cfg.Wait, Err: errors.Join(context.Cause(ctx), err)}
		}
	}
}

// final says that trying again can't help.
func (c *Client) final(err error) bool {
	var login *LoginError
	if errors.As(err, &login) {
		return !c.cfg.Booting
	}
	var changed *HostKeyChangedError
	var unknown *UnknownHostKeyError
	var identity *IdentityError
	return errors.As(err, &changed) || errors.As(err, &unknown) || errors.As(err, &identity)
}

// attempt makes one connection and logs in.
func (c *Client) attempt(ctx context.Context) (*connection, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, attemptTimeout, fmt.Errorf("no login within %s: %w", attemptTimeout, context.DeadlineExceeded))
	defer cancel()
	auth, done, err := c.auth()
	if err != nil {
		return nil, err
	}
	defer done()
	keys, err := loadHostKeys(c.cfg, c.address())
	if err != nil {
		return nil, err
	}
	raw, err := c.dialHost(ctx)
	if err != nil {
		return nil, err
	}
	// The handshake knows no context.
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	conn, channels, requests, err := ssh.NewClientConn(raw, c.address(), &ssh.ClientConfig{
		User: c.cfg.User, Auth: auth, HostKeyCallback: keys.check, HostKeyAlgorithms: keys.algorithms(),
	})
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		raw.Close()
		switch {
		case keys.refused != nil:
			return nil, keys.refused
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case keys.shown != nil && !broken(err):
			// The machine was who it is, and the connection stood: it was the user who was
			// not let in. The library has no type for that.
			return nil, &LoginError{Host: c.String(), Err: err}
		}
		return nil, err
	}
	if err := keys.hold(); err != nil {
		conn.Close()
		return nil, err
	}
	live := &connection{Client: ssh.NewClient(conn, channels, requests), over: make(chan struct{})}
	go func() {
		_ = live.Wait() // whoever used it learns why
		close(live.over)
	}()
	return live, nil
}

// broken says that a connection ended, and nothing was answered.
func broken(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// dialHost opens the TCP connection, by whatever way is set.
func (c *Client) dialHost(ctx context.Context) (net.Conn, error) {
	var direct net.Dialer
	switch {
	case c.jump != nil:
		return c.jump.Dial(ctx, c.address())
	case c.cfg.Proxy != "":
		d, err := proxy.SOCKS5("tcp", c.cfg.Proxy, nil, &direct)
		if err != nil {
			return nil, fmt.Errorf("proxy %s: %w", c.cfg.Proxy, err)
		}
		conn, err := d.(proxy.ContextDialer).DialContext(ctx, "tcp", c.address())
		if err != nil {
			return nil, fmt.Errorf("through proxy %s: %w", c.cfg.Proxy, err)
		}
		return conn, nil
	}
	return direct.DialContext(ctx, "tcp", c.address())
}

// auth lists the keys to log in with. done gives the agent back.
func (c *Client) auth() (methods []ssh.AuthMethod, done func(), err error) {
	done = func() {}
	if c.cfg.Identity != "" {
		data, err := os.ReadFile(c.cfg.Identity)
		if err != nil {
			return nil, done, &IdentityError{File: c.cfg.Identity, Err: err}
		}
		signer, err := ssh.ParsePrivateKey(data)
		if err != nil {
			return nil, done, &IdentityError{File: c.cfg.Identity, Err: err}
		}
		return []ssh.AuthMethod{ssh.PublicKeys(signer)}, done, nil
	}
	if c.cfg.Agent == "" {
		return nil, done, &IdentityError{Err: errors.New("no private key and no agent to log in with")}
	}
	conn, err := net.Dial("unix", c.cfg.Agent)
	if err != nil {
		return nil, done, &IdentityError{Err: fmt.Errorf("agent: %w", err)}
	}
	return []ssh.AuthMethod{ssh.PublicKeysCallback(agent.NewClient(conn).Signers)}, func() { conn.Close() }, nil
}

// keepAlive closes a connection whose other end no longer answers: without it a
// machine that went away would be waited for until TCP gives up.
func (c *Client) keepAlive(conn *connection) {
	tick := time.NewTicker(c.cfg.KeepAlive)
	defer tick.Stop()
	for {
		select {
		case <-conn.over:
			return
		case <-tick.C:
		}
		answered := make(chan error, 1)
		go func() {
			_, _, err := conn.SendRequest(aliveRequest, true, nil)
			answered <- err
		}()
		select {
		case err := <-answered:
			if err == nil {
				continue
			}
		case <-time.After(c.cfg.KeepAlive):
		case <-conn.over:
			return
		}
		conn.Close()
		return
	}
}

// Dial opens a connection to a port that the machine can reach, as the machine:
// to "127.0.0.1:8778", or to another host from there.
func (c *Client) Dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := c.conn(ctx)
	if err != nil {
		return nil, err
	}
	far, err := conn.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s through %s: %w", addr, c, err)
	}
	return withDeadlines(far, addr), nil
}

// For is the configuration for a node's machine. Its host key is held in the file
// knownHosts; agent is the socket of an agent, for a machine without a key file.
func For(h topology.Host, knownHosts, agent string) (Config, error) {
	cfg := Config{
		Address: h.Address, Port: h.Port, User: h.User, Identity: h.Identity, Agent: agent, Proxy: h.Proxy,
		KnownHosts: knownHosts, HostKeys: h.HostKeys, TrustFirst: len(h.HostKeys) == 0, NoRoot: h.Root != "",
	}
	if h.Jump == "" {
		return cfg, nil
	}
	user, address, ok := strings.Cut(h.Jump, "@")
	if !ok {
		user, address = h.User, h.Jump
	}
	jump := Config{Address: address, User: user, Identity: h.Identity, Agent: agent, KnownHosts: knownHosts, TrustFirst: true, NoRoot: true}
	if host, port, err := net.SplitHostPort(address); err == nil {
		n, err := strconv.Atoi(port)
		if err != nil {
			return cfg, fmt.Errorf("jump host %q: its port is not a number", h.Jump)
		}
		jump.Address, jump.Port = host, n
	}
	cfg.Jump = &jump
	return cfg, nil
}
