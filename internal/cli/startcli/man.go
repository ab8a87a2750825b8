package startcli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"crossring/internal/cli/app"
	"crossring/internal/cli/line"
	"crossring/internal/safely"

	"github.com/urfave/cli/v2"
)

// manDocument is the answer of man.
type manDocument struct {
	Pages []manPage `json:"pages"`
}

type manPage struct {
	Name string `json:"name"` // of the file: crossring-up.1
	Text string `json:"text"` // in roff, with the macros of man
}

// Man prints crossring's manual pages, which are made from the help.
func Man(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "man", Usage: "the manual page of crossring or of a command, for man",
		ArgsUsage: "[COMMAND...]",
		Description: "Prints one page, or with --to writes all.\n\n" +
			"  crossring man up | man -l -\n" +
			"  crossring man --to ~/.local/share/man/man1",
		Flags:  []cli.Flag{&cli.StringFlag{Name: "to", Usage: "write all pages into `DIR`"}},
		Action: e.Action(manual),
	}
}

func manual(_ context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	root := line.Grammar(c.App)
	pages := manPages(root, c.App.Commands, c.App.Usage, app.ExitRows())
	if dir := c.String("to"); dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return app.Answer{}, fmt.Errorf("making the directory of the pages: %w", err)
		}
		for _, p := range pages {
			if err := safely.Write(filepath.Join(dir, p.Name), []byte(p.Text), 0o644); err != nil {
				return app.Answer{}, err
			}
		}
		app.Note(e.Stderr, "%d pages are in %s", len(pages), dir)
		return app.Answer{Doc: manDocument{pages}}, nil
	}
	words := c.Args().Slice()
	name := strings.Join(append([]string{root.Name}, words...), "-") + ".1"
	i := slices.IndexFunc(pages, func(p manPage) bool { return p.Name == name })
	if i < 0 {
		cmd, k := root, 0
		for ; k < len(words); k++ {
			sub, ok := cmd.Find(words[k])
			if !ok {
				break
			}
			cmd = sub
		}
		k = min(k, len(words)-1)
		return app.Answer{}, line.Unknown(root, cmd, words[:k], append([]string{"man"}, words...), words[k])
	}
	return app.Answer{Doc: manDocument{pages[i : i+1]}, Text: func(out io.Writer) error {
		_, err := io.WriteString(out, pages[i].Text)
		return err
	}}, nil
}

// manPages are the pages of the program and of all its commands that are shown.
func manPages(root line.Command, commands []*cli.Command, about string, exits []app.ExitRow) []manPage {
	var b strings.Builder
	head(&b, root.Name, about)
	synopsis(&b, []string{root.Name, "COMMAND"}, true, "")
	b.WriteString(".SH COMMANDS\n")
	for _, sub := range root.Subs {
		if !sub.Hidden {
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fR\n%s\n", roff(sub.Name), roff(sub.Usage))
		}
	}
	flags(&b, "OPTIONS", slices.Concat(root.Flags, line.Answered))
	b.WriteString(".SH EXIT STATUS\n")
	for _, row := range exits {
		fmt.Fprintf(&b, ".TP\n\\fB%d\\fR\n%s: %s\n", row.Code, roff(row.Name), roff(row.Meaning))
	}
	pages := []manPage{{root.Name + ".1", b.String()}}
	var walk func(path []string, all []*cli.Command, of line.Command)
	walk = func(path []string, all []*cli.Command, of line.Command) {
		for _, c := range all {
			cmd, ok := of.Find(c.Name)
			if !ok || c.Hidden {
				continue
			}
			path := append(slices.Clone(path), c.Name)
			var b strings.Builder
			head(&b, strings.Join(path, "-"), cmd.Usage)
			words := path
			if len(cmd.Subs) > 0 {
				words = append(slices.Clone(path), "COMMAND")
			}
			synopsis(&b, words, len(cmd.Flags) > 0, cmd.Args)
			if c.Description != "" {
				b.WriteString(".SH DESCRIPTION\n")
				prose(&b, c.Description)
			}
			if len(cmd.Subs) > 0 {
				b.WriteString(".SH COMMANDS\n")
				for _, sub := range cmd.Subs {
					if !sub.Hidden {
						fmt.Fprintf(&b, ".TP\n\\fB%s\\fR\n%s\n", roff(sub.Name), roff(sub.Usage))
					}
				}
			}
			flags(&b, "OPTIONS", cmd.Flags)
			flags(&b, "COMMON OPTIONS", slices.Concat(root.Flags, line.Answered))
			fmt.Fprintf(&b, ".SH SEE ALSO\n.BR %s (1),\nwhich has the exit status\n", roff(root.Name))
			pages = append(pages, manPage{strings.Join(path, "-") + ".1", b.String()})
			walk(path, c.Subcommands, cmd)
		}
	}
	walk([]string{root.Name}, commands, root)
	return pages
}

func head(b *strings.Builder, name, about string) {
	fmt.Fprintf(b, ".TH %s 1\n.SH NAME\n%s \\- %s\n", strings.ToUpper(roff(name)), roff(name), roff(about))
}

func synopsis(b *strings.Builder, words []string, flags bool, args string) {
	fmt.Fprintf(b, ".SH SYNOPSIS\n\\fB%s\\fR", roff(strings.Join(words, " ")))
	if flags {
		b.WriteString(" [FLAGS]")
	}
	if args != "" {
		b.WriteString(" " + roff(args))
	}
	b.WriteString("\n")
}

// prose is a description: paragraphs, and lines that are indented, which stay as they are.
func prose(b *strings.Builder, text string) {
	for _, part := range strings.Split(strings.TrimSpace("\n"+text), "\n\n") {
		b.WriteString(".PP\n")
		example := false
		for line := range strings.Lines(part) {
			line = strings.TrimRight(line, "\n")
			if indented := strings.HasPrefix(line, "  "); indented != example {
				example = indented
				b.WriteString(map[bool]string{true: ".nf\n", false: ".fi\n"}[indented])
			}
			b.WriteString(roff(line) + "\n")
		}
		if example {
			b.WriteString(".fi\n")
		}
	}
}

func flags(b *strings.Builder, heading string, all []line.Flag) {
	headed := false
	for _, f := range all {
		if f.Hidden {
			continue
		}
		if !headed {
			headed = true
			fmt.Fprintf(b, ".SH %s\n", heading)
		}
		name, usage, _ := strings.Cut(f.Help, "\t")
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR\n%s\n", roff(strings.TrimSpace(name)), roff(strings.TrimSpace(usage)))
	}
}

// roff escapes text: backslashes, dashes that are typed, quotes, and what would be a
// request at the beginning of a line.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "~", `\(ti`, "^", `\(ha`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
