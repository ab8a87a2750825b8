package loadcli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"crossring/internal/cli/app"
	"crossring/internal/export"
	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/runs"
	"crossring/stress/results"

	"github.com/urfave/cli/v2"
)

// Export writes what a run recorded for other tools.
func Export(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "export", ArgsUsage: "RUN",
		Usage: "what a run recorded, by the second or by the attempt, as CSV, lines of JSON or Parquet",
		Description: "RUN is a run directory, its name (crossring runs), a cluster for its newest, or latest. The columns are in docs/json.md.\n\n" +
			"  crossring export RUN > seconds.csv\n" +
			"  crossring export RUN --per attempt --format parquet --out attempts.parquet\n\n" +
			"Exits with 2 when there is no such run, or it has no results.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Usage: "write `FORMAT`: csv, jsonl or parquet", Value: "csv"},
			&cli.StringFlag{Name: "per", Usage: "a row is a `THING`: second or attempt", Value: runs.PerSecond},
			&cli.StringFlag{Name: "out", Usage: "write to `FILE`, which must not be there yet", DefaultText: "standard output"},
		},
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			format, per, file := c.String("format"), c.String("per"), c.String("out")
			var bad []error
			if c.Args().Len() != 1 {
				bad = append(bad, errors.New("export takes one argument, RUN"))
			}
			if !slices.Contains(export.Formats(), format) {
				bad = append(bad, fmt.Errorf("--format is one of %s, not %q", strings.Join(export.Formats(), ", "), format))
			}
			if per != runs.PerSecond && per != runs.PerAttempt {
				bad = append(bad, fmt.Errorf("--per is second or attempt, not %q", per))
			}
			if e.Output == "json" && file == "" {
				bad = append(bad, errors.New("-o json answers with what was written, so that it needs --out"))
			}
			if err := errors.Join(bad...); err != nil {
				return app.Answer{}, fail.Usage("", err, app.HelpFor(c))
			}
			state, err := e.State()
			if err != nil {
				return app.Answer{}, err
			}
			path, err := runs.Find(runs.Dir(state), c.Args().First())
			if err != nil {
				return app.Answer{}, runError(ctx, e, err)
			}
			d, err := results.Open(path)
			if err != nil {
				return app.Answer{}, runError(ctx, e, err)
			}
			return exportTo(ctx, e, d, per, format, file)
		}),
	}
}

func exportTo(ctx context.Context, e *app.Env, d *results.Dir, per, format, file string) (app.Answer, error) {
	if file == "" {
		e.Answered = true // as it comes, and not as a text
		out := bufio.NewWriterSize(e.Stdout, 1<<16)
		_, err := runs.Export(ctx, d, per, format, out)
		if err = errors.Join(err, out.Flush()); err != nil {
			return app.Answer{}, runError(ctx, e, err)
		}
		return app.Answer{}, nil
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return app.Answer{}, fail.Usage("", fmt.Errorf("--out: %w", err), "")
	}
	out := bufio.NewWriterSize(f, 1<<16)
	rows, err := runs.Export(ctx, d, per, format, out)
	if err = errors.Join(err, out.Flush(), f.Close()); err != nil {
		return app.Answer{}, runError(ctx, e, errors.Join(err, os.Remove(file)))
	}
	doc := runs.NewExported(d.Path, file, format, per, rows)
	return app.Answer{Doc: doc, Text: func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s of %s in %s\n", plain.Count(rows, "row"), d.Path, file)
		return err
	}}, nil
}
