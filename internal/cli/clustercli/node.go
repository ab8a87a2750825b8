package clustercli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/nodetool"
	"crossring/internal/plain"
	"crossring/internal/run"

	"github.com/urfave/cli/v2"
)

// Logs shows the logs of nodes.
func Logs(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "logs", Usage: "the last lines of the nodes' logs", ArgsUsage: "NAME[:NODE]",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "lines", Aliases: []string{"n"}, Usage: "show the last `N` lines of each", Value: 20},
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on with what is added, until Ctrl-C"},
		},
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			return app.WithName(c, e, func(w cluster.World, ref string) (app.Answer, error) {
				if c.Int("lines") < 0 {
					return app.Answer{}, fail.Usage("", fmt.Errorf("--lines is 0 or more, not %d", c.Int("lines")), app.HelpFor(c))
				}
				e.Answered = true // lines, not a document
				return app.Answer{}, run.Logs(ctx, w, run.LogsRequest{Ref: ref, Lines: c.Int("lines"), Follow: c.Bool("follow")}, plain.NewWriter(e.Stdout))
			})
		}),
	}
}

// CQL runs statements.
func CQL(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "cql", Usage: "run CQL statements on a node", ArgsUsage: "NAME[:NODE] [STATEMENTS]",
		Description: "Statements are the argument, or standard input, and are parted by semicolons. Rows are printed as they come;\non 1.2 a SELECT without a LIMIT ends at 10,000.",
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			if c.Args().Len() < 1 || c.Args().Len() > 2 {
				return app.Answer{}, fail.Usage("", fmt.Errorf("cql takes NAME[:NODE], and statements in quotes"), app.HelpFor(c))
			}
			w, err := e.World(c)
			if err != nil {
				return app.Answer{}, err
			}
			statements := c.Args().Get(1)
			if c.Args().Len() == 1 {
				data, err := io.ReadAll(e.Stdin)
				if err != nil {
					return app.Answer{}, fmt.Errorf("reading statements: %w", err)
				}
				statements = string(data)
			}
			if e.Output == "json" {
				to := &jsonRows{out: bufio.NewWriter(e.Stdout)}
				return app.Answer{Doc: run.CQLResult{Results: []run.CQLTable{}}, Streamed: to}, run.CQL(ctx, w, c.Args().First(), statements, to)
			}
			to := &textRows{out: e.Stdout}
			err = run.CQL(ctx, w, c.Args().First(), statements, to)
			return app.Answer{}, errors.Join(err, to.flush())
		}),
	}
}

// Nodetool runs the nodes' own nodetool.
func Nodetool(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "nodetool", Usage: "run the node's own nodetool on it", ArgsUsage: "NAME[:NODE] [--] COMMAND [ARG...]",
		Description: "Flags of nodetool's own go behind --.",
		Flags:       []cli.Flag{app.CassandraHomeFlag()},
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			if c.Args().Len() < 2 {
				return app.Answer{}, fail.Usage("", fmt.Errorf("nodetool takes NAME[:NODE] and a command of nodetool's"), "crossring nodetool NAME:1 status")
			}
			w, err := e.World(c)
			if err != nil {
				return app.Answer{}, err
			}
			e.Answered = true // nodetool's own words
			return app.Answer{}, nodetool.Run(ctx, w, c.Args().First(), c.Args().Tail(), cluster.Streams{In: e.Stdin, Out: e.Stdout, Err: e.Stderr})
		}),
	}
}
