// Package line reads a command line by the tree of commands and puts it into the order
// that urfave/cli reads reliably. Pure.
package line

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"crossring/internal/fail"
	"crossring/internal/plain"

	"github.com/urfave/cli/v2"
)

// Command is what reorder knows of a command: one node of the command tree.
type Command struct {
	Name     string
	Aliases  []string
	Args     string // positional arguments as shown in help: "CLUSTER [NODE...]"
	Usage    string
	Category string
	Hidden   bool
	Flags    []Flag
	Subs     []Command
	runnable bool // a group that does something by itself
	minArgs  int
	maxArgs  int // -1: no limit
}

// Flag is what reorder knows of a flag.
type Flag struct {
	Name       string
	Aliases    []string
	TakesValue bool
	kind       valueKind
	Required   bool
	Hidden     bool
	Help       string // name and usage, separated by a tab
}

// Two flags are answered by commands: wherever they stand, the line becomes
// "help …" or "version". Left to urfave, --help would print to the wrong
// stream and -v would mean --version.
var Answered = []Flag{
	{Name: "help", Aliases: []string{"h"}, Help: "--help, -h\tshow help"},
	{Name: "version", Help: "--version\tshow the version"},
}

// Grammar reads the command tree of an app, so that the flags and commands are
// written down once, where urfave has them. Root's flags are the common ones.
func Grammar(app *cli.App) Command {
	root := Command{Name: app.Name, Flags: flagDefs(app.Flags), maxArgs: -1}
	for _, c := range app.Commands {
		root.Subs = append(root.Subs, GrammarOf(c))
	}
	return root
}

func GrammarOf(c *cli.Command) Command {
	cmd := Command{
		Name: c.Name, Aliases: c.Aliases, Usage: c.Usage, Category: c.Category,
		Hidden: c.Hidden, Flags: flagDefs(c.Flags), runnable: c.Action != nil,
	}
	if len(c.Subcommands) == 0 { // what follows a group is a subcommand's name, never an argument
		cmd.Args = c.ArgsUsage
		cmd.minArgs, cmd.maxArgs = argLimits(c.ArgsUsage)
	}
	for _, sub := range c.Subcommands {
		cmd.Subs = append(cmd.Subs, GrammarOf(sub))
	}
	return cmd
}

func flagDefs(flags []cli.Flag) []Flag {
	var defs []Flag
	for _, f := range flags {
		names := f.Names()
		def := Flag{Name: names[0], Aliases: names[1:], TakesValue: true, kind: valueKindOf(f), Help: f.String()}
		if d, ok := f.(cli.DocGenerationFlag); ok {
			if def.TakesValue = d.TakesValue(); !def.TakesValue {
				def.Help = strings.TrimSuffix(def.Help, " (default: false)") // goes without saying
			}
		}
		if r, ok := f.(cli.RequiredFlag); ok {
			def.Required = r.IsRequired()
		}
		if v, ok := f.(cli.VisibleFlag); ok {
			def.Hidden = !v.IsVisible()
		}
		defs = append(defs, def)
	}
	return defs
}

// argLimits reads the number of positional arguments off their help text:
// brackets mean optional, an ellipsis at the end of a word means any number.
func argLimits(usage string) (lowest, highest int) {
	optional := 0
	for word := range strings.FieldsSeq(usage) {
		if word == "--" || word == "[--]" {
			continue
		}
		opened := strings.HasPrefix(word, "[")
		if opened || optional > 0 {
			optional += strings.Count(word, "[") - strings.Count(word, "]")
		} else {
			lowest++
		}
		if bare := strings.TrimRight(word, "]"); strings.HasSuffix(bare, "...") || strings.HasSuffix(bare, "…") {
			highest = -1
		} else if highest >= 0 {
			highest++
		}
	}
	return lowest, highest
}

// Find looks a subcommand up by name or alias.
func (c Command) Find(name string) (Command, bool) {
	for _, sub := range c.Subs {
		if sub.Name == name || slices.Contains(sub.Aliases, name) {
			return sub, true
		}
	}
	return Command{}, false
}

// FindFlag looks up a flag as it was typed, with its dashes: long names take
// two, one-letter names take one.
func FindFlag(defs []Flag, typed string) (Flag, bool) {
	name, long := strings.CutPrefix(typed, "--")
	if !long {
		name = strings.TrimPrefix(typed, "-")
	}
	if long != (len(name) > 1) {
		return Flag{}, false
	}
	for _, d := range defs {
		if d.Name == name || slices.Contains(d.Aliases, name) {
			return d, true
		}
	}
	return Flag{}, false
}

// flagLike tells a flag from a positional argument. A lone dash is standard
// input, and a number may be negative: no flag starts with a digit.
func flagLike(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && (arg[1] < '0' || arg[1] > '9')
}

// line is a command line being read.
type line struct {
	root   Command
	given  []string // as typed, for hints
	cmd    Command
	path   []string
	common []string // flags of root, as --name or --name=value
	own    []string // flags of cmd
	seen   []string // names of the flags of cmd
	words  []string // positional arguments
	answer string   // "help" or "version", when such a flag is given
}

// Reorder puts a command line (without the program's name) into the one order
// that urfave/cli v2 reads reliably:
//
//	common flags, command, its flags, --, positional arguments
//
// with every flag under its first name and its value behind an equals sign. It
// is needed because urfave says nothing when it misreads: a flag after a
// positional argument becomes an argument. What cannot be put in order is a
// usage error. Pure, and what it returns it leaves unchanged.
func Reorder(root Command, args []string) ([]string, error) {
	l := line{root: root, given: args, cmd: root}
	ended := false
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case ended || !flagLike(arg):
			if err := l.word(arg); err != nil {
				return nil, err
			}
		case arg == "--":
			ended = true
		default:
			used, err := l.flag(arg, args[i+1:])
			if err != nil {
				return nil, err
			}
			i += used
		}
	}
	return l.finish()
}

// word takes a positional argument: a command's name until the command is
// known, an argument of it from then on.
func (l *line) word(arg string) error {
	if sub, ok := l.cmd.Find(arg); ok && len(l.words) == 0 {
		l.cmd, l.path = sub, append(l.path, sub.Name)
		return nil
	}
	if len(l.cmd.Subs) > 0 && l.answer == "" {
		return l.unknownCommand(arg)
	}
	l.words = append(l.words, arg)
	return nil
}

// flag takes a flag and says how many of the following arguments it used.
func (l *line) flag(arg string, rest []string) (used int, err error) {
	typed, value, hasValue := strings.Cut(arg, "=")
	def, own := FindFlag(l.cmd.Flags, typed)
	own = own && len(l.path) > 0
	if !own {
		if d, ok := FindFlag(Answered, typed); ok && !hasValue {
			if l.answer == "" {
				l.answer = d.Name
			}
			return 0, nil
		}
		var ok bool
		if def, ok = FindFlag(l.root.Flags, typed); !ok {
			return 0, l.unknownFlag(typed)
		}
	}
	out := "--" + def.Name
	switch {
	case def.TakesValue && !hasValue:
		if len(rest) == 0 {
			return 0, l.usage("flag %s needs a value", typed)
		}
		// The next argument is taken as it is, unless it is plainly the next
		// flag: then the value was forgotten.
		if flagLike(rest[0]) {
			return 0, l.usage("flag %s needs a value and %s follows; write %s=%s if that is the value", typed, rest[0], typed, rest[0])
		}
		used, value, hasValue = 1, rest[0], true
	case !def.TakesValue && hasValue:
		if _, err := strconv.ParseBool(value); err != nil {
			return 0, l.usage("flag %s is true or false, not %q", typed, value)
		}
	}
	if hasValue {
		if def.TakesValue {
			if err := def.kind.check(typed, value); err != nil {
				return 0, l.usage("%w", err)
			}
		}
		out += "=" + value
	}
	if own {
		l.own, l.seen = append(l.own, out), append(l.seen, def.Name)
	} else {
		l.common = append(l.common, out)
	}
	return used, nil
}

// finish checks what can be checked only at the end, and puts it together.
func (l *line) finish() ([]string, error) {
	out := slices.Clone(l.common)
	switch l.answer {
	case "version":
		return append(out, "version"), nil
	case "help":
		words := slices.Clone(l.path)
		switch {
		case len(l.path) > 0 && l.path[0] == "help":
			words = l.words
		case len(l.cmd.Subs) > 0: // a name that is no command: help says so
			words = append(words, l.words...)
		}
		return withWords(append(out, "help"), words), nil
	}
	if len(l.cmd.Subs) > 0 && (!l.cmd.runnable || len(l.path) == 0) {
		var names []string
		for _, sub := range l.cmd.Subs {
			if !sub.Hidden {
				names = append(names, sub.Name)
			}
		}
		if len(l.path) == 0 {
			return nil, l.usage("no command given")
		}
		return nil, l.usage("%s needs one of %s", strings.Join(l.path, " "), strings.Join(names, ", "))
	}
	for _, d := range l.cmd.Flags {
		if len(l.path) > 0 && d.Required && !slices.Contains(l.seen, d.Name) {
			return nil, l.usage("%s needs flag --%s", strings.Join(l.path, " "), d.Name)
		}
	}
	if n := len(l.words); n < l.cmd.minArgs || (l.cmd.maxArgs >= 0 && n > l.cmd.maxArgs) {
		if l.cmd.Args == "" {
			return nil, l.usage("%s takes no arguments, got %q", strings.Join(l.path, " "), l.words)
		}
		return nil, l.usage("%s takes %s, got %s", strings.Join(l.path, " "), l.cmd.Args, plain.Count(n, "argument"))
	}
	return withWords(append(append(out, l.path...), l.own...), l.words), nil
}

func withWords(out, words []string) []string {
	if len(words) == 0 {
		return out
	}
	return append(append(out, "--"), words...)
}

// usage is a usage error whose hint is the command's help.
func (l *line) usage(format string, args ...any) error {
	return fail.Usage("", fmt.Errorf(format, args...), l.helpHint())
}

func (l *line) helpHint() string {
	return strings.Join(append([]string{l.root.Name, "help"}, l.path...), " ")
}
