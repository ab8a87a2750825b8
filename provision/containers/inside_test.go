package containers

import (
	"bytes"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// What bash does in a container, done here: bytes of all kinds go both ways, and it ends
// when the server closes, when the caller does, and when nobody listens.
func TestConnects(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash: ", err)
	}
	run := func(l net.Listener, stdin io.Reader) (stdout []byte, stderr string, err error) {
		t.Helper()
		host, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), bash, "-c", connects, host, port)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		in, err := cmd.StdinPipe() // Wait would wait for a reader that has no end
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = io.Copy(in, stdin) // it may have ended
			in.Close()
		}()
		stdout, err = cmd.Output()
		return stdout, errs.String(), err
	}
	all := make([]byte, 1<<16)
	for i := range all {
		all[i] = byte(i ^ i>>8)
	}
	listen := func(serve func(net.Conn)) net.Listener {
		t.Helper()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				serve(c)
				c.Close()
			}
		}()
		return l
	}
	open, write := io.Pipe() // a caller that stays
	go func() { _, _ = write.Write(all) }()
	got := make([]byte, len(all))
	l := listen(func(c net.Conn) {
		if _, err := io.ReadFull(c, got); err == nil {
			_, _ = c.Write(got)
		}
	})
	type ended struct {
		out  []byte
		said string
	}
	done := make(chan ended, 1)
	go func() {
		out, said, _ := run(l, open)
		done <- ended{out, said}
	}()
	select {
	case e := <-done:
		if !bytes.Equal(e.out, all) || e.said != "connected\n" {
			t.Errorf("%d bytes came back, and it said %q", len(e.out), e.said)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("the server has closed, and the caller is not told")
	}
	write.Close()

	closed := make(chan struct{})
	l = listen(func(c net.Conn) {
		_, _ = io.Copy(io.Discard, c)
		close(closed)
	})
	if _, said, err := run(l, strings.NewReader("x")); said != "connected\n" {
		t.Errorf("a caller that closes: %v, %q", err, said)
	}
	select {
	case <-closed:
	case <-time.After(2 * time.Minute):
		t.Error("the caller has closed, and the server is not told")
	}

	l = listen(func(net.Conn) {})
	l.Close()
	if _, said, err := run(l, strings.NewReader("x")); err == nil || strings.Contains(said, "connected\n") || !strings.Contains(said, "refused") {
		t.Errorf("nobody listens: %v, %q", err, said)
	}
}
