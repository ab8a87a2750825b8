// Package app is what the commands of the command line share: the streams, the answer as
// text or as JSON, the exit codes, signals and progress. It knows none of them.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"crossring/internal/cli/line"
	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/places"
	"crossring/internal/plain"

	"github.com/urfave/cli/v2"
)

// Env is what a command gets besides its flags and arguments.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer // the answer and nothing else
	Stderr *Screen
	lookup func(string) (string, bool) // environment variables

	Typed   string // the command line, for the record
	Output  string // format of the answer: "text", "json" or one that the command adds
	verbose bool
	quiet   bool
	log     *slog.Logger
	report  cluster.Reporter

	stateFlag  string
	stateGiven bool
	Answered   bool // the answer has been written

	connections places.Connections
}

// State is the directory that clusters are kept under: absolute; it need not
// exist.
func (e *Env) State() (string, error) { return stateDir(e.stateFlag, e.stateGiven, e.lookup) }

// stateGivenAs is what --state said; "" where it was not given.
func (e *Env) stateGivenAs() string {
	if !e.stateGiven {
		return ""
	}
	return e.stateFlag
}

// Command is a command of crossring's to be typed after this one.
func (e *Env) Command(words ...string) string {
	return cluster.World{StateFlag: e.stateGivenAs()}.Command(words...)
}

// Answer is what a command has to say on stdout: the same as a document and as
// text. Either may be nil. A command that fails returns the answer as far as it
// got, beside its error.
type Answer struct {
	Doc  any
	Text func(w io.Writer) error
	// streamed is a document that was written while the work was done; nil is none.
	Streamed Stream
}

// Stream is a document that is written while the work is done.
type Stream interface {
	// Started says whether anything has been written; until then there may be another document.
	Started() bool
	// Finish ends the document, with the error if there was one.
	Finish(err error) error
}

// Handler is a command's work. ctx is cancelled by the first signal.
type Handler func(ctx context.Context, e *Env, c *cli.Context) (Answer, error)

func Main(args []string, stdin io.Reader, stdout, stderr io.Writer, commands func(*Env) []*cli.Command) int {
	got, stop := signals()
	defer stop()
	e := &Env{Stdin: stdin, Stdout: stdout, lookup: os.LookupEnv}
	e.Stderr = NewScreen(stderr, isTerminal(stderr, e.lookup), time.Now)
	e.report = e.Stderr
	if len(args) > 0 {
		args = args[1:]
	}
	e.Typed = plain.Command(append([]string{"crossring"}, args...)...)
	return supervise(e.Stderr, got, func(ctx context.Context) int {
		code := e.execute(ctx, args, commands(e))
		if err := e.connections.Close(); err != nil {
			Note(e.Stderr, "warning: closing connections: %s", err)
		}
		return code
	})
}

// execute runs one command line, prints what went wrong, and returns the code.
func (e *Env) execute(ctx context.Context, args []string, commands []*cli.Command) int {
	app := e.App(commands)
	ordered, err := line.Reorder(line.Grammar(app), args)
	if err == nil {
		err = app.RunContext(ctx, append([]string{app.Name}, ordered...))
	} else if wantsJSON(args) {
		e.Output = "json"
	}
	if err = stopped(ctx, err); err == nil {
		return fail.ExitOK
	}
	if e.Output == "json" && !e.Answered {
		if wErr := WriteJSON(e.Stdout, nil, err); wErr != nil {
			Note(e.Stderr, "error: writing the answer: %s", wErr)
		}
	}
	printError(e.Stderr, err)
	return exitRowOf(err).Code
}

// commonFlags may stand anywhere on the line. They have no EnvVars and no other
// command has flags of their names: urfave would let either beat what was given.
func commonFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "state", Usage: "keep clusters under `DIR` (default: $CROSSRING_STATE, or crossring in the XDG state directory)"},
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "answer as `FORMAT`: text or json", Value: "text"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "log what is done to stderr"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "no stages and no progress on stderr"},
	}
}

// App is the urfave app. Everything that urfave would print or decide on its own
// is turned off: help and version are commands, errors come back to execute,
// and nothing but main exits.
func (e *Env) App(commands []*cli.Command) *cli.App {
	app := &cli.App{
		Name:            "crossring",
		Usage:           "Cassandra rings across regions: stand one up, write here, read there, see what arrived",
		Flags:           commonFlags(),
		Commands:        commands,
		Reader:          e.Stdin,
		Writer:          e.Stderr, // stdout is for answers
		ErrWriter:       e.Stderr,
		HideHelp:        true,
		HideHelpCommand: true,
		HideVersion:     true,
		ExitErrHandler:  func(*cli.Context, error) {},
		OnUsageError:    usageError,
	}
	tame(app.Commands)
	return app
}

func tame(commands []*cli.Command) {
	for _, c := range commands {
		c.HideHelp, c.HideHelpCommand = true, true
		c.OnUsageError = usageError
		tame(c.Subcommands)
	}
}

// usageError is what urfave finds wrong when reorder found nothing: a value of
// the wrong type.
func usageError(c *cli.Context, err error, _ bool) error {
	return fail.Usage("", err, HelpFor(c))
}

// HelpFor is the command that explains the command at hand.
func HelpFor(c *cli.Context) string {
	words := []string{"crossring", "help"}
	var path []string
	for _, ctx := range c.Lineage() {
		if ctx.Command != nil && ctx.Command.Name != "" && ctx.Command.Name != "crossring" {
			path = append(path, ctx.Command.Name)
		}
	}
	slices.Reverse(path)
	return strings.Join(append(words, path...), " ")
}

// Action makes a handler into a command's Action: it settles the common flags,
// calls the handler, and writes its answer. formats are further values of
// --output; the handler looks at e.output itself and writes those as its text.
func (e *Env) Action(h Handler, formats ...string) cli.ActionFunc {
	return func(c *cli.Context) error {
		if err := e.settle(c, formats); err != nil {
			return err
		}
		ctx, done, err := e.traced(c.Context, c)
		if err != nil {
			return err
		}
		a, err := h(ctx, e, c)
		done()
		if err = stopped(c.Context, err); err != nil && e.stateGiven {
			err = newElsewhere(err, e.stateFlag, c.App.Commands)
		}
		var wErr error
		switch {
		case a.Streamed != nil && a.Streamed.Started():
			e.Answered = true
			wErr = a.Streamed.Finish(err)
		case e.Output == "json" && (a.Doc != nil || err != nil):
			e.Answered = true
			wErr = WriteJSON(e.Stdout, a.Doc, err)
		case e.Output != "json" && a.Text != nil:
			e.Answered = true
			wErr = e.write(a.Text)
		}
		if wErr != nil && err == nil {
			return fmt.Errorf("writing the answer: %w", wErr)
		}
		return err
	}
}

// write prints an answer's text. What is a document of its own, a page, goes out as it is.
func (e *Env) write(text func(io.Writer) error) error {
	if e.Output != "text" {
		return text(e.Stdout)
	}
	out := plain.NewWriter(e.Stdout)
	err := text(out)
	return errors.Join(err, out.Flush())
}

// settle reads the common flags.
func (e *Env) settle(c *cli.Context, formats []string) error {
	formats = append([]string{"text", "json"}, formats...)
	output := c.String("output")
	if !slices.Contains(formats, output) {
		return fail.Usage("", fmt.Errorf("--output is one of %s, not %q", strings.Join(formats, ", "), output), HelpFor(c))
	}
	e.Output, e.verbose, e.quiet = output, c.Bool("verbose"), c.Bool("quiet")
	e.Stderr.quiet = e.quiet
	level := slog.LevelWarn
	if e.verbose {
		level = slog.LevelDebug
	}
	e.log = slog.New(slog.NewTextHandler(e.Stderr, &slog.HandlerOptions{Level: level}))
	e.stateFlag, e.stateGiven = c.String("state"), c.IsSet("state")
	return nil
}

// wantsJSON finds out whether a line that cannot be read asks for JSON: then
// its error is JSON, too.
func wantsJSON(args []string) bool {
	want := false
	for i, arg := range args {
		switch name, value, hasValue := strings.Cut(arg, "="); {
		case arg == "--":
			return want
		case name != "-o" && name != "--output":
		case hasValue:
			want = value == "json"
		case i+1 < len(args):
			want = args[i+1] == "json"
		}
	}
	return want
}
