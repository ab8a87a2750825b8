package cli

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"crossring/internal/cli/app"
	"crossring/internal/cli/line"
	"crossring/internal/fail"

	"github.com/urfave/cli/v2"
)

// The command tree must keep to what reorder relies on.
func TestCommandTree(t *testing.T) {
	e := &app.Env{}
	tree := e.App(commands(e))
	root := line.Grammar(tree)
	check := func(path string, c line.Command, flags []cli.Flag) {
		if c.Usage == "" && path != "crossring" {
			t.Errorf("%s: no usage line", path)
		}
		if len(c.Subs) > 0 && len(c.Flags) > 0 && path != "crossring" {
			t.Errorf("%s: has subcommands and flags; put the flags on the subcommands", path)
		}
		for _, f := range flags {
			if d, ok := f.(cli.DocGenerationFlag); ok && len(d.GetEnvVars()) > 0 {
				t.Errorf("%s: --%s has EnvVars, which would beat the flag given on another level", path, f.Names()[0])
			}
		}
		for _, f := range c.Flags {
			for _, name := range append(slices.Clone(f.Aliases), f.Name) {
				if name[0] >= '0' && name[0] <= '9' {
					t.Errorf("%s: flag %s looks like a negative number", path, name)
				}
				dashed := "--" + name
				if len(name) == 1 {
					dashed = "-" + name
				}
				if _, taken := line.FindFlag(root.Flags, dashed); taken && path != "crossring" {
					t.Errorf("%s: %s is a common flag", path, dashed)
				}
				if _, taken := line.FindFlag(line.Answered, dashed); taken {
					t.Errorf("%s: %s is answered by a command", path, dashed)
				}
			}
		}
	}
	check("crossring", root, tree.Flags)
	var descend func(path string, commands []*cli.Command)
	descend = func(path string, commands []*cli.Command) {
		for _, c := range commands {
			check(path+" "+c.Name, line.GrammarOf(c), c.Flags)
			if !c.HideHelp || !c.HideHelpCommand || c.OnUsageError == nil {
				t.Errorf("%s %s: urfave's own help or usage error is on", path, c.Name)
			}
			descend(path+" "+c.Name, c.Subcommands)
		}
	}
	descend("crossring", tree.Commands)
	for _, typed := range []string{"nodetool gk:1 -- tablestats -H ks.a ks.b", "nodetool gk:1 ring ks", "fault latency gk a b --rtt 5ms", "stress write gk"} {
		if _, err := line.Reorder(root, strings.Fields(typed)); err != nil {
			t.Errorf("%s: %v", typed, err)
		}
	}
	for _, row := range app.ExitRows() {
		hint := app.HintOf(&fail.Error{Code: row.Code, Err: errors.New("what has no hint of its own")})
		if row.Code == fail.ExitOK || hint == "" {
			continue
		}
		if _, err := line.Reorder(root, strings.Fields(hint)[1:]); err != nil {
			t.Errorf("exit code %d: hint %q: %v", row.Code, hint, err)
		}
	}
}
