package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"crossring/internal/journal"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/local/procs"
	"crossring/provision/local/wan"
)

// Files of a cluster's directory.
const (
	lockFile    = "keeper.lock"
	socketFile  = "keeper.sock"
	keeperLog   = "keeper.log"
	journalFile = "journal"
)

// File descriptors that a keeper inherits.
const (
	readyFD = 3 // it writes "ready" or what went wrong, and closes it
	slotFD  = 4 // it only holds it
)

// Keeper runs the keeper of one cluster until it is told to go. args are those
// after the command's name: --id=… DIR. It returns the exit code.
func Keeper(args []string) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil)) // stderr is keeper.log
	// The nodes outlive the keeper. Had they its slot, no other keeper could take it.
	syscall.CloseOnExec(readyFD)
	syscall.CloseOnExec(slotFD)
	ready := os.NewFile(readyFD, "ready")
	if len(args) != 2 || !strings.HasPrefix(args[0], "--id=") || ready == nil {
		fmt.Fprintln(os.Stderr, "crossring: error: keeper is started by crossring itself")
		return 2
	}
	k, err := newKeeper(args[1], strings.TrimPrefix(args[0], "--id="), log)
	if err != nil {
		log.Error("keeper", "err", err)
		word := err.Error()
		if journal.IsNewer(err) {
			word = newerWord + "\n" + word
		}
		_ = tell(ready, word)
		return 1
	}
	// Who started us may be gone by now. We stay: the next one finds us.
	if err := tell(ready, strings.Join(append([]string{"ready"}, k.notes...), "\n")); err != nil {
		log.Info("nobody waits for this keeper", "err", err)
	}
	if err := k.serve(); err != nil {
		log.Error("keeper", "err", err)
		return 1
	}
	return 0
}

// newerWord is what a keeper says first that met a file of a newer crossring.
const newerWord = "newer"

func tell(ready *os.File, line string) error {
	_, err := io.WriteString(ready, line+"\n")
	return errors.Join(err, ready.Close())
}

type keeper struct {
	dir      string
	inv      topology.Inventory
	log      *slog.Logger
	lock     *os.File // held for life
	slot     *os.File // held for life
	root     *os.File // the directory; its /proc path keeps the socket's name short
	nodes    *nodeTable
	wan      *wan.WAN
	listener net.Listener

	changing sync.Mutex // held while nodes come and go
	metadata map[string]*http.Server
	leave    chan struct{} // closed by the first request to go
	leaving  sync.Once

	notes    []string   // for whoever started it
	faulting sync.Mutex // held while the network is changed
	faults   faultLog
}

// newKeeper opens everything, or nothing and an error.
func newKeeper(dir, id string, log *slog.Logger) (_ *keeper, err error) {
	k := &keeper{dir: dir, log: log, slot: os.NewFile(slotFD, "slot"), leave: make(chan struct{}), metadata: map[string]*http.Server{}}
	defer func() {
		if err != nil {
			k.close()
		}
	}()
	k.inv, err = state.ReadInventory(dir)
	if err != nil {
		return nil, err
	}
	if k.inv.Local == nil || k.inv.Local.ID != id {
		return nil, fmt.Errorf("inventory of %s is of another cluster than %s", dir, id)
	}
	k.lock, err = os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the keeper's lock: %w", err)
	}
	if err := unix.Flock(int(k.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("another keeper holds %s: %w", dir, err)
	}
	j, _, err := journal.Open(filepath.Join(dir, journalFile))
	var corrupt *journal.CorruptError
	if errors.As(err, &corrupt) {
		// It is history. What runs is found by its command line.
		k.note("%v; it is set aside, and how servers ended before is not known", err)
		if err := setAside(corrupt.Path); err != nil {
			return nil, err
		}
		j, _, err = journal.Open(filepath.Join(dir, journalFile))
	}
	if err != nil {
		return nil, err
	}
	k.nodes = &nodeTable{id: id, log: log, nodes: map[string]*running{}, journal: j}
	if err := k.nodes.adopt(); err != nil {
		return nil, err
	}
	if err := k.openNetwork(); err != nil {
		return nil, err
	}
	k.root, err = os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open cluster directory: %w", err)
	}
	// The keeper starts what it is told to. An older crossring made the directory for all to
	// look into.
	if err := k.root.Chmod(0o700); err != nil {
		return nil, fmt.Errorf("close the cluster's directory: %w", err)
	}
	path := socketPath(k.root)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the last keeper's socket: %w", err)
	}
	k.listener, err = listenOwn(path, log)
	if err != nil {
		return nil, fmt.Errorf("listen for commands: %w", err)
	}
	return k, nil
}

// socketPath names the socket through a descriptor of its directory, since the
// path of a unix socket may not be longer than 107 bytes.
func socketPath(root *os.File) string {
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(root.Fd())), socketFile)
}

func (k *keeper) openNetwork() error {
	cfg := wan.Config{
		Between: func(a, b string) time.Duration { return planned(k.inv.Plan, a, b) },
		Way:     k.inv.Plan.Way,
		Sender:  k.senderOf,
		Log:     k.log,
	}
	for _, n := range k.inv.Nodes {
		e, err := endpointOf(k.inv.Plan, n)
		if err != nil {
			return err
		}
		cfg.Endpoints = append(cfg.Endpoints, e)
		if err := k.answerMetadata(n); err != nil {
			return err
		}
	}
	var err error
	if k.wan, err = wan.Listen(cfg); err != nil {
		return err
	}
	return k.restoreFaults()
}

// senderOf finds the node that opened a connection by the owner of its socket:
// from 4.0 on storage connections leave from no address of the node's.
func (k *keeper) senderOf(c net.Conn) (string, bool) {
	from := c.RemoteAddr().(*net.TCPAddr).AddrPort()
	to := c.LocalAddr().(*net.TCPAddr).AddrPort()
	socks, err := procs.Sockets()
	if err != nil {
		k.log.Warn("find sender", "err", err)
		return "", false
	}
	for _, s := range socks {
		if s.Local != netip.AddrPortFrom(from.Addr().Unmap(), from.Port()) || s.Remote != netip.AddrPortFrom(to.Addr().Unmap(), to.Port()) {
			continue
		}
		for pid, name := range k.nodes.byPID() {
			if procs.HasSocket(pid, s.Inode) {
				return name, true
			}
		}
	}
	return "", false
}

// serve answers commands until one says to go, or SIGTERM comes. The nodes are
// left as they are unless the command says otherwise.
func (k *keeper) serve() error {
	defer k.close()
	// A terminal that closes, or Ctrl-C in it, is the command's business, not ours.
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	srv := &http.Server{Handler: k.handler(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(k.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve commands: %w", err)
	case <-term:
	case <-k.leave:
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return srv.Shutdown(ctx) // the reply to the command that ended us goes out
}

func (k *keeper) close() {
	if k.listener != nil {
		k.listener.Close()
	}
	if k.wan != nil {
		k.wan.Close()
	}
	k.changing.Lock()
	defer k.changing.Unlock()
	for _, s := range k.metadata {
		s.Close()
	}
	if k.lock != nil {
		k.lock.Close()
	}
}

func (k *keeper) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		k.nodes.settle(r.Context())
		answer(w, Status{
			PID: os.Getpid(), Nodes: k.nodes.snapshot(),
			Lines: k.wan.Lines(), Refused: k.wan.Refused(), RTT: k.wan.Measured(), Faults: k.inForce(), Bytes: k.wan.Bytes(),
		}, nil)
	})
	mux.HandleFunc("POST /start", handle(k.startNode))
	mux.HandleFunc("POST /stop", handle(k.stopNode))
	mux.HandleFunc("POST /nodefault", handle(k.faultNode))
	mux.HandleFunc("POST /fault", handle(func(_ context.Context, f Fault) error { return k.fault(f) }))
	mux.HandleFunc("POST /reload", handle(func(context.Context, struct{}) error { return k.reload() }))
	mux.HandleFunc("POST /down", handle(func(ctx context.Context, _ struct{}) error {
		if err := k.nodes.killAll(ctx); err != nil {
			return err
		}
		k.leaving.Do(func() { close(k.leave) })
		return nil
	}))
	return mux
}

// apply changes the network.
func (k *keeper) apply(f Fault) error { return k.wan.Apply(f) }

// handle decodes a request, does it, and answers with what went wrong, if anything.
func handle[Req any](do func(context.Context, Req) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req Req
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			answer(w, nil, fmt.Errorf("decode request: %w", err))
			return
		}
		answer(w, reply{}, do(r.Context(), req))
	}
}

func answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		var refused *wan.RefusedError
		var node *RefusedError
		v = reply{Error: err.Error(), Refused: errors.As(err, &refused) || errors.As(err, &node)}
	}
	_ = json.NewEncoder(w).Encode(v) // a command that went away needs no answer
}
