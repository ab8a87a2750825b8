package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossring/internal/topology"
	"crossring/provision/local/procs"
)

// TestMain lets the test binary be a keeper, as the program is, and what a keeper
// starts: a process that does nothing until it is ended, or that ends by itself.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == KeeperCommand:
		os.Exit(Keeper(os.Args[2:]))
	case len(os.Args) > 2 && os.Args[1] == strangerArg:
		fmt.Println(stranger(os.Args[2]))
		os.Exit(0)
	case len(os.Args) > 2 && os.Args[1] == "status":
		_, err := client{"x", os.Args[2]}.status(context.Background())
		fmt.Println(err)
		os.Exit(0)
	case len(os.Args) > 3 && strings.HasPrefix(os.Args[1], idArg("")):
		if os.Args[3] == "fail" {
			fmt.Println("what it had to say")
			os.Exit(3)
		}
		never := make(chan os.Signal, 1)
		signal.Notify(never, syscall.SIGUSR1)
		<-never
	}
	os.Exit(m.Run())
}

const patience = time.Minute

// made is a cluster with a keeper and no servers yet.
func made(t *testing.T, state string) (Provider, topology.Inventory) {
	t.Helper()
	p := Provider{StateDir: state, Exe: os.Args[0], Java: os.Args[0], Log: slog.New(slog.DiscardHandler)}
	inv, err := p.Make(t.Context(), planOf("made", 1, 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Unmake(context.Background(), inv); err != nil { // the test's context has ended
			t.Error(err)
		}
	})
	return p, inv
}

// start has the keeper start a process of the test binary's in place of a server.
func start(t *testing.T, inv topology.Inventory, node int, what string) {
	t.Helper()
	n := inv.Nodes[node]
	err := client{inv.Plan.Name, inv.Local.Dir}.call(t.Context(), "/start", startRequest{
		Node: n.Name, Argv: []string{os.Args[0], what}, Dir: n.Layout.Root, Output: filepath.Join(n.Layout.Log, outputFile),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

func processOf(t *testing.T, inv topology.Inventory, node int) topology.Process {
	t.Helper()
	p, err := Host{Inventory: inv, Node: inv.Nodes[node]}.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// awaitEnd waits until the keeper knows that a node's process has ended.
func awaitEnd(t *testing.T, inv topology.Inventory, node int) topology.Process {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if p := processOf(t, inv, node); !p.Running {
			return p
		}
		if time.Now().After(end) {
			t.Fatalf("%s still runs", inv.Nodes[node].Name)
		}
	}
}

// kill kills a process and waits for its end.
func kill(t *testing.T, pid int) {
	t.Helper()
	p, err := procs.Read(pid)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := procs.Stop(t.Context(), p, 0); err != nil {
		t.Fatal(err)
	}
}

func TestKeeperStartsAndStops(t *testing.T) {
	p, inv := made(t, t.TempDir())
	if again, err := p.Make(t.Context(), planOf("made", 3)); err != nil || len(again.Nodes) != 2 || again.Local.ID != inv.Local.ID {
		t.Errorf("made a second time: %+v, %v", again, err)
	}
	if s := processOf(t, inv, 0); s.Running || s.Node != "r1-1" || s.Ended != "" {
		t.Errorf("before any start: %+v", s)
	}

	start(t, inv, 0, "idle")
	first := processOf(t, inv, 0)
	if !first.Running || first.PID == 0 {
		t.Fatalf("after start: %+v", first)
	}
	start(t, inv, 0, "idle")
	if s := processOf(t, inv, 0); s.PID != first.PID {
		t.Errorf("a start of what runs: pid %d, was %d", s.PID, first.PID)
	}
	kill(t, first.PID)
	if s := awaitEnd(t, inv, 0); s.Ended != "signal: killed" {
		t.Errorf("after its death: %+v", s)
	}
	start(t, inv, 0, "idle")
	if s := processOf(t, inv, 0); !s.Running || s.PID == first.PID {
		t.Errorf("after another start: %+v", s)
	}
	h := Host{Inventory: inv, Node: inv.Nodes[0]}
	if err := h.Stop(t.Context(), patience); err != nil {
		t.Fatal(err)
	}
	if s := processOf(t, inv, 0); s.Running || s.Ended != "signal: terminated" {
		t.Errorf("after stop: %+v", s)
	}
	if err := h.Stop(t.Context(), patience); err != nil {
		t.Errorf("stop of what does not run: %v", err)
	}

	start(t, inv, 1, "fail")
	if s := awaitEnd(t, inv, 1); s.Ended != "exit status 3" {
		t.Errorf("after it failed: %+v", s)
	}
	lines, err := Host{Inventory: inv, Node: inv.Nodes[1]}.Tail(t.Context(), 5)
	if err != nil || len(lines) != 1 || lines[0] != "what it had to say" {
		t.Errorf("its last words: %q, %v", lines, err)
	}
}

func TestKeeperIsReplaced(t *testing.T) {
	p, inv := made(t, t.TempDir())
	start(t, inv, 0, "idle")
	start(t, inv, 1, "idle")
	before, err := p.Status(t.Context(), inv)
	if err != nil {
		t.Fatal(err)
	}
	kill(t, before.PID)
	var gone *KeeperGoneError
	if _, err := p.Status(t.Context(), inv); !errors.As(err, &gone) || !gone.Permanent() || gone.Hint() != "crossring up made" {
		t.Fatalf("without a keeper: %v", err)
	}
	// One process outlives it, the other one does not.
	kill(t, before.Nodes["r2-1"].PID)
	if _, err := p.Make(t.Context(), inv.Plan); err != nil {
		t.Fatal(err)
	}
	after, err := p.Status(t.Context(), inv)
	if err != nil {
		t.Fatal(err)
	}
	if s := after.Nodes["r1-1"]; after.PID == before.PID || !s.Running || s.PID != before.Nodes["r1-1"].PID {
		t.Errorf("adopted: %+v; it was %+v", s, before.Nodes["r1-1"])
	}
	if s := after.Nodes["r2-1"]; s.Running || s.Ended != "while no keeper watched" {
		t.Errorf("dead: %+v", s)
	}
	// What it adopted it can stop, and it sees the end.
	if err := (Host{Inventory: inv, Node: inv.Nodes[0]}).Stop(t.Context(), patience); err != nil {
		t.Fatal(err)
	}
	if s := awaitEnd(t, inv, 0); !strings.HasPrefix(s.Ended, "unseen") {
		t.Errorf("stopped: %+v", s)
	}
	start(t, inv, 0, "idle")
	if s := processOf(t, inv, 0); !s.Running {
		t.Errorf("started again: %+v", s)
	}
}

func TestKeeperAnswersForTheMetadata(t *testing.T) {
	_, inv := made(t, t.TempDir())
	for _, n := range inv.Nodes {
		r, err := http.Get("http://" + net.JoinHostPort(n.PrivateAddress, fmt.Sprint(MetadataPort)) + "/latest/meta-data/public-ipv4")
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || string(data) != n.PublicAddress {
			t.Errorf("%s: %q, %v", n.Name, data, err)
		}
	}
}

func TestKeeperRefusesWhatItCannotDo(t *testing.T) {
	p, inv := made(t, t.TempDir())
	c := client{inv.Plan.Name, inv.Local.Dir}
	for name, tt := range map[string]struct {
		path string
		req  any
		want string
	}{
		"no such fault":   {"/fault", Fault{Kind: "flood"}, `no fault is called "flood"`},
		"no such region":  {"/fault", Fault{Kind: "partition", A: "r1", B: "r9"}, `no region "r9"`},
		"not a request":   {"/fault", "x", "decode request"},
		"no such command": {"/start", startRequest{Node: "r1-1", Argv: []string{"/not/there"}, Output: "/dev/null"}, "start r1-1"},
		"no such file":    {"/start", startRequest{Node: "r1-1", Argv: []string{"/bin/true"}, Output: "/not/there/log"}, "start r1-1"},
		"no such path":    {"/nonsense", Fault{}, "404"},
	} {
		if err := c.call(t.Context(), tt.path, tt.req, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if _, err := p.Status(t.Context(), inv); err != nil {
		t.Errorf("and afterwards: %v", err)
	}
}

func TestUnmake(t *testing.T) {
	for name, keeperDies := range map[string]bool{"with its keeper": false, "without a keeper": true} {
		t.Run(name, func(t *testing.T) {
			p, inv := made(t, t.TempDir())
			start(t, inv, 0, "idle")
			start(t, inv, 1, "idle")
			st, err := p.Status(t.Context(), inv)
			if err != nil {
				t.Fatal(err)
			}
			if keeperDies {
				kill(t, st.PID)
			}
			if err := p.Unmake(t.Context(), inv); err != nil {
				t.Fatal(err)
			}
			for _, pid := range []int{st.PID, st.Nodes["r1-1"].PID, st.Nodes["r2-1"].PID} {
				if proc, err := procs.Read(pid); err == nil {
					t.Errorf("left: %+v", proc)
				}
			}
			if _, err := os.Stat(inv.Local.Dir); !os.IsNotExist(err) {
				t.Errorf("directory left: %v", err)
			}
			if left := listenersOf(inv.Local.Slot, ""); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// The path of a unix socket has room for 107 bytes only.
func TestKeeperBelowALongPath(t *testing.T) {
	p, inv := made(t, filepath.Join(t.TempDir(), strings.Repeat("long/", 40)))
	if _, err := p.Status(t.Context(), inv); err != nil {
		t.Error(err)
	}
}

func TestMakeThatFailsLeavesNothing(t *testing.T) {
	state := t.TempDir()
	// Where a node's directory belongs there is a file already.
	dir := filepath.Join(state, "clusters", "made")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "nodes"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p := Provider{StateDir: state, Exe: os.Args[0], Java: os.Args[0], Log: slog.New(slog.DiscardHandler)}
	if inv, err := p.Make(t.Context(), planOf("made", 1)); err == nil || inv.Local != nil {
		t.Errorf("made %+v, %v", inv, err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("directory left: %v", err)
	}
}

// What keeps a keeper from starting is told to the command that started it.
func TestKeeperThatCannotStart(t *testing.T) {
	p, inv := made(t, t.TempDir())
	slot, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "slot"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer slot.Close()
	if err := p.startKeeper(t.Context(), inv, slot); err == nil || !strings.Contains(err.Error(), "another keeper holds") {
		t.Errorf("while one lives: %v", err)
	}
	other := inv
	other.Local = &topology.Local{ID: "another", Dir: inv.Local.Dir}
	if err := p.startKeeper(t.Context(), other, slot); err == nil || !strings.Contains(err.Error(), "of another cluster") {
		t.Errorf("with another id: %v", err)
	}
	var gone *KeeperGoneError
	if err := (Provider{Exe: "/bin/true"}).startKeeper(t.Context(), inv, slot); !errors.As(err, &gone) || !strings.Contains(err.Error(), keeperLog) {
		t.Errorf("one that says nothing: %v", err)
	}
}
