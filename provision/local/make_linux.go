package local

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"crossring/internal/fail"
	"crossring/internal/journal"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/local/procs"
)

// Make chooses addresses, makes the directories, and starts the keeper. On a
// cluster that was made before, it only sees that there is a keeper. Nothing is
// left behind when it fails before the inventory is written.
func (p Provider) Make(ctx context.Context, plan topology.Plan) (topology.Inventory, error) {
	dir := state.Dir(p.StateDir, plan.Name)
	inv, err := state.ReadInventory(dir)
	switch {
	case err == nil:
		return inv, p.ensureKeeper(ctx, inv, nil)
	case !errors.Is(err, os.ErrNotExist):
		return inv, err
	}
	slot, nodes, held, err := chooseSlot(plan, dir)
	if err != nil {
		return topology.Inventory{}, err
	}
	defer held.Close()
	id := make([]byte, 12)
	rand.Read(id) // never fails: it ends the process instead
	inv = topology.Inventory{
		Schema: topology.Schema,
		Plan:   plan,
		Nodes:  nodes,
		Local:  &topology.Local{ID: hex.EncodeToString(id), Slot: slot, Dir: dir, Java: p.Java},
	}
	if err := makeDirs(dir, inv); err != nil {
		return topology.Inventory{}, errors.Join(err, os.RemoveAll(dir))
	}
	return inv, p.ensureKeeper(ctx, inv, held)
}

// spacePerNode is what a node writes before the first row: commit log segments,
// system tables, logs.
const spacePerNode = 256 << 20

func makeDirs(dir string, inv topology.Inventory) error {
	if err := journal.PrivateDir(dir); err != nil {
		return fmt.Errorf("make cluster directory: %w", err)
	}
	if err := checkSpace(dir, len(inv.Nodes)); err != nil {
		return err
	}
	for _, n := range inv.Nodes {
		if err := makeNodeDirs(n); err != nil {
			return err
		}
	}
	return state.WriteInventory(dir, inv)
}

// Free is how much room there is where a directory is, in bytes.
func Free(dir string) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("ask for free space of %s: %w", dir, err)
	}
	return fs.Bavail * uint64(fs.Bsize), nil
}

// checkSpace says whether there is room for some more nodes.
func checkSpace(dir string, nodes int) error {
	free, err := Free(dir)
	if err != nil {
		return err
	}
	need := uint64(nodes) * spacePerNode
	if free < need {
		return &NoSpaceError{Dir: filepath.Dir(dir), Need: need, Free: free}
	}
	return nil
}

func makeNodeDirs(n topology.Node) error {
	l := n.Layout
	for _, d := range []string{l.Conf, l.Data, l.Commitlog, l.SavedCaches, l.Hints, l.CDC, l.Log, l.Tmp, l.Home} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("make directories of %s: %w", n.Name, err)
		}
	}
	return nil
}

// ensureKeeper sees that a keeper answers: the one there is, or a new one that
// adopts the nodes. The caller holds the cluster's lock, so that nobody else
// starts one meanwhile.
func (p Provider) ensureKeeper(ctx context.Context, inv topology.Inventory, slot *net.UnixListener) error {
	const deadline = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	dir := inv.Local.Dir
	for {
		_, err := p.Status(ctx, inv)
		if err == nil {
			return nil
		}
		free, lockErr := keeperLockFree(dir)
		if lockErr != nil {
			return lockErr
		}
		if free {
			break
		}
		// A keeper that somebody started before they were killed is on its way up.
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("waiting for the keeper of %s to answer: %w", inv.Plan.Name, errors.Join(err, ctx.Err()))
		}
	}
	if slot == nil {
		var err error
		slot, err = holdSlot(inv.Local.Slot)
		if errors.Is(err, errSlotHeld) {
			return slotTaken(inv.Plan.Name, inv.Local.Slot)
		}
		if err != nil {
			return fmt.Errorf("cluster %s: its addresses 127.%d.*: %w", inv.Plan.Name, inv.Local.Slot, err)
		}
		defer slot.Close()
	}
	return p.startKeeper(ctx, inv, slot)
}

// keeperLockFree says whether no keeper lives. The lock tells, not a pid file.
func keeperLockFree(dir string) (bool, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return false, fmt.Errorf("open the keeper's lock: %w", err)
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("try the keeper's lock: %w", err)
	}
	return true, nil
}

func (p Provider) startKeeper(ctx context.Context, inv topology.Inventory, slot *net.UnixListener) error {
	dir := inv.Local.Dir
	log, err := os.OpenFile(filepath.Join(dir, keeperLog), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the keeper's log: %w", err)
	}
	defer log.Close()
	slotFile, err := slot.File()
	if err != nil {
		return fmt.Errorf("hand over slot %d: %w", inv.Local.Slot, err)
	}
	defer slotFile.Close()
	ready, tell, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start the keeper: %w", err)
	}
	defer ready.Close()
	cmd := exec.Command(p.Exe, KeeperCommand, "--id="+inv.Local.ID, dir)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{tell, slotFile} // readyFD, slotFD
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	tell.Close()
	if err != nil {
		return fmt.Errorf("start the keeper: %w", err)
	}
	go func() { _ = cmd.Wait() }() // it outlives us; should it not, no zombie is left
	if d, ok := ctx.Deadline(); ok {
		if err := ready.SetReadDeadline(d); err != nil {
			return fmt.Errorf("start the keeper: %w", err)
		}
	}
	text, err := io.ReadAll(ready)
	if err != nil {
		return fmt.Errorf("waiting for the keeper of %s to be ready: %w", inv.Plan.Name, err)
	}
	line, notes, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	switch line {
	case "ready":
		for note := range strings.Lines(notes) {
			p.say(strings.TrimSpace(note))
		}
		return nil
	case "":
		return &KeeperGoneError{Cluster: inv.Plan.Name, Err: fmt.Errorf("it died at its start; see %s", filepath.Join(dir, keeperLog))}
	case newerWord:
		return fail.Prerequisite("start the keeper of "+inv.Plan.Name, errors.New(strings.TrimSpace(notes)), (&journal.NewerError{}).Hint())
	default:
		return fmt.Errorf("start the keeper of %s: %s", inv.Plan.Name, strings.TrimSpace(string(text)))
	}
}

// Status asks the keeper. A keeper that is gone is a *KeeperGoneError.
func (p Provider) Status(ctx context.Context, inv topology.Inventory) (Status, error) {
	return client{inv.Plan.Name, inv.Local.Dir}.status(ctx)
}

// Fault changes the network between the regions.
func (p Provider) Fault(ctx context.Context, inv topology.Inventory, f Fault) error {
	return client{inv.Plan.Name, inv.Local.Dir}.call(ctx, "/fault", f, nil)
}

// FaultNode does something to a node's server: a kind of topology.NodeFaultKinds. What can't be
// done in the state that it is in is a wrong command line.
func (p Provider) FaultNode(ctx context.Context, inv topology.Inventory, kind, node string) error {
	return client{inv.Plan.Name, inv.Local.Dir}.call(ctx, "/nodefault", nodeFaultRequest{kind, node}, nil)
}

// CheckPorts says whether the ports of nodes that do not run are free: a
// *PortTakenError names those that others took since the cluster was made. Those of a
// server that has just been killed are waited for, up to 10 s.
func (p Provider) CheckPorts(ctx context.Context, nodes []topology.Node) error {
	ctx, cancel := context.WithTimeout(ctx, lingering)
	defer cancel()
	for {
		err := checkPorts(nodes, false)
		var taken *PortTakenError
		if !errors.As(err, &taken) || !taken.dying() {
			return err
		}
		select {
		case <-time.After(lingerTick):
		case <-ctx.Done():
			return err
		}
	}
}

// Unmake ends every process of the cluster and removes its directory. It needs
// no keeper: processes are found by the cluster's id in their command line. What
// resists is named in a *LeftError.
func (p Provider) Unmake(ctx context.Context, inv topology.Inventory) error {
	const deadline = 60 * time.Second
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	id, dir := inv.Local.ID, inv.Local.Dir
	p.askDown(ctx, inv.Plan.Name, dir)
	left, err := endAll(ctx, func() ([]procs.Proc, error) {
		found, err := clusterProcs(id)
		if err != nil {
			return nil, err
		}
		// One that has another id, or whose directory was moved, is found by where it is.
		more, err := tracesIn(dir)
		for _, q := range more {
			if !slices.ContainsFunc(found, func(p procs.Proc) bool { return p.PID == q.PID }) {
				found = append(found, q)
			}
		}
		return found, err
	})
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return &LeftError{Cluster: inv.Plan.Name, What: left}
	}
	if err := os.RemoveAll(dir); err != nil {
		left = append(left, fmt.Sprintf("%s (%v)", dir, err))
	}
	left = append(left, lastOf(ctx, func() []string { return listenersOf(inv.Local.Slot, id) })...)
	if len(left) > 0 {
		return &LeftError{Cluster: inv.Plan.Name, What: left}
	}
	return nil
}

// askDown asks the keeper to end all, since it reaps its children. One that hangs, or is
// not there, is done without.
func (p Provider) askDown(ctx context.Context, name, dir string) {
	const answer = 15 * time.Second
	ask, stop := context.WithTimeout(ctx, answer)
	defer stop()
	err := client{name, dir}.call(ask, "/down", struct{}{}, nil)
	var gone *KeeperGoneError
	if err != nil && !errors.As(err, &gone) {
		p.Log.Warn("ask the keeper to take the cluster down", "err", err)
	}
}

// endAll ends processes until none is found any more, and returns those that resist.
func endAll(ctx context.Context, find func() ([]procs.Proc, error)) (left []string, err error) {
	for {
		found, err := find()
		if err != nil || len(found) == 0 {
			return nil, err
		}
		for _, proc := range found {
			if _, err := procs.Stop(ctx, proc, keeperGrace(proc)); err != nil {
				left = append(left, fmt.Sprintf("process %d (%v)", proc.PID, err))
			}
			RemoveAttachFile(proc.PID)
		}
		if ctx.Err() != nil && len(left) == 0 {
			left = append(left, fmt.Sprintf("%d processes (%v)", len(found), context.Cause(ctx)))
		}
		if len(left) > 0 {
			return left, nil
		}
	}
}

// keeperGrace is how long a process may take to go by itself: a keeper that was
// asked to leave is on its way out.
func keeperGrace(p procs.Proc) time.Duration {
	if len(p.Args) > 1 && p.Args[1] == KeeperCommand {
		return 2 * time.Second
	}
	return 0
}

// clusterProcs lists the nodes and the keeper of a cluster.
func clusterProcs(id string) ([]procs.Proc, error) {
	nodes, err := procs.Find(idArg(id))
	if err != nil {
		return nil, err
	}
	keepers, err := procs.Find("--id=" + id)
	return append(nodes, keepers...), err
}

// The kernel may take a while over a process that was killed, and over its sockets: this
// is long for it.
const lingering, lingerTick = 10 * time.Second, 50 * time.Millisecond

// lastOf waits until nothing is left: the threads of processes that have been killed, and
// with them their sockets, may end a moment after they count as ended. It returns what stays.
func lastOf(ctx context.Context, remaining func() []string) []string {
	ctx, cancel := context.WithTimeout(ctx, lingering)
	defer cancel()
	tick := time.NewTicker(lingerTick)
	defer tick.Stop()
	for {
		left := remaining()
		if len(left) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return left
		}
	}
}

// listenersOf lists the listeners in a slot, but for those of another cluster that has
// taken it since.
func listenersOf(slot int, id string) []string {
	socks, err := procs.Sockets()
	if err != nil {
		return []string{err.Error()}
	}
	var left []string
	prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(slot), 0, 0}), 16)
	for _, s := range socks {
		if !s.Listening || !prefix.Contains(s.Local.Addr()) {
			continue
		}
		if owner, ok := procs.Owner(s.Inode); ok && clusterOf(owner) != "" && clusterOf(owner) != id {
			continue
		}
		left = append(left, "listener "+s.Local.String())
	}
	return left
}
