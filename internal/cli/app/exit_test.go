package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"crossring/internal/fail"
	"crossring/internal/release"

	"github.com/hashicorp/go-multierror"
)

// coder is another package's typed error.
type coder struct{ code int }

func (c coder) Error() string { return "coded" }
func (c coder) ExitCode() int { return c.code }
func (c coder) Hint() string  { return "crossring version" }

func TestExitTable(t *testing.T) {
	foreign := exec.Command("sh", "-c", "exit 3").Run()
	if foreign == nil {
		t.Fatal("exit 3 succeeded")
	}
	cause := errors.New("cause")
	verbs := []string{"up", "start", "down", "repro", "ls", "help"}
	tests := []struct {
		name string
		err  error
		want int
		hint string
	}{
		{"none", nil, fail.ExitOK, ""},
		{"plain", cause, fail.ExitFailure, ""},
		{"usage", fail.Usage("", cause, "crossring help ring"), fail.ExitUsage, "crossring help ring"},
		{"usage without a hint", fail.Usage("", cause, ""), fail.ExitUsage, "crossring help"},
		{"unknown cassandra", fmt.Errorf("planning: %w", &release.UnknownError{Version: "9"}), fail.ExitUsage, "crossring help"},
		{"partial", fail.Partial("x", cause, "crossring logs c1"), fail.ExitPartial, "crossring logs c1"},
		{"ring", fail.Ring("x", cause, ""), fail.ExitRing, ""},
		{"leftover", fail.Leftover("x", cause, ""), fail.ExitLeftover, ""},
		{"data", fail.Data("x", cause, ""), fail.ExitData, ""},
		{"prerequisite", fail.Prerequisite("x", cause, ""), fail.ExitPrerequisite, ""},
		{"no such program", fmt.Errorf("starting: %w", exec.ErrNotFound), fail.ExitPrerequisite, ""},
		{"no such program, but coded", fail.Partial("x", exec.ErrNotFound, ""), fail.ExitPartial, ""},
		{"busy", fail.Busy("x", cause, ""), fail.ExitBusy, ""},
		{"wrapped", fmt.Errorf("a: %w", fmt.Errorf("b: %w", fail.Data("x", cause, "h"))), fail.ExitData, "h"},
		{"outermost code counts", fail.Partial("x", fail.Data("y", cause, "inner"), ""), fail.ExitPartial, "inner"},
		{"outermost hint counts", fail.Partial("x", fail.Data("y", cause, "inner"), "outer"), fail.ExitPartial, "outer"},
		{"joined: first code counts", errors.Join(cause, fail.Ring("x", cause, ""), fail.Data("y", cause, "")), fail.ExitRing, ""},
		{"multierror", multierror.Append(nil, cause, fail.Busy("x", cause, "h")), fail.ExitBusy, "h"},
		{"another package's type", fmt.Errorf("a: %w", coder{fail.ExitRing}), fail.ExitRing, "crossring version"},
		{"a code that the table lacks", coder{77}, fail.ExitFailure, "crossring version"},
		{"code 0 on an error", coder{0}, fail.ExitFailure, "crossring version"},
		{"another program's exit status", fmt.Errorf("nodetool: %w", foreign), fail.ExitFailure, ""},
		{"another state directory", &elsewhere{fail.Busy("x", cause, "crossring ls"), "/tmp/a b", verbs}, fail.ExitBusy, "crossring --state '/tmp/a b' ls"},
		{"another state directory, help", &elsewhere{fail.Usage("x", cause, "crossring help up"), "s", verbs}, fail.ExitUsage, "crossring help up"},
		{"another state directory, two commands", &elsewhere{fail.Busy("x", cause, "go build -o c . && crossring repro a   # or crossring down a"), "s", verbs}, fail.ExitBusy,
			"go build -o c . && crossring --state s repro a   # or crossring --state s down a"},
		{"another state directory, behind a word", &elsewhere{fail.Ring("x", cause, "df -h /   # then crossring up a (not crossring start a)"), "s", verbs}, fail.ExitRing,
			"df -h /   # then crossring --state s up a (not crossring --state s start a)"},
		{"another state directory, no command", &elsewhere{fail.Ring("x", cause, "do it with the crossring that made it"), "s", verbs}, fail.ExitRing, "do it with the crossring that made it"},
		{"another state directory, another program", &elsewhere{fail.Busy("x", cause, "df -h"), "s", verbs}, fail.ExitBusy, "df -h"},
		{"deadline", context.DeadlineExceeded, fail.ExitFailure, ""},
		{"interrupted", &interrupted{signal: os.Interrupt, err: cause}, fail.ExitInterrupted, ""},
		{"interrupted beats what it cut short", &interrupted{signal: os.Interrupt, err: fail.Data("x", cause, "h")}, fail.ExitInterrupted, "h"},
		{"typed failure", &fail.Error{Code: fail.ExitFailure, Op: "x"}, fail.ExitFailure, ""},
	}
	hit := map[int]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			row := exitRowOf(tt.err)
			hit[row.Code] = true
			if row.Code != tt.want {
				t.Errorf("code %d, want %d", row.Code, tt.want)
			}
			if hint := HintOf(tt.err); hint != tt.hint {
				t.Errorf("hint %q, want %q", hint, tt.hint)
			}
		})
	}
	for _, row := range exitTable() {
		if !hit[row.Code] {
			t.Errorf("no test for exit code %d, %s", row.Code, row.Name)
		}
	}
}

func TestFailSaysOperationAndCauseOnce(t *testing.T) {
	cause := errors.New("connection refused")
	for want, err := range map[string]error{
		"dialling 127.0.0.1: connection refused": fail.Partial("dialling 127.0.0.1", cause, "h"),
		"connection refused":                     fail.Partial("", cause, "h"),
		"c1 is taken":                            fail.Busy("c1 is taken", nil, "h"),
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
	if !errors.Is(fail.Partial("x", cause, ""), cause) {
		t.Error("the cause is lost")
	}
}

func TestPrintError(t *testing.T) {
	problems := multierror.Append(nil, errors.New("line 3: unknown key"), errors.New("line 9: no zone"))
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("boom"), "crossring: error: boom\n"},
		{fail.Busy("cluster c1", errors.New("taken"), "crossring ls"), "crossring: error: cluster c1: taken\ncrossring: hint: crossring ls\n"},
		{fail.Usage("", problems, "crossring help up"), "crossring: error: 2 errors occurred:\n  * line 3: unknown key\n  * line 9: no zone\ncrossring: hint: crossring help up\n"},
		{&interrupted{signal: os.Interrupt, err: context.Canceled}, "crossring: error: stopped by a signal: interrupt\n"},
		{&interrupted{signal: os.Interrupt, err: fmt.Errorf("starting n1: %w", context.Canceled)}, "crossring: error: stopped by a signal: interrupt: starting n1: context canceled\n"},
	} {
		var b bytes.Buffer
		printError(&b, tt.err)
		if b.String() != tt.want {
			t.Errorf("got\n%swant\n%s", b.String(), tt.want)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	type doc struct {
		Cluster string         `json:"cluster"`
		Rows    int64          `json:"rows"`
		Map     map[string]int `json:"map"`
	}
	type full struct {
		Name   string `json:"name"`
		Schema string `json:"schema"`
		Error  string `json:"error"`
	}
	boom := fail.Data("reading", errors.New("2 rows <missing>"), "crossring report r1")
	errObj := "  \"error\": {\n    \"code\": 6,\n    \"message\": \"reading: 2 rows <missing>\",\n    \"hint\": \"crossring report r1\"\n  }\n}\n"
	head := "{\n  \"schema\": \"crossring/v1\""
	for _, tt := range []struct {
		name string
		doc  any
		err  error
		want string
	}{
		{"nothing", nil, nil, head + "\n}\n"},
		{"error alone", nil, boom, head + ",\n" + errObj},
		{"nil pointer", (*doc)(nil), boom, head + ",\n" + errObj},
		{"document", doc{"a&b", 3, map[string]int{"z": 1, "a": 2}}, nil, head + ",\n  \"cluster\": \"a&b\",\n  \"rows\": 3,\n  \"map\": {\n    \"a\": 2,\n    \"z\": 1\n  }\n}\n"},
		{"document and error", doc{Cluster: "c1"}, boom, head + ",\n  \"cluster\": \"c1\",\n  \"rows\": 0,\n  \"map\": null,\n" + errObj},
		{"schema moves to the top", full{"n", "crossring/v1", "old"}, nil, head + ",\n  \"name\": \"n\",\n  \"error\": \"old\"\n}\n"},
		{"schema of its own", full{"n", "other/v2", ""}, nil, "{\n  \"schema\": \"other/v2\",\n  \"name\": \"n\",\n  \"error\": \"\"\n}\n"},
		{"schema left empty, error replaced", full{"n", "", "old"}, boom, head + ",\n  \"name\": \"n\",\n" + errObj},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := WriteJSON(&b, tt.doc, tt.err); err != nil {
				t.Fatal(err)
			}
			if b.String() != tt.want {
				t.Errorf("got\n%swant\n%s", b.String(), tt.want)
			}
			if !json.Valid(b.Bytes()) {
				t.Error("not JSON")
			}
		})
	}
	for _, bad := range []any{[]int{1}, 5, "text", func() {}} {
		var b bytes.Buffer
		if err := WriteJSON(&b, bad, nil); err == nil || b.Len() > 0 {
			t.Errorf("%T: error %v, wrote %q", bad, err, b.String())
		}
	}
}

func TestExitTableIsPrintedWhole(t *testing.T) {
	var b strings.Builder
	if err := writeExitTable(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != len(exitTable())+1 {
		t.Fatalf("%d lines for %d rows", len(lines), len(exitTable()))
	}
	for _, row := range exitTable() {
		found := false
		for _, line := range lines[1:] {
			f := strings.Fields(line)
			found = found || f[0] == fmt.Sprint(row.Code) && f[1] == row.Name && strings.HasSuffix(line, row.Meaning)
		}
		if !found {
			t.Errorf("no line for %d %s", row.Code, row.Name)
		}
	}
}
