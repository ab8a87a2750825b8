// Command tally runs go test, shows what go test shows, and remembers what was skipped
// and why, which go test says only with -v, and what each test took.
//
//	tally FILE go test [FLAGS] PACKAGES    adds to FILE; the exit status is go test's
//	tally FILE                             lists what FILE has; 1 in CI (CI=true) for a skip that need not be
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
)

func main() {
	if len(os.Args) < 2 || len(os.Args) > 2 && len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: tally FILE [go test ...]")
		os.Exit(2)
	}
	code, err := tally(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func tally(path string, command []string) (code int, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return 0, fmt.Errorf("remember what tests came to: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if len(command) > 0 {
		return goTest(command, f)
	}
	skips, times, err := readNotes(f)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	slowest(os.Stdout, times)
	if missing := list(os.Stdout, skips); missing > 0 && os.Getenv("CI") == "true" {
		return 0, fmt.Errorf("in CI nothing may be skipped that could be made or installed, and %d tests were", missing)
	}
	return 0, nil
}

// goTest runs go test with -json, which says what is skipped, and shows what it would
// show without.
func goTest(command []string, notes io.Writer) (int, error) {
	args := slices.Insert(slices.Clone(command[1:]), 1, "-json")
	cmd := exec.Command(command[0], args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, fmt.Errorf("run go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("run go test: %w", err)
	}
	// Whoever stops this stops go test, which says what it has got so far.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(stop)
	go func() {
		for sig := range stop {
			_ = cmd.Process.Signal(sig) // it may have ended
		}
	}()
	s := show{out: os.Stdout, verbose: slices.Contains(command, "-v"), ran: map[string]*pkg{}}
	err = s.events(out)
	for _, skip := range s.skips {
		err = errors.Join(err, json.NewEncoder(notes).Encode(note{Skip: &skip}))
	}
	for _, took := range s.times {
		err = errors.Join(err, json.NewEncoder(notes).Encode(note{Took: &took}))
	}
	var exit *exec.ExitError
	if waitErr := cmd.Wait(); errors.As(waitErr, &exit) {
		return max(exit.ExitCode(), 1), err // -1 is one that was killed
	} else if waitErr != nil {
		err = errors.Join(err, waitErr)
	}
	return 0, err
}
