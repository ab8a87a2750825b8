package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"testing"
	"time"
)

// Result is what a command came to.
type Result struct {
	Code           int // -1 is one that was not started, or was killed
	Stdout, Stderr string
	Took           time.Duration
}

// Run runs a command to its end. Why it could not be started is among what it said.
func Run(cmd *exec.Cmd) Result {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begun := time.Now()
	err := cmd.Run()
	r := Result{Stdout: stdout.String(), Stderr: stderr.String(), Took: time.Since(begun)}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.Code = exit.ExitCode()
	case err != nil:
		r.Code, r.Stderr = -1, r.Stderr+err.Error()
	}
	return r
}

// Decode reads a command's JSON answer. whose says which command that was.
func Decode[T any](t *testing.T, answer string, whose fmt.Stringer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(answer), &v); err != nil {
		t.Fatalf("%v in the answer of %s", err, whose)
	}
	return v
}

// Eventually asks until ok says yes, and fails the test at the deadline.
func Eventually(t *testing.T, deadline time.Duration, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(deadline)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("after %s still not: %s", deadline, what)
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("stopped while waiting: %s", what)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
