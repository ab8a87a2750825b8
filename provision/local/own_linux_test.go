package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const nobody = 65534

// strangerArg makes the test binary somebody who asks a keeper to start a program.
const strangerArg = "stranger"

// stranger connects to a socket and says what came of it.
func stranger(socket string) string {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return "no connection: " + err.Error()
	}
	defer c.Close()
	_, err = fmt.Fprint(c, "GET /status HTTP/1.0\r\n\r\n")
	answer := make([]byte, 100)
	n, readErr := c.Read(answer)
	return fmt.Sprintf("%q %v %v", answer[:n], err, readErr)
}

// asNobody runs the test binary again as a user who owns nothing.
func asNobody(t *testing.T, args ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root's rights")
	}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("as nobody: %v: %s", err, out)
	}
	return string(out)
}

// Nobody else reaches the keeper, whose API starts programs: not with a umask of 0, and not
// when the modes of its files are lost.
func TestKeeperOfAnotherUser(t *testing.T) {
	state := t.TempDir()
	before := unix.Umask(0)
	_, inv := made(t, state)
	unix.Umask(before)
	dir := inv.Local.Dir
	for name, want := range map[string]fs.FileMode{"": 0o700, socketFile: 0o600, keeperLog: 0o600, lockFile: 0o600, journalFile: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", filepath.Join(dir, name), info.Mode().Perm(), want)
		}
	}
	socket := filepath.Join(dir, socketFile)
	if len(socket) > 107 {
		t.Fatalf("%s is too long for a socket", socket)
	}
	for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) {
		open(t, d, 0o755)
	}
	if got := asNobody(t, strangerArg, socket); !strings.Contains(got, "permission denied") {
		t.Errorf("the socket's mode keeps nobody out: %s", got)
	}
	open(t, socket, 0o777)
	if got := asNobody(t, strangerArg, socket); strings.Contains(got, "HTTP") || !strings.Contains(got, "EOF") && !strings.Contains(got, "reset") {
		t.Errorf("the keeper answers another user: %s", got)
	}
	// The owner is answered as before.
	if _, err := (client{inv.Plan.Name, dir}).status(t.Context()); err != nil {
		t.Error(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, keeperLog))
	if err != nil || !bytes.Contains(log, []byte("refused a connection of another user")) {
		t.Errorf("the log says nothing of it: %s, %v", log, err)
	}
}

// A keeper that may not be asked is not one that is gone.
func TestKeeperDenied(t *testing.T) {
	_, inv := made(t, t.TempDir())
	dir := inv.Local.Dir
	for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) {
		open(t, d, 0o755)
	}
	got := asNobody(t, "status", dir)
	if !strings.Contains(got, "another user's") || !strings.Contains(got, "permission denied") || strings.Contains(got, "does not answer") {
		t.Error(got)
	}
	var denied *DeniedError
	if err := (client{"x", dir}).notReached(fmt.Errorf("dial: %w", fs.ErrPermission)); !errors.As(err, &denied) || denied.ExitCode() != 2 {
		t.Errorf("%v", err)
	}
}

func open(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
