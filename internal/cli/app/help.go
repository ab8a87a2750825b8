package app

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"crossring/internal/cli/line"

	"github.com/urfave/cli/v2"
)

// exitTopic is the help topic that is no command.
const exitTopic = "exit-codes"

// HelpCommand explains commands and exit codes.
func HelpCommand(e *Env) *cli.Command {
	return &cli.Command{
		Name:      "help",
		Aliases:   []string{"h"},
		Usage:     "help for crossring, for a command, or for the topic " + exitTopic,
		ArgsUsage: "[COMMAND...]",
		Action:    e.Action(help),
	}
}

func help(_ context.Context, _ *Env, c *cli.Context) (Answer, error) {
	root := line.Grammar(c.App)
	words := c.Args().Slice()
	if slices.Equal(words, []string{exitTopic}) {
		doc := struct {
			ExitCodes []ExitRow `json:"exit_codes"`
		}{ExitRows()}
		return Answer{Doc: doc, Text: writeExitTable}, nil
	}
	cmd, path := root, []string{root.Name}
	commands := c.App.Commands
	description := ""
	for i, word := range words {
		sub, ok := cmd.Find(word)
		if !ok {
			return Answer{}, line.Unknown(root, cmd, words[:i], append([]string{"help"}, words...), word)
		}
		cmd, path = sub, append(path, sub.Name)
		for _, c := range commands {
			if c.Name == sub.Name {
				description, commands = c.Description, c.Subcommands
				break
			}
		}
	}
	text := helpText(root, cmd, path, c.App.Usage, description)
	doc := struct {
		Help string `json:"help"`
	}{text}
	return Answer{Doc: doc, Text: func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}}, nil
}

// helpText is the help of one command, or of the root: what it does, how it is
// typed, its commands, its flags and the common ones.
func helpText(root, cmd line.Command, path []string, about, description string) string {
	var b strings.Builder
	atRoot := len(path) == 1
	if !atRoot {
		about = cmd.Usage
	}
	fmt.Fprintf(&b, "%s: %s\n", strings.Join(path, " "), about)
	if description != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(description))
	}

	words := slices.Clone(path)
	if len(cmd.Subs) > 0 {
		words = append(words, "COMMAND")
	}
	if len(cmd.Flags) > 0 || atRoot {
		words = append(words, "[FLAGS]")
	}
	if cmd.Args != "" {
		words = append(words, cmd.Args)
	}
	fmt.Fprintf(&b, "\nusage:\n  %s\n", strings.Join(words, " "))

	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	category := "\x00"
	for _, sub := range cmd.Subs {
		if sub.Hidden {
			continue
		}
		if sub.Category != category {
			category = sub.Category
			heading := "commands"
			if category != "" {
				heading = category
			}
			fmt.Fprintf(tw, "\n%s:\n", heading)
		}
		fmt.Fprintf(tw, "  %s\t%s\n", strings.Join(append([]string{sub.Name}, sub.Aliases...), ", "), sub.Usage)
	}
	if !atRoot {
		writeFlags(tw, "flags", cmd.Flags)
	}
	writeFlags(tw, "common flags", slices.Concat(root.Flags, line.Answered))
	_ = tw.Flush() // into memory: it cannot fail
	fmt.Fprintf(&b, "\nFlags may stand before, between and after the arguments; -- ends them.\nExit codes: %s help %s\n", root.Name, exitTopic)
	return b.String()
}

func writeFlags(w io.Writer, heading string, flags []line.Flag) {
	headed := false
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		if !headed {
			headed = true
			fmt.Fprintf(w, "\n%s:\n", heading)
		}
		fmt.Fprintf(w, "  %s\n", f.Help)
	}
}
