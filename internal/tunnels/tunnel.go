package tunnels

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/safely"
	"crossring/internal/topology"
	"crossring/internal/tunnel"
)

// TunnelInfo is one tunnel.
type Info struct {
	ID       string           `json:"id"` // "" for one in the foreground
	Cluster  string           `json:"cluster"`
	Node     string           `json:"node"`
	Forwards []tunnel.Forward `json:"forwards"`
	PID      int              `json:"pid"`
	Since    time.Time        `json:"since"`
	// Up says that the SSH connection stands; Problem why it does not.
	Up      bool   `json:"up"`
	Problem string `json:"problem"`
	// ClusterID tells clusters of one name apart.
	ClusterID string `json:"cluster_id"`
}

// Tunnels are those in the background.
type Tunnels struct {
	Schema  string `json:"schema"`
	Tunnels []Info `json:"tunnels"`
}

// TunnelRequest says what to carry where.
type Request struct {
	Ref      string   // NAME or NAME:NODE
	Forwards []string // as ssh's -L; none is CQL
}

// Files in a tunnel's directory.
const (
	tunnelInfo   = "tunnel.json"
	tunnelLock   = "lock" // held for the tunnel's life
	tunnelLog    = "log"
	tunnelSocket = "sock" // carries other commands' connections
)

func tunnelsDir(w cluster.World) string { return filepath.Join(w.StateDir, "tunnels") }

// resolve finds the node of a tunnel and reads its forwards.
func resolve(w cluster.World, req Request) (cluster.Cluster, topology.Node, []tunnel.Forward, error) {
	c, n, err := w.PickOne(req.Ref)
	if err != nil {
		return c, n, nil, err
	}
	if err := c.Place.NoServers(c.Inv.Plan.Name, "crossring status "+c.Inv.Plan.Name); err != nil {
		return c, n, nil, err
	}
	if !c.Remote() {
		return c, n, nil, c.Place.NotHere(c.Inv.Plan.Name, "machines to be reached by a tunnel: its ports are on this computer", "crossring status "+c.Inv.Plan.Name)
	}
	wanted := req.Forwards
	if len(wanted) == 0 {
		wanted = []string{fmt.Sprint(n.Ports.Native)}
	}
	var list []tunnel.Forward
	var bad []error
	for _, text := range wanted {
		f, err := tunnel.Parse(text, n)
		bad = append(bad, err)
		list = append(list, f)
	}
	if err := errors.Join(bad...); err != nil {
		return c, n, nil, fail.Usage("", err, "crossring help tunnel")
	}
	return c, n, list, nil
}

// Tunnel carries connections until ctx ends. ready is told when the tunnel stands.
func Carry(ctx context.Context, w cluster.World, req Request, ready func(Info) error) error {
	return carry(ctx, w, req, nil, func(info Info, first bool) error {
		if !first {
			if !info.Up {
				w.Say("the SSH connection to %s is lost: %s; connecting again", info.Node, info.Problem)
			} else {
				w.Say("the SSH connection to %s stands again", info.Node)
			}
			return nil
		}
		return ready(info)
	})
}

// tunnel is Tunnel; l, if not nil, takes connections of other commands, that say where
// to. tell hears of every change.
func carry(ctx context.Context, w cluster.World, req Request, l net.Listener, tell func(info Info, first bool) error) error {
	c, n, forwards, err := resolve(w, req)
	if err != nil {
		return err
	}
	m, err := c.Machine(n)
	if err != nil {
		return err
	}
	if err := m.Connect(ctx); err != nil {
		return err
	}
	t, err := tunnel.Listen(forwards)
	if err != nil {
		return fail.Busy("", err, plain.Command("crossring", "tunnel", req.Ref, "-L", fmt.Sprintf("0:%d", n.Ports.Native))+"   # any free port")
	}
	defer t.Close()
	info := Info{
		Cluster: c.Inv.Plan.Name, ClusterID: c.Inv.Remote.ID, Node: n.Name, Forwards: t.Forwards,
		PID: os.Getpid(), Since: w.Now().UTC().Truncate(time.Second), Up: true,
	}
	if err := tell(info, true); err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t.Serve(serving, m.Stream, w.Log)
	}()
	if l != nil {
		stopListening := context.AfterFunc(serving, func() { l.Close() })
		defer stopListening()
		go tunnel.Accept(serving, l, func(near net.Conn) { carryFor(serving, near, m.Stream, m.Check, w.Log) })
	}
	err = keepUp(serving, w, m.Connect, info, tell)
	stop()
	<-ended
	return err
}

// keepUp sees that the connection stands, and makes it anew when it does not, until
// ctx ends.
func keepUp(ctx context.Context, w cluster.World, connect func(context.Context) error, info Info, tell func(Info, bool) error) error {
	const every = time.Second
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("tunnel to %s: %w", info.Node, context.Cause(ctx))
		case <-tick.C:
		}
		err := connect(ctx) // does nothing while one stands
		if ctx.Err() != nil {
			continue
		}
		problem := plain.ErrorText(err)
		if problem != info.Problem {
			info.Up, info.Problem = err == nil, problem
			if err := tell(info, false); err != nil {
				return err
			}
		}
	}
}

// carryFor serves a connection of another command: a line that says where to, and then
// its bytes.
func carryFor(ctx context.Context, near net.Conn, dial tunnel.Dial, check func(context.Context) error, log *slog.Logger) {
	addr, err := readLine(near)
	if err != nil {
		return
	}
	if addr == tunnelCheck {
		answer := tunnelOK
		if err := check(ctx); err != nil {
			answer = tunnelDown + strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		fmt.Fprintln(near, answer) // who asks may have gone
		near.Close()
		return
	}
	far, err := dial(ctx, addr)
	if err != nil {
		log.Warn("tunnel", "to", addr, "err", err)
		fmt.Fprintf(near, "%s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	if _, err := fmt.Fprintln(near, tunnelOK); err != nil {
		far.Close()
		return
	}
	tunnel.Carry(ctx, near, far)
}

// tunnelOK answers a line that says where to. tunnelCheck, in the place of where to, asks
// whether the way stands; tunnelDown begins the answer that it does not.
const (
	tunnelOK    = "ok"
	tunnelCheck = "crossring-check"
	tunnelDown  = "down: "
)

// LookAtTunnels is ListTunnels, and asks each tunnel whether its way stands at this moment:
// what it has noted may be as old as the time-out that a silent way takes.
func Look(ctx context.Context, w cluster.World) (Tunnels, error) {
	res, err := List(w)
	var all sync.WaitGroup
	for i := range res.Tunnels {
		if t := &res.Tunnels[i]; t.Up {
			all.Go(func() {
				if problem := checkTunnel(ctx, filepath.Join(tunnelsDir(w), t.ID)); problem != "" {
					t.Up, t.Problem = false, problem
				}
			})
		}
	}
	all.Wait()
	return res, err
}

// checkTunnel says what is wrong with a tunnel; "" is nothing. One of an older crossring
// does not know the question, and is taken at its word.
func checkTunnel(ctx context.Context, dir string) string {
	const patience = 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := dialTunnel(ctx, dir, tunnelCheck)
	if err == nil {
		conn.Close()
		return ""
	}
	if ctx.Err() != nil {
		return fmt.Sprintf("nothing came back within %s", patience)
	}
	var answer answerError
	if errors.As(err, &answer) {
		if why, down := strings.CutPrefix(string(answer), tunnelDown); down {
			return why
		}
	}
	return ""
}

// readLine reads no byte more than the line.
func readLine(c net.Conn) (string, error) {
	const longest = 4096
	var line []byte
	one := make([]byte, 1)
	for len(line) < longest {
		if _, err := c.Read(one); err != nil {
			return "", err
		}
		if one[0] == '\n' {
			return string(line), nil
		}
		line = append(line, one[0])
	}
	return "", errors.New("a line without an end")
}

// ListTunnels lists the tunnels in the background, those too whose process was killed
// and that nobody has cleared away.
func List(w cluster.World) (Tunnels, error) {
	res := Tunnels{Schema: topology.Schema, Tunnels: []Info{}}
	entries, err := os.ReadDir(tunnelsDir(w))
	if errors.Is(err, fs.ErrNotExist) {
		return res, nil
	}
	if err != nil {
		return res, fmt.Errorf("list tunnels: %w", err)
	}
	for _, e := range entries {
		dir := filepath.Join(tunnelsDir(w), e.Name())
		info, err := readTunnel(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // about to be there, or gone by now
		}
		if err != nil {
			return res, err
		}
		if alive, err := lockHeld(filepath.Join(dir, tunnelLock)); err != nil {
			return res, err
		} else if !alive {
			info.Up, info.Problem = false, "its process is gone"
		}
		res.Tunnels = append(res.Tunnels, info)
	}
	slices.SortFunc(res.Tunnels, func(a, b Info) int { return a.Since.Compare(b.Since) })
	return res, nil
}

func readTunnel(dir string) (Info, error) {
	var info Info
	data, err := os.ReadFile(filepath.Join(dir, tunnelInfo))
	if err != nil {
		return info, fmt.Errorf("read tunnel: %w", err)
	}
	if err := json.Unmarshal(data, &info); err != nil {
		return info, fmt.Errorf("read tunnel %s: %w", dir, err)
	}
	return info, nil
}

func writeTunnel(dir string, info Info) error {
	if err := safely.JSON(filepath.Join(dir, tunnelInfo), info, 0o600); err != nil {
		return fmt.Errorf("write tunnel: %w", err)
	}
	return nil
}

// lockHeld says whether a process holds a lock: that it lives, not that a file says so.
func lockHeld(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("try the lock of a tunnel: %w", err)
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("try the lock of a tunnel: %w", err)
	}
	return false, nil
}

// Through opens a connection from the machine of a node through a tunnel that
// stands in the background; false is that none does.
func Through(ctx context.Context, w cluster.World, inv topology.Inventory, n topology.Node, addr string) (net.Conn, bool) {
	list, err := List(w)
	if err != nil {
		w.Log.Warn("tunnels", "err", err)
	}
	for _, t := range list.Tunnels {
		if t.ClusterID != inv.Remote.ID || t.Node != n.Name || !t.Up {
			continue
		}
		conn, err := dialTunnel(ctx, filepath.Join(tunnelsDir(w), t.ID), addr)
		if err == nil {
			return conn, true
		}
		w.Log.Info("tunnel", "id", t.ID, "to", addr, "err", err)
	}
	return nil, false
}
