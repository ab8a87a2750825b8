package startcli

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"crossring/internal/cli/app"
	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/plan"
	"crossring/internal/release"
	"crossring/internal/safely"
	"crossring/internal/spec"

	"github.com/urfave/cli/v2"
)

//go:embed cluster.yaml.tmpl
var firstSpec string

// first is what init knows of a spec.
type first struct {
	Name      string
	Cassandra string
	Provider  string
	Regions   []string
	Nodes     int // in each region
}

// initDocument is the answer of init.
type initDocument struct {
	File  string `json:"file"`
	Name  string `json:"name"`
	Nodes int    `json:"nodes"`
}

// Init writes a first spec.
func Init(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "init", Usage: "write a commented cluster.yaml to begin with",
		ArgsUsage: "[FILE]",
		Description: "Asks on a terminal for what no flag gives; without one the defaults are taken. What it writes is a spec\n" +
			"that plan accepts. A FILE that is there is not touched.\n\n" +
			"  crossring init --region us-east-1 --region eu-west-1 --nodes 2 lab.yaml",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "call the cluster `NAME`", Value: "lab"},
			&cli.StringFlag{Name: "cassandra", Usage: "run `VERSION`, a series or a release", Value: release.Newest().Series},
			&cli.StringFlag{Name: "provider", Usage: "run it where `PROVIDER` is: local, containers, ccm or ec2", Value: spec.DefaultProvider},
			&cli.StringSliceFlag{Name: "region", Usage: "have nodes in `REGION` (repeat; default: us-east-1 and us-west-2)"},
			&cli.IntFlag{Name: "nodes", Usage: "have `N` nodes in each region", Value: 1},
		},
		Action: e.Action(begin),
	}
}

func begin(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	file := "cluster.yaml"
	if c.Args().Present() {
		file = c.Args().First()
	}
	if _, err := os.Lstat(file); err == nil {
		return app.Answer{}, fail.Usage("", fmt.Errorf("%s is there already", file), "crossring init other.yaml")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return app.Answer{}, fmt.Errorf("looking for %s: %w", file, err)
	}
	f := first{Name: c.String("name"), Cassandra: c.String("cassandra"), Provider: c.String("provider"), Regions: c.StringSlice("region"), Nodes: c.Int("nodes")}
	if len(f.Regions) == 0 {
		f.Regions = []string{"us-east-1", "us-west-2"}
	}
	if e.Asks() {
		if err := f.ask(ctx, e, c); err != nil {
			return app.Answer{}, err
		}
	}
	text, err := f.write()
	if err != nil {
		return app.Answer{}, err
	}
	s, err := spec.Parse(file, text)
	if err == nil {
		_, err = plan.Build(s)
	}
	if err != nil {
		return app.Answer{}, fail.Usage("", err, app.HelpFor(c))
	}
	if err := safely.Write(file, text, 0o644); err != nil {
		return app.Answer{}, err
	}
	doc := initDocument{File: file, Name: f.Name, Nodes: f.Nodes * len(f.Regions)}
	app.Note(e.Stderr, "written; what it comes to: %s", e.Command("plan", "-f", file))
	return app.Answer{Doc: doc, Text: func(out io.Writer) error {
		_, err := fmt.Fprintln(out, file)
		return err
	}}, nil
}

// ask asks for what no flag gave. An empty line takes the default.
func (f *first) ask(ctx context.Context, e *app.Env, c *cli.Context) error {
	in := bufio.NewScanner(e.Stdin)
	answer := func(flag, question, otherwise string) (string, error) {
		if c.IsSet(flag) {
			return otherwise, nil
		}
		app.Note(e.Stderr, "%s [%s]:", question, otherwise)
		if !in.Scan() {
			return otherwise, errors.Join(in.Err(), ctx.Err())
		}
		if text := strings.TrimSpace(in.Text()); text != "" {
			return text, nil
		}
		return otherwise, nil
	}
	var err error
	for _, q := range []struct {
		flag, question string
		to             *string
	}{{"name", "what is the cluster called", &f.Name}, {"cassandra", "which Cassandra", &f.Cassandra}, {"provider", "where does it run", &f.Provider}} {
		if *q.to, err = answer(q.flag, q.question, *q.to); err != nil {
			return err
		}
	}
	regions, err := answer("region", "in which regions", strings.Join(f.Regions, " "))
	if err != nil {
		return err
	}
	f.Regions = strings.FieldsFunc(regions, func(r rune) bool { return r == ' ' || r == ',' })
	nodes, err := answer("nodes", "how many nodes in each", strconv.Itoa(f.Nodes))
	if err != nil {
		return err
	}
	if f.Nodes, err = strconv.Atoi(nodes); err != nil {
		return fail.Usage("", fmt.Errorf("%s is not a number of nodes", plain.Word(nodes)), app.HelpFor(c))
	}
	return nil
}

// write is the spec's text. What YAML might take for something else is quoted.
func (f *first) write() ([]byte, error) {
	for _, word := range slices.Concat([]string{f.Name, f.Cassandra, f.Provider}, f.Regions) {
		if strings.ContainsFunc(word, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r > '~' }) || word == "" {
			return nil, fail.Usage("", fmt.Errorf("%s can't stand in a spec", strconv.Quote(word)), "crossring help init")
		}
	}
	t, err := template.New("cluster.yaml").Parse(firstSpec)
	if err != nil {
		return nil, fmt.Errorf("reading the first spec's template: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, f); err != nil {
		return nil, fmt.Errorf("writing a first spec: %w", err)
	}
	return []byte(b.String()), nil
}
