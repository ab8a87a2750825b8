// Package cli is the command line: the order of arguments, the streams, the
// exit codes, signals and progress. Commands themselves are thin: they fill in
// structs, call internal/run, and say what came of it.
package cli

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

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/places"
	"crossring/internal/plain"
	"crossring/provision/local"

	"github.com/urfave/cli/v2"
)

// env is what a command gets besides its flags and arguments.
type env struct {
	stdin  io.Reader
	stdout io.Writer // the answer and nothing else
	stderr *screen
	lookup func(string) (string, bool) // environment variables

	output  string // format of the answer: "text", "json" or one that the command adds
	verbose bool
	quiet   bool
	log     *slog.Logger
	report  cluster.Reporter

	stateFlag  string
	stateGiven bool
	answered   bool // the answer has been written

	connections places.Connections
}

// state is the directory that clusters are kept under: absolute; it need not
// exist.
func (e *env) state() (string, error) { return stateDir(e.stateFlag, e.stateGiven, e.lookup) }

// stateGivenAs is what --state said; "" where it was not given.
func (e *env) stateGivenAs() string {
	if !e.stateGiven {
		return ""
	}
	return e.stateFlag
}

// command is a command of crossring's to be typed after this one.
func (e *env) command(words ...string) string {
	return cluster.World{StateFlag: e.stateGivenAs()}.Command(words...)
}

// answer is what a command has to say on stdout: the same as a document and as
// text. Either may be nil. A command that fails returns the answer as far as it
// got, beside its error.
type answer struct {
	doc  any
	text func(w io.Writer) error
	// streamed is a document that was written while the work was done; nil is none.
	streamed interface {
		started() bool
		finish(err error) error
	}
}

// handler is a command's work. ctx is cancelled by the first signal.
type handler func(ctx context.Context, e *env, c *cli.Context) (answer, error)

// Main runs one command line, args[0] being the program's name, and returns the
// exit code. It never exits the process; after a second signal it returns while
// the command may still be running.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 1 && args[1] == local.KeeperCommand {
		return local.Keeper(args[2:]) // has signals, streams and a life of its own
	}
	return mainWith(args, stdin, stdout, stderr, (*env).commands)
}

func mainWith(args []string, stdin io.Reader, stdout, stderr io.Writer, commands func(*env) []*cli.Command) int {
	got, stop := signals()
	defer stop()
	e := &env{stdin: stdin, stdout: stdout, lookup: os.LookupEnv}
	e.stderr = newScreen(stderr, isTerminal(stderr, e.lookup), time.Now)
	e.report = e.stderr
	if len(args) > 0 {
		args = args[1:]
	}
	return supervise(e.stderr, got, func(ctx context.Context) int {
		code := e.execute(ctx, args, commands(e))
		if err := e.connections.Close(); err != nil {
			note(e.stderr, "warning: closing connections: %s", err)
		}
		return code
	})
}

// execute runs one command line, prints what went wrong, and returns the code.
func (e *env) execute(ctx context.Context, args []string, commands []*cli.Command) int {
	app := e.app(commands)
	ordered, err := reorder(grammar(app), args)
	if err == nil {
		err = app.RunContext(ctx, append([]string{app.Name}, ordered...))
	} else if wantsJSON(args) {
		e.output = "json"
	}
	if err = stopped(ctx, err); err == nil {
		return fail.ExitOK
	}
	if e.output == "json" && !e.answered {
		if wErr := WriteJSON(e.stdout, nil, err); wErr != nil {
			note(e.stderr, "error: writing the answer: %s", wErr)
		}
	}
	printError(e.stderr, err)
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

// app is the urfave app. Everything that urfave would print or decide on its own
// is turned off: help and version are commands, errors come back to execute,
// and nothing but main exits.
func (e *env) app(commands []*cli.Command) *cli.App {
	app := &cli.App{
		Name:            "crossring",
		Usage:           "Cassandra rings across regions: stand one up, write here, read there, see what arrived",
		Flags:           commonFlags(),
		Commands:        commands,
		Reader:          e.stdin,
		Writer:          e.stderr, // stdout is for answers
		ErrWriter:       e.stderr,
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
	return fail.Usage("", err, helpFor(c))
}

// helpFor is the command that explains the command at hand.
func helpFor(c *cli.Context) string {
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

// action makes a handler into a command's Action: it settles the common flags,
// calls the handler, and writes its answer. formats are further values of
// --output; the handler looks at e.output itself and writes those as its text.
func (e *env) action(h handler, formats ...string) cli.ActionFunc {
	return func(c *cli.Context) error {
		if err := e.settle(c, formats); err != nil {
			return err
		}
		a, err := h(c.Context, e, c)
		if err = stopped(c.Context, err); err != nil && e.stateGiven {
			err = newElsewhere(err, e.stateFlag, c.App.Commands)
		}
		var wErr error
		switch {
		case a.streamed != nil && a.streamed.started():
			e.answered = true
			wErr = a.streamed.finish(err)
		case e.output == "json" && (a.doc != nil || err != nil):
			e.answered = true
			wErr = WriteJSON(e.stdout, a.doc, err)
		case e.output != "json" && a.text != nil:
			e.answered = true
			wErr = e.write(a.text)
		}
		if wErr != nil && err == nil {
			return fmt.Errorf("writing the answer: %w", wErr)
		}
		return err
	}
}

// write prints an answer's text. What is a document of its own, a page, goes out as it is.
func (e *env) write(text func(io.Writer) error) error {
	if e.output != "text" {
		return text(e.stdout)
	}
	out := plain.NewWriter(e.stdout)
	err := text(out)
	return errors.Join(err, out.Flush())
}

// settle reads the common flags.
func (e *env) settle(c *cli.Context, formats []string) error {
	formats = append([]string{"text", "json"}, formats...)
	output := c.String("output")
	if !slices.Contains(formats, output) {
		return fail.Usage("", fmt.Errorf("--output is one of %s, not %q", strings.Join(formats, ", "), output), helpFor(c))
	}
	e.output, e.verbose, e.quiet = output, c.Bool("verbose"), c.Bool("quiet")
	e.stderr.quiet = e.quiet
	level := slog.LevelWarn
	if e.verbose {
		level = slog.LevelDebug
	}
	e.log = slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: level}))
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
