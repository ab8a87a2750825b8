package prepare

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossring/internal/topology"
)

func httpFiles(t *testing.T, dir string) string {
	t.Helper()
	s := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(s.Close)
	return s.URL + "/"
}

// server is one whose program is a shell script in place of Java.
func server(t *testing.T, program string) Server {
	t.Helper()
	req := request(t)
	if _, err := Prepare(t.Context(), here{}, req); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "java")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+program), 0o755); err != nil {
		t.Fatal(err)
	}
	req.Node.Host.Java = path
	s := Server{Machine: here{}, Node: req.Node, ID: req.ID, Main: "Main"}
	t.Cleanup(func() { _ = s.Stop(t.Context(), time.Second) })
	return s
}

func state(t *testing.T, s Server) topology.Process {
	t.Helper()
	p, err := s.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestServerWithoutSystemd(t *testing.T) {
	s := server(t, `echo "home $HOME, args $*"; trap 'exit 143' TERM; while :; do sleep 0.1; done`)
	if p := state(t, s); p.Running || p.Ended != "" {
		t.Errorf("before the start: %+v", p)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := state(t, s)
	if !p.Running || p.PID == 0 || time.Since(p.Since) > time.Minute {
		t.Fatalf("after the start: %+v", p)
	}
	if err := s.Start(t.Context()); err != nil || state(t, s).PID != p.PID {
		t.Errorf("a second start made another process: %v", err)
	}
	want := "home " + s.Node.Layout.Home + ", args @" + s.Node.Layout.Conf + "/jvm.options Main"
	for {
		lines, err := s.Tail(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(lines) == 1 {
			if lines[0] != want {
				t.Errorf("it was started with %q, want %q", lines[0], want)
			}
			break
		}
	}
	if err := s.Stop(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(p.PID, 0); err == nil {
		t.Errorf("process %d lives after the stop", p.PID)
	}
	if err := s.Stop(t.Context(), time.Minute); err != nil {
		t.Errorf("stopping what does not run: %v", err)
	}
	// Noted already: nothing is written any more where directories may be removed now.
	if p := state(t, s); p.Ended != "signal 15" {
		t.Errorf("after the stop: %+v", p)
	}
}

// awaitEnd waits until the end of the server has been noted by its shell.
func awaitEnd(t *testing.T, s Server, want string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		p := state(t, s)
		if !p.Running && p.Ended == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %q: %+v", want, p)
		}
	}
}

func TestServerThatEnds(t *testing.T) {
	s := server(t, "echo 'no such class'; exit 3")
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, s, "exit status 3")
	lines, err := s.Tail(t.Context(), 10)
	if err != nil || strings.Join(lines, "") != "no such class" {
		t.Errorf("%q, %v", lines, err)
	}
}

func TestServerThatDoesNotListenIsKilled(t *testing.T) {
	s := server(t, "trap '' TERM; while :; do sleep 0.1; done")
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	// Noted already: nothing is written any more where directories may be removed now.
	if p := state(t, s); p.Ended != "signal: killed" {
		t.Errorf("after the stop: %+v", p)
	}
}

func TestAPidThatIsSomebodyElsesIsNotTouched(t *testing.T) {
	s := server(t, "exit 0")
	// A pid file from before a boot: the pid is that of another process now.
	if err := os.WriteFile(s.pidFile(), []byte("1 12345678901\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if p := state(t, s); p.Running {
		t.Errorf("%+v", p)
	}
	if err := s.Stop(t.Context(), time.Second); err != nil {
		t.Error(err)
	}
}
