package loadcli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"crossring/internal/cli/app"
	"crossring/internal/fail"
	"crossring/internal/failif"
	"crossring/internal/gate"

	"github.com/urfave/cli/v2"
)

// gateFlags are for what pipelines run.
func gateFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "fail-if", Usage: "end with exit code 6 where `EXPRESSION` holds, as in read.p99>20ms (repeat)"},
		&cli.StringFlag{Name: "junit", Usage: "also write what came of it to `FILE`, as JUnit's XML"},
		&cli.StringFlag{Name: "markdown", Usage: "also write a summary to `FILE`, as Markdown"},
	}
}

// gated is what a pipeline asks of a run.
type gated struct {
	name            string // of the run, for people
	exprs           []failif.Expr
	junit, markdown string
	started         time.Time
	help            string
}

// gateOf reads the flags. What can be said before the run is: that an expression is none, or
// that a file can't be written.
func gateOf(c *cli.Context, name string, known failif.Known) (*gated, error) {
	g := &gated{name: name, junit: c.String("junit"), markdown: c.String("markdown"), started: time.Now(), help: app.HelpFor(c)}
	var err error
	if g.exprs, err = failif.Parse(c.StringSlice("fail-if"), known); err != nil {
		return nil, fail.Usage("", err, g.help)
	}
	for flag, path := range map[string]string{"--junit": g.junit, "--markdown": g.markdown} {
		if path == "" {
			continue
		}
		if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
			return nil, fail.Usage("", fmt.Errorf("%s: there is no directory %s", flag, filepath.Dir(path)), g.help)
		}
	}
	return g, nil
}

// again reads the expressions once more, when more is known of the run that is to come.
func (g *gated) again(known failif.Known) error {
	var texts []string
	for _, e := range g.exprs {
		texts = append(texts, e.Text)
	}
	if _, err := failif.Parse(texts, known); err != nil {
		return fail.Usage("", err, g.help)
	}
	return nil
}

// close holds the figures of a run against the expressions, and writes the files. The error is
// that of the run with what else there is to say.
func (g *gated) close(v gate.Values, more func(io.Writer) error, err error) ([]failif.Breach, error) {
	var breaches []failif.Breach
	all := err
	if len(g.exprs) > 0 {
		var breach error
		breaches, breach = failif.CheckBounds(g.exprs, v.Values, v.AtLeast)
		switch {
		case err == nil:
			all = breach
		case len(breaches) > 0:
			all = fmt.Errorf("%w; %v", err, breach) // the code is that of what is wrong with the run itself
		}
	}
	cases := gate.Cases(g.name, err, g.exprs, breaches, v)
	return breaches, errors.Join(all,
		g.file(g.junit, func(w io.Writer) error {
			return gate.JUnit(w, g.name, time.Since(g.started).Seconds(), cases)
		}),
		g.file(g.markdown, func(w io.Writer) error { return gate.Markdown(w, g.name, cases, more) }))
}

func (g *gated) file(path string, write func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	var b bytes.Buffer
	err := write(&b)
	if err == nil {
		err = os.WriteFile(path, b.Bytes(), 0o644)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
