package sshhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossring/internal/deploy/sshhost/sshdtest"
)

// client is one for a server, which trusts the first key it sees.
func client(t *testing.T, s *sshdtest.Server, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{
		Address: s.Address, Port: s.Port, User: s.User, Identity: s.Identity, NoRoot: true,
		KnownHosts: filepath.Join(t.TempDir(), "known_hosts"), TrustFirst: true,
	}
	for _, f := range change {
		f(&cfg)
	}
	c := New(cfg)
	t.Cleanup(func() { c.Close() })
	return c
}

// limited is a context that ends before the test's patience does.
func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestRun(t *testing.T) {
	c := client(t, sshdtest.Start(t, "127.0.0.1"))
	ctx := limited(t)
	res, err := c.Run(ctx, Command{Line: "cat; echo problem >&2", In: strings.NewReader("what goes in")})
	if err != nil || res.Out != "what goes in" || res.Err != "problem\n" {
		t.Errorf("%+v, %v", res, err)
	}
	_, err = c.Run(ctx, Command{Line: "echo no such thing >&2; exit 7"})
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Status != 7 || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("a status of 7 gave %v", err)
	}
	if _, err = c.Run(ctx, Command{Line: "kill -9 $$"}); !errors.As(err, &exit) || exit.Signal != "KILL" || exit.Status != -1 {
		t.Errorf("a signal gave %v", err)
	}
	// A reader that never ends does not keep a command from ending.
	r, w := io.Pipe()
	defer w.Close()
	if _, err := c.Run(ctx, Command{Line: "true", In: r}); err != nil {
		t.Error(err)
	}
	if conn, err := c.conn(ctx); err != nil || conn != c.live {
		t.Errorf("one connection is not used for all: %v", err)
	}
}

func TestScriptGetsItsArgumentsAsTheyAre(t *testing.T) {
	c := client(t, sshdtest.Start(t, "127.0.0.1"))
	args := []string{"a b", "it's", `"$HOME"`, "", "*", "new\nline", "-e", `\`}
	out, err := c.Script(limited(t), "print", "cat\nfor a in \"$@\"; do printf '<%s>' \"$a\"; done", args...)
	if want := "<" + strings.Join(args, "><") + ">"; err != nil || out != want {
		t.Errorf("got %q, want %q (%v)", out, want, err)
	}
	var exit *ExitError
	if _, err := c.Script(limited(t), "stop early", "false\ntrue"); !errors.As(err, &exit) || exit.Status != 1 {
		t.Errorf("a command that failed did not end the script: %v", err)
	}
}

func TestCancelEndsTheWholeGroup(t *testing.T) {
	c := client(t, sshdtest.Start(t, "127.0.0.1"))
	for _, how := range []string{"", "trap '' TERM; "} {
		ctx, cancel := context.WithCancelCause(limited(t))
		because := errors.New("enough")
		out := &watched{until: "\n", seen: make(chan struct{})}
		done := make(chan error, 1)
		go func() {
			_, err := c.Run(ctx, Command{Line: how + "sh -c 'echo $$; while :; do sleep 1; done' & wait", Out: out})
			done <- err
		}()
		select {
		case <-out.seen:
		case err := <-done:
			t.Fatal(err)
		}
		cancel(because)
		if err := <-done; !errors.Is(err, because) {
			t.Errorf("%q: %v", how, err)
		}
		var pid int
		_, _ = fmt.Sscan(out.buf.String(), &pid)
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) && !zombie(pid) {
			t.Errorf("%q: process %d is still there: %v", how, pid, err)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func zombie(pid int) bool {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Contains(string(stat), ") Z ")
}

// watched is a buffer that says when it has seen something.
type watched struct {
	buf   bytes.Buffer
	until string
	seen  chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	before := strings.Contains(w.buf.String(), w.until)
	n, err := w.buf.Write(p)
	if !before && strings.Contains(w.buf.String(), w.until) {
		close(w.seen)
	}
	return n, err
}

func TestADeadConnectionIsNoticed(t *testing.T) {
	s := sshdtest.Start(t, "127.0.0.1")
	link := newLink(t, s)
	c := client(t, s, func(cfg *Config) {
		cfg.Address, cfg.Port, cfg.KeepAlive = link.host, link.port, 200*time.Millisecond
	})
	if err := c.Connect(limited(t)); err != nil {
		t.Fatal(err)
	}
	out := &watched{until: "up", seen: make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		_, err := c.Run(limited(t), Command{Line: "echo up; sleep 100", Out: out})
		done <- err
	}()
	<-out.seen
	close(link.hold)
	var lost *LostError
	if err := <-done; !errors.As(err, &lost) {
		t.Errorf("silence gave %v", err)
	}
}

func TestReconnects(t *testing.T) {
	s := sshdtest.Start(t, "127.0.0.1")
	link := newLink(t, s)
	c := client(t, s, func(cfg *Config) { cfg.Address, cfg.Port = link.host, link.port })
	if err := c.Connect(limited(t)); err != nil {
		t.Fatal(err)
	}
	old := c.live
	link.cut()
	<-old.over
	if res, err := c.Run(limited(t), Command{Line: "echo back"}); err != nil || res.Out != "back\n" {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestHostKeys(t *testing.T) {
	s := sshdtest.Start(t, "127.0.0.1")
	file := filepath.Join(t.TempDir(), "state", "known_hosts")
	with := func(first bool, keys ...string) error {
		c := client(t, s, func(cfg *Config) { cfg.KnownHosts, cfg.TrustFirst, cfg.HostKeys = file, first, keys })
		return c.Connect(limited(t))
	}
	var unknown *UnknownHostKeyError
	if err := with(false); !errors.As(err, &unknown) || !strings.HasPrefix(unknown.Got, "SHA256:") {
		t.Errorf("an unknown key gave %v", err)
	}
	other := sshdtest.Start(t, "127.0.0.1").HostKey
	var changed *HostKeyChangedError
	if err := with(true, other); !errors.As(err, &changed) {
		t.Errorf("another key than the one given was accepted: %v", err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("a refused key was held: %v", err)
	}
	if err := with(false, other, s.HostKey); err != nil {
		t.Errorf("a key that was given was refused: %v", err)
	}
	if err := with(false); err != nil {
		t.Errorf("a key that is held was refused: %v", err)
	}
	s.ChangeHostKey(t)
	if err := with(true); !errors.As(err, &changed) || changed.File != file {
		t.Errorf("a changed key was accepted: %v", err)
	}
	data, err := os.ReadFile(file)
	if err != nil || strings.Count(string(data), "\n") != 1 {
		t.Errorf("held: %q, %v", data, err)
	}
}

func TestTrustOnFirstUseHoldsTheKey(t *testing.T) {
	s := sshdtest.Start(t, "127.0.0.1")
	file := filepath.Join(t.TempDir(), "known_hosts")
	c := client(t, s, func(cfg *Config) { cfg.KnownHosts = file })
	if err := c.Connect(limited(t)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if want := fmt.Sprintf("[127.0.0.1]:%d %s", s.Port, s.HostKey); err != nil || strings.TrimSpace(string(data)) != want {
		t.Errorf("held %q, want %q (%v)", data, want, err)
	}
	s.ChangeHostKey(t)
	c.Close()
	var changed *HostKeyChangedError
	if err := c.Connect(limited(t)); !errors.As(err, &changed) {
		t.Errorf("a changed key gave %v", err)
	}
}

func TestJumpHost(t *testing.T) {
	jump, s := sshdtest.Start(t, "127.0.0.1"), sshdtest.Start(t, "127.0.0.1")
	c := client(t, s, func(cfg *Config) {
		cfg.Jump = &Config{Address: jump.Address, Port: jump.Port, User: jump.User, Identity: jump.Identity,
			KnownHosts: cfg.KnownHosts, TrustFirst: true}
	})
	res, err := c.Run(limited(t), Command{Line: `echo "$SSH_CONNECTION"`})
	if err != nil || !strings.HasSuffix(strings.TrimSpace(res.Out), fmt.Sprint(s.Port)) {
		t.Fatalf("%+v, %v", res, err)
	}
	if !strings.Contains(jump.Log(), "Accepted publickey") {
		t.Errorf("the jump host saw no login:\n%s", jump.Log())
	}
	jump.ChangeHostKey(t)
	c.Close()
	var changed *HostKeyChangedError
	if err := c.Connect(limited(t)); !errors.As(err, &changed) {
		t.Errorf("a jump host with another key gave %v", err)
	}
}

func TestDial(t *testing.T) {
	c := client(t, sshdtest.Start(t, "127.0.0.1"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn); conn.Close() }()
		}
	}()
	conn, err := c.Dial(limited(t), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if to, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || to.String() != l.Addr().String() {
		t.Errorf("remote address %s", conn.RemoteAddr())
	}
	if _, err := io.WriteString(conn, "there and back"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 14)
	if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != "there and back" {
		t.Errorf("%q, %v", buf, err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a read past its deadline gave %v", err)
	}
	if _, err := c.Dial(limited(t), "127.0.0.1:1"); err == nil {
		t.Error("a closed port was reached")
	}
}

func TestUnreachableSaysWhatItWaitedFor(t *testing.T) {
	s := sshdtest.Start(t, "127.0.0.1")
	s.Stop()
	var heard []string
	c := client(t, s, func(cfg *Config) {
		cfg.Wait, cfg.Waiting = time.Second, func(text string) { heard = append(heard, text) }
	})
	err := c.Connect(limited(t))
	var away *UnreachableError
	if !errors.As(err, &away) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	// The last try may be cut off by the deadline, and the first be reset by a
	// server that is ending; those between are refused.
	if !slices.ContainsFunc(heard, func(text string) bool { return strings.Contains(text, "connection refused") }) {
		t.Errorf("heard %q", heard)
	}
}

func TestWaitsForAMachineThatBoots(t *testing.T) {
	s := sshdtest.Start(t, "127.0.0.1")
	s.Stop()
	waiting := make(chan struct{}, 10)
	c := client(t, s, func(cfg *Config) { cfg.Wait, cfg.Waiting = time.Minute, func(string) { waiting <- struct{}{} } })
	done := make(chan error, 1)
	go func() { done <- c.Connect(limited(t)) }()
	<-waiting
	s.Restart(t)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWrongKeyIsRefusedAtOnce(t *testing.T) {
	s, other := sshdtest.Start(t, "127.0.0.1"), sshdtest.Start(t, "127.0.0.1")
	c := client(t, s, func(cfg *Config) { cfg.Identity = other.Identity })
	var login *LoginError
	if err := c.Connect(limited(t)); !errors.As(err, &login) {
		t.Errorf("a foreign key gave %v", err)
	}
	var identity *IdentityError
	c = client(t, s, func(cfg *Config) { cfg.Identity = filepath.Join(t.TempDir(), "none") })
	if err := c.Connect(limited(t)); !errors.As(err, &identity) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no key gave %v", err)
	}
}

func TestSOCKSProxy(t *testing.T) {
	s := sshdtest.Start(t, "127.0.0.1")
	p := newSOCKS(t)
	c := client(t, s, func(cfg *Config) { cfg.Proxy = p.addr })
	if _, err := c.Run(limited(t), Command{Line: "true"}); err != nil {
		t.Fatal(err)
	}
	if want := net.JoinHostPort(s.Address, fmt.Sprint(s.Port)); p.asked() != want {
		t.Errorf("the proxy was asked for %q, not %q", p.asked(), want)
	}
}

func TestConsoleKeys(t *testing.T) {
	s := sshdtest.Start(t, "127.0.0.1")
	console := "[ 10.1] cloud-init: x\n-----BEGIN SSH HOST KEY KEYS-----\r\n" + s.HostKey + " root@ip-10-0-0-1\r\nnot a key\r\n"
	if keys := ConsoleKeys(console); keys != nil {
		t.Errorf("half a list gave %v", keys)
	}
	keys := ConsoleKeys(console + "-----END SSH HOST KEY KEYS-----\r\n")
	if len(keys) != 1 || keys[0] != s.HostKey {
		t.Errorf("got %q, want %q", keys, s.HostKey)
	}
	if ConsoleDone(console) || !ConsoleDone(console+"-----END SSH HOST KEY KEYS-----\r\n") {
		t.Error("keys that are still being printed, or were")
	}
	if !ConsoleDone("[   30.1] cloud-init[801]: Cloud-init v. 22.4.2 finished at Tue, 10 Nov 2026 10:00:00 +0000. Up 30.09 seconds\r\n") {
		t.Error("a console that will show no keys is waited for")
	}
	prefixed := strings.ReplaceAll(console, s.HostKey, "[   21.5] cloud-init[612]: "+s.HostKey) + "-----END SSH HOST KEY KEYS-----\r\n"
	if keys := ConsoleKeys(prefixed); len(keys) != 1 || keys[0] != s.HostKey {
		t.Errorf("behind a prefix: got %q, want %q", keys, s.HostKey)
	}
}

// Keys that were read elsewhere, as on a console, are held before the first connection:
// the host may show one of them and no other.
func TestHoldBeforeTheFirstConnection(t *testing.T) {
	s, other := sshdtest.Start(t, "127.0.0.1"), sshdtest.Start(t, "127.0.0.1")
	file := filepath.Join(t.TempDir(), "state", "known_hosts")
	if held, err := Held(file, "127.0.0.1", s.Port); held || err != nil {
		t.Errorf("held before: %t, %v", held, err)
	}
	if err := Hold(file, "127.0.0.1", s.Port, []string{other.HostKey, s.HostKey}); err != nil {
		t.Fatal(err)
	}
	if held, err := Held(file, "127.0.0.1", s.Port); !held || err != nil {
		t.Errorf("held after: %t, %v", held, err)
	}
	if held, err := Held(file, "127.0.0.1", other.Port); held || err != nil {
		t.Errorf("another port has one: %t, %v", held, err)
	}
	set := func(cfg *Config) { cfg.KnownHosts, cfg.TrustFirst = file, true }
	if err := client(t, s, set).Connect(limited(t)); err != nil {
		t.Errorf("one of those that are held was refused: %v", err)
	}
	s.ChangeHostKey(t)
	var changed *HostKeyChangedError
	if err := client(t, s, set).Connect(limited(t)); !errors.As(err, &changed) || !strings.Contains(changed.Hint(), "ssh-keygen -f "+file+" -R '[127.0.0.1]:") {
		t.Errorf("one that is not held gave %v", err)
	}
}

// Whether a connection stands is asked at the moment, and answered without making one.
func TestCheck(t *testing.T) {
	s := sshdtest.Start(t, "127.0.0.1")
	link := newLink(t, s)
	c := client(t, s, func(cfg *Config) { cfg.Address, cfg.Port, cfg.KeepAlive = link.host, link.port, time.Hour })
	if err := c.Check(limited(t)); err == nil {
		t.Error("a connection stands before there is one")
	}
	if err := c.Connect(limited(t)); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(limited(t)); err != nil {
		t.Error(err)
	}
	close(link.hold) // silence: only a question finds out
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := c.Check(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("over a silent way: %v", err)
	}
	over := c.live.over
	link.cut()
	<-over
	if err := c.Check(limited(t)); err == nil || !strings.Contains(err.Error(), "lost") {
		t.Errorf("after a cut: %v", err)
	}
}
