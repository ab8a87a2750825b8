package cli

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"crossring/internal/cli/app"

	"github.com/urfave/cli/v2"
)

// TestHelpIsShort: what the help says is read on a terminal, by somebody in a hurry. A
// sentence is at most 30 words long.
func TestHelpIsShort(t *testing.T) {
	const most = 30
	ends := regexp.MustCompile(`[.?](\s|$)|\n\n`)
	sentences := func(where, text string) {
		for _, s := range ends.Split(text, -1) {
			if n := len(strings.Fields(s)); n > most {
				t.Errorf("%s: %d words: %s", where, n, strings.Join(strings.Fields(s), " "))
			}
		}
	}
	var walk func(path string, all []*cli.Command)
	walk = func(path string, all []*cli.Command) {
		for _, c := range all {
			name := path + " " + c.Name
			sentences(name, c.Usage)
			sentences(name, c.Description)
			for _, f := range c.Flags {
				if d, ok := f.(cli.DocGenerationFlag); ok {
					sentences(name+" --"+f.Names()[0], d.GetUsage())
				}
			}
			walk(name, c.Subcommands)
		}
	}
	walk("crossring", commands(&app.Env{Stdin: strings.NewReader(""), Stdout: io.Discard}))
}
