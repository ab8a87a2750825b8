package app

import (
	"os"
	"path/filepath"
	"testing"

	"crossring/internal/cli/line"
	"crossring/internal/fail"

	"github.com/urfave/cli/v2"
)

func TestStateDir(t *testing.T) {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	type vars map[string]string
	for _, tt := range []struct {
		name  string
		flag  string
		given bool
		env   vars
		want  string // "" is a usage error
	}{
		{"flag beats all", "/flag", true, vars{"CROSSRING_STATE": "/env", "XDG_STATE_HOME": "/xdg", "HOME": "/home/u"}, "/flag"},
		{"relative flag", "here", true, vars{}, filepath.Join(wd, "here")},
		{"empty flag", "", true, vars{"CROSSRING_STATE": "/env"}, ""},
		{"environment", "", false, vars{"CROSSRING_STATE": "/env", "XDG_STATE_HOME": "/xdg", "HOME": "/home/u"}, "/env"},
		{"empty environment", "", false, vars{"CROSSRING_STATE": "", "XDG_STATE_HOME": "/xdg"}, "/xdg/crossring"},
		{"XDG", "", false, vars{"XDG_STATE_HOME": "/xdg", "HOME": "/home/u"}, "/xdg/crossring"},
		{"relative XDG is ignored", "", false, vars{"XDG_STATE_HOME": "xdg", "HOME": "/home/u"}, "/home/u/.local/state/crossring"},
		{"home", "", false, vars{"HOME": "/home/u"}, "/home/u/.local/state/crossring"},
		{"nothing", "", false, vars{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := stateDir(tt.flag, tt.given, func(k string) (string, bool) { v, ok := tt.env[k]; return v, ok })
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
			if err != nil && exitRowOf(err).Code != fail.ExitUsage {
				t.Errorf("%v: exit code %d", err, exitRowOf(err).Code)
			}
		})
	}
}

// A flag beats the file, and the file beats the flag's default.
func TestOverride(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		file int64 // what cluster.yaml, or the default, says
		want int64
	}{
		{"flag beats file", []string{"--rows", "5"}, 7, 5},
		{"file beats the flag's default", nil, 7, 7},
		{"flag may be zero", []string{"--rows", "0"}, 7, 0},
		{"by its short name", []string{"-n", "6"}, 7, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, dc, resolve := tt.file, "us-east", true
			e := &Env{}
			app := e.App([]*cli.Command{{
				Name: "write",
				Flags: []cli.Flag{
					&cli.Int64Flag{Name: "rows", Aliases: []string{"n"}, Value: 1000},
					&cli.StringFlag{Name: "dc"},
					&cli.BoolFlag{Name: "resolve"},
				},
				Action: func(c *cli.Context) error {
					Override(c, "rows", &got)
					Override(c, "dc", &dc)
					Override(c, "resolve", &resolve)
					return nil
				},
			}})
			ordered, err := line.Reorder(line.Grammar(app), append([]string{"write"}, tt.args...))
			if err != nil {
				t.Fatal(err)
			}
			if err := app.Run(append([]string{"crossring"}, ordered...)); err != nil {
				t.Fatal(err)
			}
			if got != tt.want || dc != "us-east" || !resolve {
				t.Errorf("rows %d, want %d; dc %q, resolve %t", got, tt.want, dc, resolve)
			}
		})
	}
}
