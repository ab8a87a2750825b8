// Package sshdtest runs a real sshd for tests: on loopback, as the user who runs
// the test, with keys of its own.
package sshdtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// Server is an sshd that runs.
type Server struct {
	Address  string // IP address
	Port     int
	User     string
	Identity string // file of a private key that it lets in
	HostKey  string // as in an authorized_keys file

	dir string
	exe string
	cmd *exec.Cmd
}

// Start starts an sshd on a free port of an address of 127.0.0.0/8. It ends with
// the test, which is skipped where there is no sshd.
func Start(t testing.TB, address string) *Server {
	t.Helper()
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		sshd = "/usr/sbin/sshd"
		if _, err := os.Stat(sshd); err != nil {
			t.Skip("there is no sshd on this computer: apt-get install openssh-server")
		}
	}
	if os.Getuid() == 0 {
		// Where root's sshd puts the process that talks before the login.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Skipf("sshd as root needs /run/sshd: %v", err)
		}
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Address: address, Port: freePort(t, address), User: me.Username, dir: t.TempDir(), exe: sshd}
	s.Identity = filepath.Join(s.dir, "id")
	writeKey(t, s.Identity)
	s.newHostKey(t)
	public, err := os.ReadFile(s.Identity + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.dir, "authorized_keys"), public)
	write(t, filepath.Join(s.dir, "sshd_config"), []byte(strings.Join([]string{
		"ListenAddress " + fmt.Sprintf("%s:%d", s.Address, s.Port),
		"HostKey " + filepath.Join(s.dir, "host"),
		"AuthorizedKeysFile " + filepath.Join(s.dir, "authorized_keys"),
		"PidFile none", "StrictModes no", "UsePAM no", "PasswordAuthentication no",
		"PermitRootLogin prohibit-password", "AllowTcpForwarding yes", "LogLevel VERBOSE", plainShell, "",
	}, "\n")))
	s.start(t)
	return s
}

// plainShell keeps bash from the user's own .bashrc, which Debian's reads below sshd at
// the first level of shells: what developers have there may cost more than a command.
const plainShell = "SetEnv SHLVL=2"

func (s *Server) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command(s.exe, "-D", "-e", "-f", filepath.Join(s.dir, "sshd_config"))
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	deadline := time.Now().Add(20 * time.Second)
	for {
		conn, err := net.Dial("tcp", net.JoinHostPort(s.Address, fmt.Sprint(s.Port)))
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("waiting for sshd to listen: %v\n%s", err, text)
		}
		time.Sleep(20 * time.Millisecond) // it says nowhere when it listens
	}
}

// Stop ends the sshd; connections that stand live on, as with any sshd.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have ended by itself
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Restart starts it again at the same place.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop()
	s.start(t)
}

// ChangeHostKey gives it another host key, as a machine set up anew has.
func (s *Server) ChangeHostKey(t testing.TB) {
	t.Helper()
	s.Stop()
	s.newHostKey(t)
	s.Restart(t)
}

// SetEnv starts it again, with environment variables for the sessions to come in place
// of those that an earlier call has set.
func (s *Server) SetEnv(t testing.TB, env ...string) {
	t.Helper()
	config := filepath.Join(s.dir, "sshd_config")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "SetEnv ")
	write(t, config, []byte(before+plainShell+" "+strings.Join(env, " ")+"\n"))
	s.Restart(t)
}

// Log is what it has logged so far.
func (s *Server) Log() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "log")) // none is empty
	return string(text)
}

func (s *Server) newHostKey(t testing.TB) {
	t.Helper()
	writeKey(t, filepath.Join(s.dir, "host"))
	public, err := os.ReadFile(filepath.Join(s.dir, "host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	s.HostKey = strings.TrimSpace(string(public))
}

// writeKey makes a key pair, in path and path.pub.
func writeKey(t testing.TB, path string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, pem.EncodeToMemory(block))
	write(t, path+".pub", ssh.MarshalAuthorizedKey(key))
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func freePort(t testing.TB, address string) int {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
