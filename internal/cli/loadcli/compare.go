package loadcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"

	"crossring/internal/cli/app"
	"crossring/internal/compare"
	"crossring/internal/fail"
	"crossring/internal/failif"
	"crossring/internal/gate"
	"crossring/internal/plain"
	"crossring/internal/runs"
	"crossring/stress/record"

	"github.com/urfave/cli/v2"
)

// Runs lists the runs that were made.
func Runs(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "runs", ArgsUsage: "[NAME]",
		Usage: "list the runs that were made, of all clusters or of one",
		Description: "A run is the directory that demo, repro, stress and lag leave: RUN of report, compare and export. It stays when its\n" +
			"cluster is gone. Figures are those that it left; report makes them anew from the raw results.\n\n" +
			"  crossring runs\n" +
			"  crossring runs NAME -o json",
		Action: e.Action(func(_ context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			if c.Args().Len() > 1 {
				return app.Answer{}, fail.Usage("", errors.New("runs takes one argument at most, the cluster's NAME"), app.HelpFor(c))
			}
			state, err := e.State()
			if err != nil {
				return app.Answer{}, err
			}
			l, err := runs.List(runs.Dir(state), c.Args().First())
			return app.Answer{Doc: l, Text: func(out io.Writer) error { return writeRuns(out, l) }}, err
		}),
	}
}

func writeRuns(out io.Writer, l runs.Listing) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "RUN\tSTARTED\tWHAT\tROWS\tBYTES\tWRITTEN/S\tREAD/S\tNOTE")
	for _, r := range l.Runs {
		when, rows := "-", "-"
		if r.Started != nil {
			when = r.Started.UTC().Format("2006-01-02 15:04")
		}
		if r.Rows != nil {
			rows = fmt.Sprint(*r.Rows)
		}
		var notes []string
		if r.Problem != "" {
			notes = append(notes, plain.Line(r.Problem))
		}
		if r.Interrupted {
			notes = append(notes, "cut short")
		}
		if r.Lost != nil && *r.Lost > 0 {
			notes = append(notes, fmt.Sprintf("%d lost", *r.Lost))
		}
		if r.Host != nil && r.Host.Load.IsBusy() {
			notes = append(notes, "computer busy")
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", plain.Line(r.Name), when, r.What, rows, r.ValueBytes, perSecond(r.WriteRate), perSecond(r.ReadRate), strings.Join(notes, ", "))
	}
	return tw.Flush()
}

func perSecond(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f", *v)
}

// Compare holds runs side by side.
func Compare(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "compare", ArgsUsage: "RUN [RUN...]",
		Usage: "hold runs side by side: each figure with its interval, and whether they differ",
		Description: "RUN is a run directory, its name (crossring runs), latest, or a file with the JSON that demo, repro, stress or lag\n" +
			"answered with. Several with commas are rounds of one sample, and how they scatter is part of the interval:\n\n" +
			"  crossring compare A B\n" +
			"  crossring compare A1,A2,A3 B1,B2,B3 --warmup 10s\n" +
			"  crossring compare A B --fail-if 'write.rate.change<-5%' --fail-if 'worse>0'\n\n" +
			"Each figure is better, worse, without a difference shown, or of too few samples, against the first run. Means are\n" +
			"over stretches of a run, by which their error is told (batch means, Welch's test, Holm's correction for all figures\n" +
			"together). Runs of other sizes, or that did other things, are compared in what they have in common, and the rest is\n" +
			"named. Exits with 2 where that is nothing, and with 6 when an expression of --fail-if holds.\n\n" +
			"Expressions may have the counts better, worse, no_difference_shown and too_few. write.rate is the last run's\n" +
			"mean, write.rate.change its change, and so for each figure.",
		Flags: append(gateFlags(),
			&cli.DurationFlag{Name: "warmup", Usage: "leave the first `TIME` of each phase out", DefaultText: "none"}),
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			if c.Args().Len() == 0 || c.Args().Len() == 1 && !strings.Contains(c.Args().First(), ",") {
				return app.Answer{}, fail.Usage("", errors.New("compare takes two runs or more, or the rounds of one with commas"), app.HelpFor(c))
			}
			state, err := e.State()
			if err != nil {
				return app.Answer{}, err
			}
			warmup := c.Duration("warmup")
			if warmup < 0 {
				return app.Answer{}, fail.Usage("", fmt.Errorf("--warmup: must not be negative, and is %v", warmup), app.HelpFor(c))
			}
			samples, err := runs.Samples(ctx, runs.Dir(state), c.Args().Slice(), warmup)
			if err != nil {
				return app.Answer{}, runError(ctx, e, err)
			}
			res, err := compare.Of(samples)
			return compared(c, res, err)
		}),
	}
}

// runError is what is wrong with a run that was named: a wrong command line, unless somebody
// had enough, or the run's own results are what is wrong.
func runError(ctx context.Context, e *app.Env, err error) error {
	var contradiction *record.ContradictionError
	if ctx.Err() != nil || errors.As(err, &contradiction) || errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fail.Usage("", err, e.Command("runs"))
}

// compared answers with a comparison, and holds it against --fail-if.
func compared(c *cli.Context, res compare.Result, err error) (app.Answer, error) {
	var nothing *compare.NothingError
	switch {
	case errors.As(err, &nothing):
		return app.Answer{Doc: res, Text: res.Text}, fail.Usage("", err, app.HelpFor(c))
	case err != nil:
		return app.Answer{}, fail.Usage("", err, app.HelpFor(c))
	}
	g, err := gateOf(c, "compare", gate.OfComparison(res))
	if err != nil {
		return app.Answer{}, err
	}
	doc := comparison{Result: res}
	doc.Breaches, err = g.close(gate.Comparison(res), res.Markdown, nil)
	return app.Answer{Doc: doc, Text: res.Text}, err
}

// comparison is the answer of compare.
type comparison struct {
	compare.Result
	Breaches []failif.Breach `json:"breaches,omitempty"` // of --fail-if
}
