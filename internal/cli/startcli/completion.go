package startcli

import (
	"context"
	"embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"crossring/internal/cli/app"
	"crossring/internal/cli/line"
	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/places"
	"crossring/internal/release"
	"crossring/internal/roundtrip"
	"crossring/internal/state"

	"github.com/urfave/cli/v2"
)

// shells are the scripts by shell. Each asks crossring itself for the words.
//
//go:embed shells
var shells embed.FS

// Completion prints what has a shell complete crossring's lines, and answers it.
func Completion(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "what has bash, zsh or fish complete commands, flags and names",
		Description: "  source <(crossring completion bash)                                # in ~/.bashrc\n" +
			"  crossring completion zsh > \"${fpath[1]}/_crossring\"                 # before compinit\n" +
			"  crossring completion fish > ~/.config/fish/completions/crossring.fish\n\n" +
			"Names of clusters, nodes and runs are those of the state directory.",
		Subcommands: []*cli.Command{
			shell(e, "bash"), shell(e, "zsh"), shell(e, "fish"),
			{Name: "words", Usage: "what may stand in place of the last WORD", ArgsUsage: "[WORD...]", Hidden: true, Action: e.Action(words)},
		},
	}
}

func shell(e *app.Env, name string) *cli.Command {
	return &cli.Command{
		Name: name, Usage: "the script for " + name,
		Action: e.Action(func(context.Context, *app.Env, *cli.Context) (app.Answer, error) {
			script, err := shells.ReadFile("shells/" + name)
			if err != nil {
				return app.Answer{}, fmt.Errorf("reading the script for %s: %w", name, err)
			}
			return app.Answer{Doc: map[string]string{"script": string(script)}, Text: func(out io.Writer) error {
				_, err := out.Write(script)
				return err
			}}, nil
		}),
	}
}

// words answers a shell. It says nothing where it knows nothing: whoever types is not to
// be disturbed.
func words(_ context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	typed := c.Args().Slice()
	w, err := e.World(c)
	if err != nil {
		return app.Answer{}, err
	}
	want := line.Complete(line.Grammar(c.App), typed)
	last := ""
	if len(typed) > 0 {
		last = typed[len(typed)-1]
	}
	found := slices.Concat(want.Words, begins(values(w, want.Value), last), begins(args(w, want.Arg, last), last))
	return app.Answer{Doc: map[string][]string{"words": found}, Text: func(out io.Writer) error {
		_, err := io.WriteString(out, strings.Join(append(found, ""), "\n"))
		return err
	}}, nil
}

// begins are the words that begin with what was typed, sorted.
func begins(all []string, typed string) []string {
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(s string) bool { return !strings.HasPrefix(s, typed) })
}

// values are those of a flag, as far as they are names.
func values(w cluster.World, flag string) []string {
	switch flag {
	case "region":
		return roundtrip.Regions()
	case "provider", "for":
		return places.Names()
	case "cassandra":
		return versions()
	case "output":
		return []string{"text", "json"}
	case "run":
		return below(filepath.Join(w.StateDir, "runs"))
	case "cluster":
		return below(filepath.Join(w.StateDir, "clusters"))
	}
	return nil
}

// args are names that may stand for an argument; of clusters, with a node where it takes
// one and a colon was typed.
func args(w cluster.World, arg, typed string) []string {
	var found []string
	for _, one := range strings.Split(arg, "|") {
		switch one {
		case "NAME", "CLUSTER", "NAME[:NODE]":
			clusters := below(filepath.Join(w.StateDir, "clusters"))
			if name, _, colon := strings.Cut(typed, ":"); colon && strings.Contains(one, ":NODE") && slices.Contains(clusters, name) {
				found = append(found, nodes(w, name)...)
				continue
			}
			found = append(found, clusters...)
		case "RUN":
			found = append(found, below(filepath.Join(w.StateDir, "runs"))...)
		case "REGION":
			found = append(found, roundtrip.Regions()...)
		case "COMMAND", "FILE", "DIR", "":
		default:
			if one == strings.ToLower(one) { // a word as it is typed
				found = append(found, one)
			}
		}
	}
	return found
}

// nodes are a cluster's, as they are named on a line.
func nodes(w cluster.World, name string) []string {
	inv, err := state.Inventory(w.StateDir, name)
	if err != nil {
		return nil
	}
	var found []string
	for _, n := range inv.Nodes {
		found = append(found, name+":"+n.Name)
	}
	return found
}

// below are the names in a directory, none where it can't be read.
func below(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

// versions are the series and releases that crossring knows.
func versions() []string {
	found := []string{}
	for _, r := range release.All() {
		found = append(append(found, r.Series), r.Patches...)
	}
	return found
}

// releasesDocument is the answer of releases.
type releasesDocument struct {
	Releases []listedRelease `json:"releases"`
}

type listedRelease struct {
	Version string `json:"version"`
	Series  string `json:"series"`
	Newest  bool   `json:"newest"` // of its series, as far as this crossring knows
	Locked  bool   `json:"locked"` // its jars are held against checksums
	Default bool   `json:"default"`
	JavaMin int    `json:"java_min"`
	JavaMax int    `json:"java_max"`
}

// Releases lists the releases of Cassandra that crossring knows.
func Releases(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "releases", Usage: "the releases of Cassandra that crossring knows: newest of each series, locked, default",
		Description: "A spec names a series, which takes its newest release, or a release in full.\n\n  crossring releases -o json",
		Action: e.Action(func(context.Context, *app.Env, *cli.Context) (app.Answer, error) {
			doc := releasesDocument{Releases: []listedRelease{}}
			for _, r := range release.All() {
				for _, v := range r.Patches {
					doc.Releases = append(doc.Releases, listedRelease{v, r.Series, v == r.Version, true, v == release.Newest().Version, r.JavaMin, r.JavaMax})
				}
			}
			if len(doc.Releases) == 0 {
				return app.Answer{}, fail.Prerequisite("", fmt.Errorf("this crossring knows no release"), "crossring version")
			}
			return app.Answer{Doc: doc, Text: func(out io.Writer) error { return writeReleases(out, doc) }}, nil
		}),
	}
}

func writeReleases(out io.Writer, doc releasesDocument) error {
	for _, r := range doc.Releases {
		note := ""
		switch {
		case r.Default:
			note = "newest of its series, the default"
		case r.Newest:
			note = "newest of its series"
		}
		if _, err := fmt.Fprintf(out, "%-8s  %-5s  Java %d to %d  %s\n", r.Version, r.Series, r.JavaMin, r.JavaMax, note); err != nil {
			return err
		}
	}
	return nil
}
