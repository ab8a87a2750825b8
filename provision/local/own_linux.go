package local

import (
	"log/slog"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownListener takes connections of one user only, whatever the modes of files say.
type ownListener struct {
	*net.UnixListener
	log *slog.Logger
}

// listenOwn listens at a unix socket that nobody but its owner may connect to. Nothing
// else in the process may make files at the same time: the umask is the process's.
func listenOwn(path string, log *slog.Logger) (net.Listener, error) {
	before := syscall.Umask(0o177)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	syscall.Umask(before)
	if err != nil {
		return nil, err
	}
	return ownListener{l, log}, nil
}

// Accept gives the next connection of our own user's, or of root's.
func (l ownListener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, err := peer(c)
		if err == nil && (uid == 0 || uid == os.Geteuid()) {
			return c, nil
		}
		l.log.Warn("refused a connection of another user", "uid", uid, "err", err)
		c.Close()
	}
}

// peer is the user at the other end of a unix socket, -1 where that can't be known.
func peer(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	var cred *unix.Ucred
	var sockErr error
	if err := raw.Control(func(fd uintptr) {
		cred, sockErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return -1, err
	}
	if sockErr != nil {
		return -1, sockErr
	}
	return int(cred.Uid), nil
}
