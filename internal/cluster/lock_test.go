package cluster

import (
	"crossring/internal/fail"

	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const patience = time.Minute

// heard is a World that keeps what it says.
func heard(state string) (World, func() []string) {
	var mu sync.Mutex
	var lines []string
	w := World{StateDir: state, Say: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, fmt.Sprintf(format, args...))
	}}
	return w, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), lines...)
	}
}

func TestSecondCommandWaits(t *testing.T) {
	state := t.TempDir()
	first, said := heard(state)
	unlock, err := first.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if lines := said(); len(lines) != 0 {
		t.Errorf("a lock that was free: %q", lines)
	}

	second, said := heard(state)
	got := make(chan error, 1)
	go func() {
		unlock, err := second.Lock(t.Context(), "a")
		if err == nil {
			unlock()
		}
		got <- err
	}()
	end := time.Now().Add(patience)
	for len(said()) == 0 {
		if time.Now().After(end) {
			t.Fatal("the second did not say that it waits")
		}
		select {
		case err := <-got:
			t.Fatalf("the second did not wait: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	want := fmt.Sprintf("waiting for another command on cluster a (pid %d)", os.Getpid())
	if lines := said(); !strings.HasPrefix(lines[0], want) {
		t.Errorf("said %q, want %q", lines, want)
	}
	// Another cluster is free all the while.
	other, err := second.Lock(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	other()

	unlock()
	select {
	case err := <-got:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("the second still waits")
	}
	if lines := said(); len(lines) != 1 {
		t.Errorf("it is enough to say it once: %q", lines)
	}
}

func TestLockIsGivenUp(t *testing.T) {
	state := t.TempDir()
	w, _ := heard(state)
	unlock, err := w.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	why := errors.New("stopped by the user")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	_, err = w.Lock(ctx, "a")
	var coded *fail.Error
	if !errors.As(err, &coded) || coded.Code != fail.ExitBusy || !errors.Is(err, why) || !strings.Contains(err.Error(), "another command on cluster a") {
		t.Errorf("got %v", err)
	}
}

func TestLockHasADeadline(t *testing.T) {
	w, _ := heard(t.TempDir())
	unlock, err := w.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	_, err = w.lockWithin(t.Context(), "a", time.Millisecond)
	var coded *fail.Error
	if !errors.As(err, &coded) || coded.Code != fail.ExitBusy || coded.Hint == "" || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("got %v", err)
	}
}

func TestLockWithoutAPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w, _ := heard(filepath.Join(file, "state"))
	_, err := w.Lock(t.Context(), "a")
	var coded *fail.Error
	if !errors.As(err, &coded) || coded.Code != fail.ExitUsage || !strings.Contains(coded.Hint, "--state") {
		t.Errorf("got %v", err)
	}
}
