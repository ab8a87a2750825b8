package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"crossring/internal/fail"
	"crossring/internal/plain"

	"github.com/urfave/cli/v2"
)

// command is what reorder knows of a command: one node of the command tree.
type command struct {
	name     string
	aliases  []string
	args     string // positional arguments as shown in help: "CLUSTER [NODE...]"
	usage    string
	category string
	hidden   bool
	flags    []flagDef
	subs     []command
	runnable bool // a group that does something by itself
	minArgs  int
	maxArgs  int // -1: no limit
}

// flagDef is what reorder knows of a flag.
type flagDef struct {
	name       string
	aliases    []string
	takesValue bool
	kind       valueKind
	required   bool
	hidden     bool
	help       string // name and usage, separated by a tab
}

// Two flags are answered by commands: wherever they stand, the line becomes
// "help …" or "version". Left to urfave, --help would print to the wrong
// stream and -v would mean --version.
var answeredFlags = []flagDef{
	{name: "help", aliases: []string{"h"}, help: "--help, -h\tshow help"},
	{name: "version", help: "--version\tshow the version"},
}

// grammar reads the command tree of an app, so that the flags and commands are
// written down once, where urfave has them. Root's flags are the common ones.
func grammar(app *cli.App) command {
	root := command{name: app.Name, flags: flagDefs(app.Flags), maxArgs: -1}
	for _, c := range app.Commands {
		root.subs = append(root.subs, grammarOf(c))
	}
	return root
}

func grammarOf(c *cli.Command) command {
	cmd := command{
		name: c.Name, aliases: c.Aliases, usage: c.Usage, category: c.Category,
		hidden: c.Hidden, flags: flagDefs(c.Flags), runnable: c.Action != nil,
	}
	if len(c.Subcommands) == 0 { // what follows a group is a subcommand's name, never an argument
		cmd.args = c.ArgsUsage
		cmd.minArgs, cmd.maxArgs = argLimits(c.ArgsUsage)
	}
	for _, sub := range c.Subcommands {
		cmd.subs = append(cmd.subs, grammarOf(sub))
	}
	return cmd
}

func flagDefs(flags []cli.Flag) []flagDef {
	var defs []flagDef
	for _, f := range flags {
		names := f.Names()
		def := flagDef{name: names[0], aliases: names[1:], takesValue: true, kind: valueKindOf(f), help: f.String()}
		if d, ok := f.(cli.DocGenerationFlag); ok {
			if def.takesValue = d.TakesValue(); !def.takesValue {
				def.help = strings.TrimSuffix(def.help, " (default: false)") // goes without saying
			}
		}
		if r, ok := f.(cli.RequiredFlag); ok {
			def.required = r.IsRequired()
		}
		if v, ok := f.(cli.VisibleFlag); ok {
			def.hidden = !v.IsVisible()
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

// find looks a subcommand up by name or alias.
func (c command) find(name string) (command, bool) {
	for _, sub := range c.subs {
		if sub.name == name || slices.Contains(sub.aliases, name) {
			return sub, true
		}
	}
	return command{}, false
}

// findFlag looks up a flag as it was typed, with its dashes: long names take
// two, one-letter names take one.
func findFlag(defs []flagDef, typed string) (flagDef, bool) {
	name, long := strings.CutPrefix(typed, "--")
	if !long {
		name = strings.TrimPrefix(typed, "-")
	}
	if long != (len(name) > 1) {
		return flagDef{}, false
	}
	for _, d := range defs {
		if d.name == name || slices.Contains(d.aliases, name) {
			return d, true
		}
	}
	return flagDef{}, false
}

// flagLike tells a flag from a positional argument. A lone dash is standard
// input, and a number may be negative: no flag starts with a digit.
func flagLike(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && (arg[1] < '0' || arg[1] > '9')
}

// line is a command line being read.
type line struct {
	root   command
	given  []string // as typed, for hints
	cmd    command
	path   []string
	common []string // flags of root, as --name or --name=value
	own    []string // flags of cmd
	seen   []string // names of the flags of cmd
	words  []string // positional arguments
	answer string   // "help" or "version", when such a flag is given
}

// reorder puts a command line (without the program's name) into the one order
// that urfave/cli v2 reads reliably:
//
//	common flags, command, its flags, --, positional arguments
//
// with every flag under its first name and its value behind an equals sign. It
// is needed because urfave says nothing when it misreads: a flag after a
// positional argument becomes an argument. What cannot be put in order is a
// usage error. Pure, and what it returns it leaves unchanged.
func reorder(root command, args []string) ([]string, error) {
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
	if sub, ok := l.cmd.find(arg); ok && len(l.words) == 0 {
		l.cmd, l.path = sub, append(l.path, sub.name)
		return nil
	}
	if len(l.cmd.subs) > 0 && l.answer == "" {
		return l.unknownCommand(arg)
	}
	l.words = append(l.words, arg)
	return nil
}

// flag takes a flag and says how many of the following arguments it used.
func (l *line) flag(arg string, rest []string) (used int, err error) {
	typed, value, hasValue := strings.Cut(arg, "=")
	def, own := findFlag(l.cmd.flags, typed)
	own = own && len(l.path) > 0
	if !own {
		if d, ok := findFlag(answeredFlags, typed); ok && !hasValue {
			if l.answer == "" {
				l.answer = d.name
			}
			return 0, nil
		}
		var ok bool
		if def, ok = findFlag(l.root.flags, typed); !ok {
			return 0, l.unknownFlag(typed)
		}
	}
	out := "--" + def.name
	switch {
	case def.takesValue && !hasValue:
		if len(rest) == 0 {
			return 0, l.usage("flag %s needs a value", typed)
		}
		// The next argument is taken as it is, unless it is plainly the next
		// flag: then the value was forgotten.
		if flagLike(rest[0]) {
			return 0, l.usage("flag %s needs a value and %s follows; write %s=%s if that is the value", typed, rest[0], typed, rest[0])
		}
		used, value, hasValue = 1, rest[0], true
	case !def.takesValue && hasValue:
		if _, err := strconv.ParseBool(value); err != nil {
			return 0, l.usage("flag %s is true or false, not %q", typed, value)
		}
	}
	if hasValue {
		if def.takesValue {
			if err := def.kind.check(typed, value); err != nil {
				return 0, l.usage("%w", err)
			}
		}
		out += "=" + value
	}
	if own {
		l.own, l.seen = append(l.own, out), append(l.seen, def.name)
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
		case len(l.cmd.subs) > 0: // a name that is no command: help says so
			words = append(words, l.words...)
		}
		return withWords(append(out, "help"), words), nil
	}
	if len(l.cmd.subs) > 0 && (!l.cmd.runnable || len(l.path) == 0) {
		var names []string
		for _, sub := range l.cmd.subs {
			if !sub.hidden {
				names = append(names, sub.name)
			}
		}
		if len(l.path) == 0 {
			return nil, l.usage("no command given")
		}
		return nil, l.usage("%s needs one of %s", strings.Join(l.path, " "), strings.Join(names, ", "))
	}
	for _, d := range l.cmd.flags {
		if len(l.path) > 0 && d.required && !slices.Contains(l.seen, d.name) {
			return nil, l.usage("%s needs flag --%s", strings.Join(l.path, " "), d.name)
		}
	}
	if n := len(l.words); n < l.cmd.minArgs || (l.cmd.maxArgs >= 0 && n > l.cmd.maxArgs) {
		if l.cmd.args == "" {
			return nil, l.usage("%s takes no arguments, got %q", strings.Join(l.path, " "), l.words)
		}
		return nil, l.usage("%s takes %s, got %s", strings.Join(l.path, " "), l.cmd.args, plain.Count(n, "argument"))
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
	return strings.Join(append([]string{l.root.name, "help"}, l.path...), " ")
}
