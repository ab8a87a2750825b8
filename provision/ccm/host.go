package ccm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"crossring/internal/safely"
	"crossring/internal/topology"
	"crossring/provision/local"
	"crossring/provision/local/procs"
)

// Host is one node's place: files in the directory that ccm has for it, and its
// server by ccm's commands.
type Host struct {
	Inventory topology.Inventory
	Node      topology.Node
}

func (h Host) name() string { return h.Inventory.CCM.Names[h.Node.Name] }

func (h Host) driver() driver { return driver{h.Inventory.CCM} }

// Put writes a file whole, or not at all.
func (h Host) Put(ctx context.Context, path string, data []byte, mode fs.FileMode) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if h.Inventory.CCM.Adopted {
		return fmt.Errorf("write %s: the files of a cluster that was there before are not crossring's", path)
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return os.Chmod(path, mode)
	}
	// That of the keys is not ccm's.
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return safely.Write(path, data, mode)
}

// Start has ccm start the server unless it runs.
func (h Host) Start(ctx context.Context) error {
	p, err := h.State(ctx)
	if err != nil || p.Running {
		return err
	}
	if err := h.buried(ctx); err != nil {
		return err
	}
	args := []string{h.name(), "start", "--no-wait", "--skip-wait-other-notice"}
	if os.Getuid() == 0 {
		args = append(args, "--root")
	}
	return h.driver().run(ctx, args...)
}

// buried waits until the pid of a server that has ended is nobody's: ccm takes a
// process that ended for a running one until its parent has taken notice.
func (h Host) buried(ctx context.Context) error {
	const most, every = 30 * time.Second, 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		data, err := os.ReadFile(h.pidFile())
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("find the server of %s: %w", h.Node.Name, err)
		}
		pid := strings.TrimSpace(string(data))
		if _, err := os.Stat(filepath.Join("/proc", pid)); pid == "" || err != nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			// It may have gone to another process by now, and ccm has not noticed.
			return fmt.Errorf("ccm takes process %s for the server of %s, and it is not: waiting for its end: %w", pid, h.Node.Name, context.Cause(ctx))
		}
	}
}

// Stop has ccm stop the server: gently at first, and by force after grace.
func (h Host) Stop(ctx context.Context, grace time.Duration) error {
	proc, err := h.proc()
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer local.RemoveAttachFile(proc.PID)
	if grace > 0 {
		soft, cancel := context.WithTimeout(ctx, grace)
		err := h.driver().run(soft, h.name(), "stop")
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	if _, err := h.proc(); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return h.driver().run(ctx, h.name(), "stop", "--not-gently")
}

// State is that of the server process. How it ended nobody saw: its parent was a
// command of ccm's that is long over.
func (h Host) State(context.Context) (topology.Process, error) {
	p := topology.Process{Node: h.Node.Name}
	info, err := os.Stat(h.pidFile())
	if err == nil {
		p.Since = info.ModTime()
	}
	proc, err := h.proc()
	var theirs *ForeignError
	switch {
	case errors.Is(err, os.ErrNotExist):
		return p, nil
	case errors.As(err, &theirs):
		p.Running, p.PID = true, theirs.PID
		return p, nil
	case err != nil:
		return p, err
	}
	p.Running, p.PID = true, proc.PID
	return p, nil
}

func (h Host) pidFile() string {
	return filepath.Join(h.Inventory.CCM.ConfigDir, h.Inventory.CCM.Cluster, h.name(), "cassandra.pid")
}

// proc is the server: the pid that was written at its start, if that is a process
// with the node's log directory among its arguments. os.ErrNotExist when there is none,
// and a *ForeignError when it is another user's, of a cluster that was taken over.
func (h Host) proc() (procs.Proc, error) {
	data, err := os.ReadFile(h.pidFile())
	if err != nil {
		return procs.Proc{}, fmt.Errorf("find the server of %s: %w", h.Node.Name, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return procs.Proc{}, fmt.Errorf("find the server of %s: no number in %s: %w", h.Node.Name, h.pidFile(), os.ErrNotExist)
	}
	proc, err := procs.Read(pid)
	if err != nil {
		return procs.Proc{}, err
	}
	switch known := slices.Contains(proc.Args, h.logArg()); {
	case known && proc.Ours:
		return proc, nil
	case known && h.Inventory.CCM.Adopted:
		return procs.Proc{}, &ForeignError{Node: h.Node.Name, PID: pid}
	}
	return procs.Proc{}, fmt.Errorf("process %d is not the server of %s: %w", pid, h.Node.Name, os.ErrNotExist)
}

// ForeignError says that the server of a node of a cluster that was taken over runs as
// another user. It can be looked at, and no more.
type ForeignError struct {
	Node string
	PID  int
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("the server of %s, process %d, is another user's", e.Node, e.PID)
}

// logArg is the argument that ccm gives each server, and none but this one.
func (h Host) logArg() string {
	return "-Dcassandra.logdir=" + filepath.Join(h.Inventory.CCM.ConfigDir, h.Inventory.CCM.Cluster, h.name(), "logs")
}

// kill ends every server of the node without ccm, whatever its pid file says.
func (h Host) kill(ctx context.Context) error {
	found, err := procs.Find(h.logArg())
	if err != nil {
		return err
	}
	for _, p := range found {
		if _, err := procs.Stop(ctx, p, 0); err != nil {
			return err
		}
		local.RemoveAttachFile(p.PID)
	}
	return nil
}

// Tail gives the last lines of what the server logged or, before that, printed.
func (h Host) Tail(_ context.Context, lines int) ([]string, error) {
	for _, name := range []string{"system.log", "stdout.log"} {
		tail, err := local.TailFile(filepath.Join(h.Node.Layout.Log, name), lines)
		if err != nil && !os.IsNotExist(err) {
			return nil, fmt.Errorf("read log of %s: %w", h.Node.Name, err)
		}
		if len(tail) > 0 {
			return tail, nil
		}
	}
	return nil, nil
}

// agentAddress is where the agent listens.
func (h Host) agentAddress() string {
	return net.JoinHostPort(h.Node.PrivateAddress, strconv.Itoa(h.Node.Ports.Jolokia))
}

// Attach sees that the Jolokia agent answers in the server of a cluster that was
// taken over: it was started without. config is the file that it is configured by. A
// server that does not run is left alone.
func (h Host) Attach(ctx context.Context, config string) error {
	addr := h.agentAddress()
	proc, err := h.proc()
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if listens(ctx, addr) {
		return nil
	}
	if !attachable(proc.Args) {
		return fmt.Errorf("put the Jolokia agent into the server of %s: it runs with %s, which keeps agents out", h.Node.Name, noAttach)
	}
	err = h.agent(ctx, proc, "start", "--config", config)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err // nothing has been tried
	}
	// In a busy server it takes longer to begin than its own program waits.
	const most, every = 30 * time.Second, 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !listens(ctx, addr) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the Jolokia agent in the server of %s to listen at %s: %w", h.Node.Name, addr, errors.Join(err, context.Cause(ctx)))
		}
	}
	return nil
}

// noAttach is the option by which a JVM takes no agents; the last of its kind counts.
const noAttach = "-XX:+DisableAttachMechanism"

func attachable(args []string) bool {
	for _, a := range slices.Backward(args) {
		switch a {
		case noAttach:
			return false
		case "-XX:-DisableAttachMechanism":
			return true
		}
	}
	return true
}

func listens(ctx context.Context, addr string) bool {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// Detach takes the agent out again, where there is one.
func (h Host) Detach(ctx context.Context) error {
	proc, err := h.proc()
	var theirs *ForeignError
	if errors.Is(err, os.ErrNotExist) || errors.As(err, &theirs) {
		return nil
	}
	if err != nil {
		return err
	}
	if !listens(ctx, h.agentAddress()) {
		return nil
	}
	defer local.RemoveAttachFile(proc.PID)
	return h.agent(ctx, proc, "stop")
}

func (h Host) agent(ctx context.Context, proc procs.Proc, verb string, args ...string) error {
	const wait = time.Minute
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	c := h.Inventory.CCM
	if _, err := os.Stat(c.Jolokia); err != nil {
		return fmt.Errorf("%s the Jolokia agent in the server of %s: %w", verb, h.Node.Name, err)
	}
	argv := append([]string{"-XX:-UsePerfData", "-jar", c.Jolokia, "--quiet"}, args...)
	argv = append(argv, verb, strconv.Itoa(proc.PID))
	out, err := exec.CommandContext(ctx, c.Java, argv...).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 && len(bytes.TrimSpace(out)) == 0 {
		return nil // by its own words: it was so already
	}
	if err != nil {
		return fmt.Errorf("%s the Jolokia agent in the server of %s: %w: %s", verb, h.Node.Name, err, lastLine(out))
	}
	return nil
}
