// Package openssltest has OpenSSL's own server, which people use to try clients, for tests.
package openssltest

import (
	"bytes"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Program is openssl; a test that has none is skipped.
func Program(t *testing.T) string {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skipf("there is no openssl here: %v", err)
	}
	return openssl
}

// Serve starts openssl s_server in dir, on an address of its own, which it returns when
// that is listened on. It ends with the test.
func Serve(t *testing.T, dir string, args ...string) string {
	t.Helper()
	openssl := Program(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	var out bytes.Buffer
	cmd := exec.Command(openssl, append([]string{"s_server", "-accept", address, "-quiet"}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	in, err := cmd.StdinPipe() // it ends when that ends
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("s_server %s: %.2000s", strings.Join(args, " "), &out)
		}
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return address
		}
		if time.Now().After(end) {
			t.Fatalf("s_server does not listen on %s: %v", address, err)
		}
	}
}
