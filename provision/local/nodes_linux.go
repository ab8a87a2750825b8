package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"crossring/internal/journal"
	"crossring/internal/topology"
	"crossring/provision/local/procs"
)

// Arguments by which a process of a cluster is known for what it is.
func idArg(id string) string { return "-Dcrossring.id=" + id }

const nodeArg = "-Dcrossring.node="

// nodeTable holds the server processes of a cluster: those it started itself,
// whose exits it sees, and those it found running, which an earlier keeper started.
type nodeTable struct {
	id  string
	log *slog.Logger
	// journal holds an intent for each node that was started and no result until
	// it ended, so that a keeper that follows knows what ran.
	journal *journal.Journal

	mu    sync.Mutex
	nodes map[string]*running
}

type running struct {
	topology.Process
	proc procs.Proc
	done chan struct{} // closed when the process has ended
}

// journalRun is the kind of the journal's entries: one run of a node's server.
const journalRun = "run"

// adopt takes in what runs already, and notes what no longer does.
func (t *nodeTable) adopt() error {
	found, err := procs.Find(idArg(t.id))
	if err != nil {
		return err
	}
	for _, p := range found {
		name := p.Flag(nodeArg)
		h, err := procs.Open(p)
		if name == "" || err != nil {
			continue // it ended while we looked
		}
		r := &running{proc: p, done: make(chan struct{})}
		r.Process = topology.Process{Node: name, Running: true, PID: p.PID, Since: time.Now()}
		t.mu.Lock()
		t.nodes[name] = r
		t.mu.Unlock()
		t.log.Info("adopted", "node", name, "pid", p.PID)
		go func() {
			defer h.Close()
			// The background context never ends: this returns when the process has.
			if err := h.Wait(context.Background()); err != nil {
				t.log.Warn("watch adopted process", "node", name, "err", err)
			}
			t.ended(r, "unseen: it was not started by this keeper")
		}()
	}
	for _, e := range t.journal.Pending() {
		t.mu.Lock()
		if t.nodes[e.ID] == nil {
			r := &running{done: make(chan struct{})}
			r.Process = topology.Process{Node: e.ID, Ended: "while no keeper watched", Since: e.Time}
			close(r.done)
			t.nodes[e.ID] = r
			t.note(t.journal.Result(journalRun, e.ID, r.Process, nil))
		}
		t.mu.Unlock()
	}
	return nil
}

// note logs what went wrong with the journal. The table in memory is the truth
// while this keeper lives, and the next one finds processes by their command line.
func (t *nodeTable) note(err error) {
	if err != nil {
		t.log.Warn("journal", "err", err)
	}
}

// settle waits for the servers that have been killed and are not gone yet, so that they
// are not taken for ones that run.
func (t *nodeTable) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lingering)
	defer cancel()
	t.mu.Lock()
	var ending []*running
	for _, r := range t.nodes {
		if r.Running && procs.Ending(r.proc) {
			ending = append(ending, r)
		}
	}
	t.mu.Unlock()
	for _, r := range ending {
		select {
		case <-r.done:
		case <-ctx.Done():
			return
		}
	}
}

// start starts a node unless it runs.
func (t *nodeTable) start(ctx context.Context, req startRequest) error {
	t.settle(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.nodes[req.Node]; r != nil && r.Running {
		return nil
	}
	out, err := os.OpenFile(req.Output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", req.Node, err)
	}
	defer out.Close()
	// argv[0], then who it is, then the rest: the words are there from the first
	// moment on, so that a process that nobody recorded can be found all the same.
	args := append([]string{idArg(t.id), nodeArg + req.Node}, req.Argv[1:]...)
	cmd := exec.Command(req.Argv[0], args...)
	cmd.Dir, cmd.Env = req.Dir, req.Env
	cmd.Stdout, cmd.Stderr = out, out
	// A session of its own: in the keeper's, the kernel would have a server that is paused go
	// on when the keeper dies, since its process group would have no parent left there.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	t.note(t.journal.Intent(journalRun, req.Node, nil))
	if err := cmd.Start(); err != nil {
		t.note(t.journal.Result(journalRun, req.Node, nil, err))
		return fmt.Errorf("start %s: %w", req.Node, err)
	}
	r := &running{done: make(chan struct{})}
	r.Process = topology.Process{Node: req.Node, Running: true, PID: cmd.Process.Pid, Since: time.Now()}
	r.proc, err = procs.Read(cmd.Process.Pid)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.log.Warn("read started process", "node", req.Node, "err", err)
	}
	t.nodes[req.Node] = r
	t.log.Info("started", "node", req.Node, "pid", r.PID)
	go func() {
		how := "exit status 0"
		if err := cmd.Wait(); err != nil {
			how = err.Error()
		}
		t.ended(r, how)
	}()
	return nil
}

func (t *nodeTable) ended(r *running, how string) {
	t.mu.Lock()
	r.Running, r.Ended, r.Since = false, how, time.Now()
	p := r.Process
	t.mu.Unlock()
	t.log.Info("ended", "node", p.Node, "pid", p.PID, "how", how)
	t.note(t.journal.Result(journalRun, p.Node, p, nil))
	RemoveAttachFile(p.PID)
	close(r.done)
}

// stop ends a node: SIGTERM, and SIGKILL after grace. A node that does not run
// is left as it is.
func (t *nodeTable) stop(ctx context.Context, name string, grace time.Duration) error {
	t.mu.Lock()
	r := t.nodes[name]
	t.mu.Unlock()
	if r == nil {
		return nil
	}
	select {
	case <-r.done:
		return nil
	default:
	}
	if _, err := procs.Stop(ctx, r.proc, grace); err != nil {
		return fmt.Errorf("stop %s: %w", name, err)
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop %s: waiting for its end: %w", name, ctx.Err())
	}
}

// killAll ends every node at once.
func (t *nodeTable) killAll(ctx context.Context) error {
	var errs []error
	for name := range t.snapshot() {
		errs = append(errs, t.stop(ctx, name, 0))
	}
	return errors.Join(errs...)
}

func (t *nodeTable) snapshot() map[string]topology.Process {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[string]topology.Process, len(t.nodes))
	for name, r := range t.nodes {
		p := r.Process
		p.Paused = r.Running && procs.Paused(r.proc)
		all[name] = p
	}
	return all
}

// byPID lists the pids of the running nodes.
func (t *nodeTable) byPID() map[int]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	pids := map[int]string{}
	for name, r := range t.nodes {
		if r.Running {
			pids[r.PID] = name
		}
	}
	return pids
}

// forget drops a node that is no more, unless its server runs.
func (t *nodeTable) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.nodes[name]; r != nil && !r.Running {
		delete(t.nodes, name)
	}
}
