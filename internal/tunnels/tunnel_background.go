package tunnels

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/topology"
	"crossring/provision/local/procs"
)

// TunnelCommand is the hidden command that is a tunnel in the background.
const Command = "tunnel-keeper"

// readyFD is inherited by a tunnel in the background: it writes "ready" or what went
// wrong, and closes it.
const readyFD = 3

// tunnelArg stands in the command line of a tunnel in the background, by which it is
// found again.
func arg(id string) string { return "--id=" + id }

// StartTunnel starts a tunnel in the background, and returns when it stands.
func Start(ctx context.Context, w cluster.World, req Request) (Info, error) {
	if err := procs.NeedLinux("a tunnel in the background", plain.Command("crossring", "tunnel", req.Ref)+"   # in the foreground"); err != nil {
		return Info{}, err
	}
	if _, _, _, err := resolve(w, req); err != nil {
		return Info{}, err
	}
	raw := make([]byte, 6)
	rand.Read(raw) // never fails: it ends the process instead
	id := hex.EncodeToString(raw)
	dir := filepath.Join(tunnelsDir(w), id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Info{}, fmt.Errorf("start a tunnel: %w", err)
	}
	info, err := start(ctx, w, req, id, dir)
	if err != nil {
		err = errors.Join(err, end(w, id))
	}
	return info, err
}

func start(ctx context.Context, w cluster.World, req Request, id, dir string) (Info, error) {
	log, err := os.OpenFile(filepath.Join(dir, tunnelLog), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return Info{}, fmt.Errorf("start a tunnel: %w", err)
	}
	defer log.Close()
	ready, tell, err := os.Pipe()
	if err != nil {
		return Info{}, fmt.Errorf("start a tunnel: %w", err)
	}
	defer ready.Close()
	args := []string{Command, arg(id), "--state", w.StateDir, req.Ref}
	cmd := exec.Command(w.Exe, append(args, req.Forwards...)...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{tell} // readyFD
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	tell.Close()
	if err != nil {
		return Info{}, fmt.Errorf("start a tunnel: %w", err)
	}
	go func() { _ = cmd.Wait() }()   // it outlives us; should it not, no zombie is left
	const patience = 6 * time.Minute // a machine on EC2 may still boot
	until := time.Now().Add(patience)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	if err := ready.SetReadDeadline(until); err != nil {
		return Info{}, fmt.Errorf("start a tunnel: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = ready.SetReadDeadline(time.Now()) })
	defer stop()
	text, err := io.ReadAll(bufio.NewReader(ready))
	word := strings.TrimSpace(string(text))
	switch {
	case ctx.Err() != nil:
		return Info{}, fmt.Errorf("waiting for the tunnel to stand: %w", context.Cause(ctx))
	case err != nil:
		return Info{}, fmt.Errorf("waiting for the tunnel to stand: %w", err)
	case word == "":
		said, _ := os.ReadFile(log.Name()) // nothing is nothing
		return Info{}, fmt.Errorf("the tunnel ended at its start: %s", strings.TrimSpace(string(said)))
	case word != "ready":
		code, message, _ := strings.Cut(word, " ")
		n, err := strconv.Atoi(code)
		if err != nil {
			n, message = fail.ExitFailure, word
		}
		return Info{}, &fail.Error{Code: n, Op: "starting a tunnel", Err: errors.New(message)}
	}
	return readTunnel(dir)
}

// KeepTunnel is what the hidden command does: a tunnel until it is told to end.
func Keep(ctx context.Context, w cluster.World, id string, req Request) error {
	syscall.CloseOnExec(readyFD)
	ready := os.NewFile(readyFD, "ready")
	if ready == nil || id == "" || strings.ContainsAny(id, "/.") {
		return fail.Usage("", errors.New(Command+" is started by crossring itself"), "crossring tunnel NAME:1 --background")
	}
	said := false
	say := func(text string) {
		if !said {
			said = true
			_, _ = io.WriteString(ready, text+"\n") // who started it may have gone: it stays
			ready.Close()
		}
	}
	err := keep(ctx, w, id, req, func() { say("ready") })
	if err != nil {
		code := fail.ExitFailure
		var coded interface{ ExitCode() int }
		if errors.As(err, &coded) {
			code = coded.ExitCode()
		}
		say(strconv.Itoa(code) + " " + strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return err
}

func keep(ctx context.Context, w cluster.World, id string, req Request, ready func()) error {
	dir := filepath.Join(tunnelsDir(w), id)
	lock, err := os.OpenFile(filepath.Join(dir, tunnelLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("hold the tunnel's lock: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("hold the tunnel's lock: %w", err)
	}
	root, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open the tunnel's directory: %w", err)
	}
	defer root.Close()
	l, err := net.Listen("unix", socketIn(root))
	if err != nil {
		return fmt.Errorf("listen for other commands: %w", err)
	}
	defer l.Close()
	// Whatever ends it in good order, nothing is left of it.
	defer os.RemoveAll(dir)
	return carry(ctx, w, req, l, func(info Info, first bool) error {
		info.ID = id
		if err := writeTunnel(dir, info); err != nil {
			return err
		}
		if first {
			ready()
		}
		return nil
	})
}

// socketIn names the socket through a descriptor of its directory, since the path of
// a unix socket may not be longer than 107 bytes.
func socketIn(root *os.File) string {
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(root.Fd())), tunnelSocket)
}

// dialTunnel opens a connection through a tunnel in the background.
func dialTunnel(ctx context.Context, dir, addr string) (net.Conn, error) {
	root, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socketIn(root))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	_, err = fmt.Fprintln(conn, addr)
	answer := ""
	if err == nil {
		answer, err = readLine(conn)
	}
	if err == nil && answer != tunnelOK {
		err = answerError(answer)
	}
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connecting to %s through a tunnel: %w", addr, err)
	}
	return tunnelled{conn, addr}, nil
}

// answerError is what a tunnel answers to where it is asked to, unless the way stands.
type answerError string

func (e answerError) Error() string { return string(e) }

// tunnelled is a connection that says where it leads, as drivers want to know.
type tunnelled struct {
	net.Conn
	addr string
}

func (t tunnelled) RemoteAddr() net.Addr {
	if addr, err := netip.ParseAddrPort(t.addr); err == nil {
		return net.TCPAddrFromAddrPort(addr)
	}
	return t.Conn.RemoteAddr()
}

// StopTunnels ends tunnels in the background, by their ids or by NAME or NAME:NODE of
// what they lead to; without any all of them. It lists those that it ended.
func Stop(w cluster.World, refs ...string) (Tunnels, error) {
	all, err := List(w)
	res := Tunnels{Schema: topology.Schema, Tunnels: []Info{}}
	if err != nil {
		return res, err
	}
	var errs []error
	known := map[string]bool{}
	for _, t := range all.Tunnels {
		wanted := len(refs) == 0
		for _, ref := range refs {
			if means(w, ref, t) {
				wanted, known[ref] = true, true
			}
		}
		if !wanted {
			continue
		}
		if err := end(w, t.ID); err != nil {
			errs = append(errs, fail.Leftover("", err, "crossring tunnel stop "+t.ID))
			continue
		}
		t.Up = false
		res.Tunnels = append(res.Tunnels, t)
	}
	for _, ref := range refs {
		if !known[ref] {
			errs = append(errs, &fail.Error{Code: fail.ExitFailure, Err: fmt.Errorf("there is no tunnel %q", ref), Hint: "crossring tunnel ls"})
		}
	}
	return res, errors.Join(errs...)
}

// means says whether a tunnel is the one, or one of those, that ref names.
func means(w cluster.World, ref string, t Info) bool {
	name, node := cluster.SplitRef(ref)
	if ref == t.ID || name == t.Cluster && (ref == name || node == t.Node) {
		return true
	}
	if name != t.Cluster {
		return false
	}
	c, err := w.Open(name)
	if err != nil {
		return false
	}
	n, err := c.Inv.Node(node)
	return err == nil && n.Name == t.Node
}

// endTunnel ends the process of a tunnel, found by its id and held while it is told,
// and removes what is left of it.
func end(w cluster.World, id string) error {
	const grace, patience = 10 * time.Second, 30 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience) // also after an interruption
	defer cancel()
	found, err := procs.Find(arg(id))
	if err != nil {
		return err
	}
	for _, p := range found {
		if _, err := procs.Stop(ctx, p, grace); err != nil {
			return fmt.Errorf("stopping tunnel %s, process %d: %w", id, p.PID, err)
		}
	}
	if err := os.RemoveAll(filepath.Join(tunnelsDir(w), id)); err != nil {
		return fmt.Errorf("removing tunnel %s: %w", id, err)
	}
	// The last one leaves no directory either.
	if err := os.Remove(tunnelsDir(w)); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return fmt.Errorf("removing tunnel %s: %w", id, err)
	}
	return nil
}

// StopOf ends the tunnels to a cluster that is about to go.
func StopOf(w cluster.World, name string) error {
	all, err := List(w)
	if err != nil {
		return err
	}
	for _, t := range all.Tunnels {
		if t.Cluster == name {
			err = errors.Join(err, end(w, t.ID))
		}
	}
	return err
}
