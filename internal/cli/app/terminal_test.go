package app

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"crossring/internal/fail"
)

// What others wrote is printed without what drives a terminal, wherever it comes out.
func TestNothingDrivesTheTerminal(t *testing.T) {
	const evil = "a\x1b]0;owned\x07\x1b[2J\rb\u009b31m\u202e"
	for name, print := range map[string]func(io.Writer){
		"an error": func(w io.Writer) {
			printError(w, &fail.Error{Code: 1, Err: errors.New("first\n" + evil), Hint: "crossring down " + evil})
		},
		"a note": func(w io.Writer) { Note(w, "of %s", evil) },
		"an answer": func(w io.Writer) {
			e := &Env{Stdout: w, Output: "text"}
			if err := e.write(func(w io.Writer) error { _, err := io.WriteString(w, "x\ty\n"+evil); return err }); err != nil {
				t.Error(err)
			}
		},
	} {
		var b bytes.Buffer
		print(&b)
		if got := b.String(); strings.ContainsAny(got, "\x1b\x07\r\u009b\u202e") || !strings.Contains(got, `a\x1b]0;owned\a\x1b[2J\rb\u009b31m\u202e`) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
