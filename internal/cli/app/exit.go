package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/release"

	"github.com/urfave/cli/v2"
)

// ExitRow is one line of the exit table.
type ExitRow struct {
	Code    int              `json:"code"`
	Name    string           `json:"name"`
	Meaning string           `json:"meaning"`
	match   func(error) bool // nil in the row of success
	hint    func() string    // for an error that has no hint of its own; may be nil
}

// exitTable decides the exit code: the first row that matches. Help, the
// error's JSON and the tests read the same table. An interruption comes first,
// because what was cut short says nothing about the rest.
func exitTable() []ExitRow {
	return []ExitRow{
		{Code: fail.ExitOK, Name: "ok", Meaning: "all as asked; rows that were found later count as found"},
		{fail.ExitInterrupted, "interrupted", "stopped by a signal", func(err error) bool {
			var i *interrupted
			return errors.As(err, &i) || codeIn(err) == fail.ExitInterrupted
		}, nil},
		{fail.ExitUsage, "usage", "wrong command line, or a spec that is not valid", func(err error) bool {
			var u *release.UnknownError
			return codeIn(err) == fail.ExitUsage || codeIn(err) == 0 && errors.As(err, &u)
		}, func() string { return "crossring help" }},
		{fail.ExitPartial, "partial", "some hosts failed, the others did not", coded(fail.ExitPartial), nil},
		{fail.ExitRing, "ring", "the ring is not as planned", coded(fail.ExitRing), nil},
		{fail.ExitLeftover, "leftover", "something could not be removed", coded(fail.ExitLeftover), nil},
		{fail.ExitData, "data", "rows missing, wrong, failed or unknown above the threshold, or acknowledged rows lost", coded(fail.ExitData), nil},
		{fail.ExitPrerequisite, "prerequisite", "java, mvn, credentials or the network is missing", func(err error) bool {
			return codeIn(err) == fail.ExitPrerequisite || codeIn(err) == 0 && errors.Is(err, exec.ErrNotFound)
		}, nil},
		{fail.ExitBusy, "busy", "another command holds the cluster or a change of it is under way, another load runs, or its name or a port is taken", coded(fail.ExitBusy), nil},
		{fail.ExitFailure, "failure", "anything else that failed, a deadline that passed included", func(error) bool { return true }, nil},
	}
}

func coded(code int) func(error) bool {
	return func(err error) bool { return codeIn(err) == code }
}

// exitRowOf finds the row of an error; of none, the row of success.
func exitRowOf(err error) ExitRow {
	rows := exitTable()
	for _, row := range rows {
		if (err == nil && row.match == nil) || (err != nil && row.match != nil && row.match(err)) {
			return row
		}
	}
	return rows[len(rows)-1]
}

// HintOf is the error's own hint or, without one, the hint of its row.
func HintOf(err error) string {
	hint := ""
	walk(err, func(e error) bool {
		switch e := e.(type) {
		case *fail.Error:
			hint = e.Hint
		case interface{ Hint() string }:
			hint = e.Hint()
		}
		return hint == ""
	})
	if row := exitRowOf(err); hint == "" && row.hint != nil {
		hint = row.hint()
	}
	return hint
}

// codeIn is the first code that an error of the chain asks for, outermost
// first, 0 when none does; a code that the table lacks does not count. The exit status of another program is not ours,
// though *exec.ExitError has a method of the same name.
func codeIn(err error) int {
	code := 0
	walk(err, func(e error) bool {
		if _, foreign := e.(*exec.ExitError); foreign {
			return true
		}
		if c, ok := e.(interface{ ExitCode() int }); ok {
			for _, row := range exitTable() {
				if row.match != nil && row.Code == c.ExitCode() {
					code = row.Code
				}
			}
		}
		return code == 0
	})
	return code
}

// walk visits err and what it wraps, depth first in order, while visit wants
// more. errors.As would do for one target type; here the first of several
// counts, and joined errors keep their order.
func walk(err error, visit func(error) bool) bool {
	if err == nil {
		return true
	}
	if !visit(err) {
		return false
	}
	var inner []error
	switch e := err.(type) {
	case interface{ WrappedErrors() []error }:
		inner = e.WrappedErrors()
	case interface{ Unwrap() []error }:
		inner = e.Unwrap()
	case interface{ Unwrap() error }:
		inner = []error{e.Unwrap()}
	}
	for _, e := range inner {
		if !walk(e, visit) {
			return false
		}
	}
	return true
}

// interrupted is why a command was cancelled: a signal.
type interrupted struct {
	signal os.Signal
	err    error // what the command returned
}

func (i *interrupted) Error() string {
	if i.err == nil || errors.Is(i.err, context.Canceled) && i.err.Error() == context.Canceled.Error() {
		return "stopped by a signal: " + i.signal.String()
	}
	return fmt.Sprintf("stopped by a signal: %s: %s", i.signal, i.err)
}

func (i *interrupted) Unwrap() error { return i.err }

// elsewhere is the error of a command whose state directory was a flag: its
// hint has to have the flag, too, or it would be about another cluster.
type elsewhere struct {
	err   error
	state string
	verbs []string // the commands there are
}

func newElsewhere(err error, state string, commands []*cli.Command) *elsewhere {
	e := &elsewhere{err: err, state: state}
	for _, c := range commands {
		e.verbs = append(e.verbs, c.Name)
	}
	return e
}

func (e *elsewhere) Error() string { return e.err.Error() }
func (e *elsewhere) Unwrap() error { return e.err }

// Hint is the hint of what went wrong, with the flag in each command of crossring's that
// looks at clusters, wherever in the hint it stands.
func (e *elsewhere) Hint() string {
	hint := HintOf(e.err)
	if strings.Contains(hint, "--state") {
		return hint
	}
	return ourCommand.ReplaceAllStringFunc(hint, func(found string) string {
		before, verb, _ := strings.Cut(found, "crossring ")
		if verb == "help" || verb == "version" || !slices.Contains(e.verbs, verb) {
			return found
		}
		return before + plain.Command("crossring", "--state", e.state, verb)
	})
}

// ourCommand is what may be a command of crossring's in a hint.
var ourCommand = regexp.MustCompile(`(?:^|[ :(])crossring [a-z0-9-]+`)

// ExitRows is the table in the order of the codes.
func ExitRows() []ExitRow {
	rows := exitTable()
	slices.SortFunc(rows, func(a, b ExitRow) int { return a.Code - b.Code })
	return rows
}

// writeExitTable prints the table for people, in the order of the codes.
func writeExitTable(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "CODE\tNAME\tMEANING")
	for _, row := range ExitRows() {
		fmt.Fprintf(tw, "%d\t%s\t%s\n", row.Code, row.Name, row.Meaning)
	}
	return tw.Flush()
}
