package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"
)

// exitTopic is the help topic that is no command.
const exitTopic = "exit-codes"

func (e *env) helpCommand() *cli.Command {
	return &cli.Command{
		Name:      "help",
		Aliases:   []string{"h"},
		Usage:     "help for crossring, for a command, or for the topic " + exitTopic,
		ArgsUsage: "[COMMAND...]",
		Action:    e.action(help),
	}
}

func help(_ context.Context, _ *env, c *cli.Context) (answer, error) {
	root := grammar(c.App)
	words := c.Args().Slice()
	if slices.Equal(words, []string{exitTopic}) {
		doc := struct {
			ExitCodes []exitRow `json:"exit_codes"`
		}{exitRows()}
		return answer{doc: doc, text: writeExitTable}, nil
	}
	cmd, path := root, []string{root.name}
	commands := c.App.Commands
	description := ""
	for i, word := range words {
		sub, ok := cmd.find(word)
		if !ok {
			l := line{root: root, cmd: cmd, path: words[:i], given: append([]string{"help"}, words...)}
			return answer{}, l.unknownCommand(word)
		}
		cmd, path = sub, append(path, sub.name)
		for _, c := range commands {
			if c.Name == sub.name {
				description, commands = c.Description, c.Subcommands
				break
			}
		}
	}
	text := helpText(root, cmd, path, c.App.Usage, description)
	doc := struct {
		Help string `json:"help"`
	}{text}
	return answer{doc: doc, text: func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}}, nil
}

// helpText is the help of one command, or of the root: what it does, how it is
// typed, its commands, its flags and the common ones.
func helpText(root, cmd command, path []string, about, description string) string {
	var b strings.Builder
	atRoot := len(path) == 1
	if !atRoot {
		about = cmd.usage
	}
	fmt.Fprintf(&b, "%s: %s\n", strings.Join(path, " "), about)
	if description != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(description))
	}

	words := slices.Clone(path)
	if len(cmd.subs) > 0 {
		words = append(words, "COMMAND")
	}
	if len(cmd.flags) > 0 || atRoot {
		words = append(words, "[FLAGS]")
	}
	if cmd.args != "" {
		words = append(words, cmd.args)
	}
	fmt.Fprintf(&b, "\nusage:\n  %s\n", strings.Join(words, " "))

	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	category := "\x00"
	for _, sub := range cmd.subs {
		if sub.hidden {
			continue
		}
		if sub.category != category {
			category = sub.category
			heading := "commands"
			if category != "" {
				heading = category
			}
			fmt.Fprintf(tw, "\n%s:\n", heading)
		}
		fmt.Fprintf(tw, "  %s\t%s\n", strings.Join(append([]string{sub.name}, sub.aliases...), ", "), sub.usage)
	}
	if !atRoot {
		writeFlags(tw, "flags", cmd.flags)
	}
	writeFlags(tw, "common flags", slices.Concat(root.flags, answeredFlags))
	_ = tw.Flush() // into memory: it cannot fail
	fmt.Fprintf(&b, "\nFlags may stand before, between and after the arguments; -- ends them.\nExit codes: %s help %s\n", root.name, exitTopic)
	return b.String()
}

func writeFlags(w io.Writer, heading string, flags []flagDef) {
	headed := false
	for _, f := range flags {
		if f.hidden {
			continue
		}
		if !headed {
			headed = true
			fmt.Fprintf(w, "\n%s:\n", heading)
		}
		fmt.Fprintf(w, "  %s\n", f.help)
	}
}
