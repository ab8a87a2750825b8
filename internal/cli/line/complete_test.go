package line

import (
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func completing() Command {
	none := func(*cli.Context) error { return nil }
	return Grammar(&cli.App{
		Name:  "crossring",
		Flags: []cli.Flag{&cli.StringFlag{Name: "state"}, &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}}},
		Commands: []*cli.Command{
			{Name: "up", ArgsUsage: "[NAME]", Action: none, Flags: []cli.Flag{&cli.StringFlag{Name: "file", Aliases: []string{"f"}}, &cli.BoolFlag{Name: "yes"}, &cli.BoolFlag{Name: "secret", Hidden: true}}},
			{Name: "exec", ArgsUsage: "NAME[:NODE] [--] COMMAND [ARG...]", Action: none},
			{Name: "logs", ArgsUsage: "NAME [NODE...]", Action: none},
			{Name: "fault", Subcommands: []*cli.Command{{Name: "cut", ArgsUsage: "NAME REGION", Action: none}, {Name: "heal", Action: none}}},
			{Name: "hidden", Hidden: true, Action: none},
		},
	})
}

func TestComplete(t *testing.T) {
	cases := map[string]Wanted{
		"":                    {Words: []string{"exec", "fault", "logs", "up"}},
		"u":                   {Words: []string{"up"}},
		"nothing":             {},
		"up ":                 {Arg: "NAME"},
		"up --":               {Words: []string{"--file", "--help", "--quiet", "--state", "--version", "--yes"}},
		"up --f":              {Words: []string{"--file"}},
		"up -f ":              {Value: "file"},
		"up --file ":          {Value: "file"},
		"up --file=x ":        {Arg: "NAME"},
		"up --yes ":           {Arg: "NAME"},
		"up -f x ":            {Arg: "NAME"},
		"up lab ":             {},
		"--state ":            {Value: "state"},
		"--state dir fa":      {Words: []string{"fault"}},
		"fault ":              {Words: []string{"cut", "heal"}},
		"fault cut ":          {Arg: "NAME"},
		"fault cut lab us":    {Arg: "REGION"},
		"fault cut lab us x":  {},
		"exec lab:":           {Arg: "NAME[:NODE]"},
		"logs lab a b c":      {Arg: "NODE"},
		"up --unknown x --fi": {Words: []string{"--file"}},
		"up -- --fi":          {Arg: "NAME"},
	}
	for typed, want := range cases {
		got := Complete(completing(), strings.Split(typed, " "))
		if !slices.Equal(got.Words, want.Words) || got.Arg != want.Arg || got.Value != want.Value {
			t.Errorf("%q: %+v, want %+v", typed, got, want)
		}
	}
}

// Nothing that is typed makes it fail, and each word begins with what was typed.
func FuzzComplete(f *testing.F) {
	f.Add("up --f")
	f.Add("fault cut lab \x00 --")
	root := completing()
	f.Fuzz(func(t *testing.T, typed string) {
		words := strings.Split(typed, " ")
		for _, w := range Complete(root, words).Words {
			if !strings.HasPrefix(w, words[len(words)-1]) {
				t.Errorf("%q: %q", typed, w)
			}
		}
	})
}
