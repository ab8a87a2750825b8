package clustercli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/health"
	"crossring/internal/nodetool"
	"crossring/internal/plain"
	"crossring/internal/run"
	"crossring/internal/topology"
	"crossring/provision/local"

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

// Fault breaks the network of a local cluster.
func Fault(e *app.Env) *cli.Command {
	show := topology.FaultKind{Name: "show", Does: "the lines between the regions"}
	all := &cli.Command{
		Name: "fault", Usage: "change the network between the regions of a local cluster",
		Subcommands: []*cli.Command{{Name: show.Name, Usage: show.Does, ArgsUsage: "NAME", Action: e.Action(faultAction(show, 1))}},
	}
	for _, kind := range topology.FaultKinds() {
		c := &cli.Command{Name: kind.Name, Usage: kind.Does, ArgsUsage: "NAME REGION", Action: e.Action(faultAction(kind, 2))}
		if kind.Pair {
			c.ArgsUsage, c.Action = "NAME REGION REGION", e.Action(faultAction(kind, 3))
		}
		if kind.RTT {
			c.Flags = []cli.Flag{&cli.DurationFlag{Name: "rtt", Usage: "`TIME` of a round trip, as in 80ms"}}
		}
		all.Subcommands = append(all.Subcommands, c)
	}
	return all
}

func faultAction(kind topology.FaultKind, args int) app.Handler {
	return func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
		if c.Args().Len() != args {
			return app.Answer{}, fail.Usage("", fmt.Errorf("fault %s takes %s", kind.Name, c.Command.ArgsUsage), app.HelpFor(c))
		}
		w, err := e.World(c)
		if err != nil {
			return app.Answer{}, err
		}
		f := local.Fault{Kind: kind.Name, A: c.Args().Get(1), B: c.Args().Get(2), RTT: c.Duration("rtt")}
		if args == 1 {
			f.Kind = "" // asks, and changes nothing
		}
		if kind.RTT && (!c.IsSet("rtt") || f.RTT < 0) {
			again := append([]string{"crossring", "fault", kind.Name}, c.Args().Slice()...)
			return app.Answer{}, fail.Usage("", fmt.Errorf("fault %s needs --rtt, a time of 0 or more", kind.Name), plain.Command(append(again, "--rtt", "80ms")...))
		}
		net, err := health.Fault(ctx, w, c.Args().First(), f)
		if err != nil {
			return app.Answer{Doc: net}, err
		}
		return app.Answer{Doc: net, Text: func(out io.Writer) error { return writeNetwork(out, net) }}, nil
	}
}

func writeNetwork(out io.Writer, net health.Network) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "LINE\tSET\tMEASURED\tFAULT\tCONNECTIONS")
	for _, l := range net.Lines {
		measured := "no answer"
		for _, key := range []string{l.A + " -> " + l.B, l.B + " -> " + l.A} {
			if ms, ok := net.RTT[key]; ok {
				measured = fmt.Sprintf("%.1f ms", ms)
			}
		}
		fault := l.Fault
		if fault == "" {
			fault = "none"
		}
		fmt.Fprintf(tw, "%s - %s\t%g ms\t%s\t%s\t%d\n", l.A, l.B, l.RTTMillis, measured, fault, l.Connections)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, r := range net.Refused {
		fmt.Fprintf(out, "%s: public ports closed\n", r)
	}
	return nil
}
