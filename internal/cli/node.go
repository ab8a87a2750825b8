package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

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

func (e *env) logsCommand() *cli.Command {
	return &cli.Command{
		Name: "logs", Usage: "the last lines of the nodes' logs", ArgsUsage: "NAME[:NODE]",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "lines", Aliases: []string{"n"}, Usage: "show the last `N` lines of each", Value: 20},
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on with what is added, until Ctrl-C"},
		},
		Action: e.action(func(ctx context.Context, e *env, c *cli.Context) (answer, error) {
			return withName(c, e, func(w cluster.World, ref string) (answer, error) {
				if c.Int("lines") < 0 {
					return answer{}, fail.Usage("", fmt.Errorf("--lines is 0 or more, not %d", c.Int("lines")), helpFor(c))
				}
				e.answered = true // lines, not a document
				return answer{}, run.Logs(ctx, w, run.LogsRequest{Ref: ref, Lines: c.Int("lines"), Follow: c.Bool("follow")}, plain.NewWriter(e.stdout))
			})
		}),
	}
}

func (e *env) cqlCommand() *cli.Command {
	return &cli.Command{
		Name: "cql", Usage: "run CQL statements on a node", ArgsUsage: "NAME[:NODE] [STATEMENTS]",
		Description: "Statements are the argument, or standard input, and are parted by semicolons. Rows are printed as they come;\non 1.2 a SELECT without a LIMIT ends at 10,000.",
		Action: e.action(func(ctx context.Context, e *env, c *cli.Context) (answer, error) {
			if c.Args().Len() < 1 || c.Args().Len() > 2 {
				return answer{}, fail.Usage("", fmt.Errorf("cql takes NAME[:NODE], and statements in quotes"), helpFor(c))
			}
			w, err := e.world(c)
			if err != nil {
				return answer{}, err
			}
			statements := c.Args().Get(1)
			if c.Args().Len() == 1 {
				data, err := io.ReadAll(e.stdin)
				if err != nil {
					return answer{}, fmt.Errorf("reading statements: %w", err)
				}
				statements = string(data)
			}
			if e.output == "json" {
				to := &jsonRows{out: bufio.NewWriter(e.stdout)}
				return answer{doc: run.CQLResult{Results: []run.CQLTable{}}, streamed: to}, run.CQL(ctx, w, c.Args().First(), statements, to)
			}
			to := &textRows{out: e.stdout}
			err = run.CQL(ctx, w, c.Args().First(), statements, to)
			return answer{}, errors.Join(err, to.flush())
		}),
	}
}

func (e *env) nodetoolCommand() *cli.Command {
	return &cli.Command{
		Name: "nodetool", Usage: "run the node's own nodetool on it", ArgsUsage: "NAME[:NODE] [--] COMMAND [ARG...]",
		Description: "Flags of nodetool's own go behind --.",
		Flags:       []cli.Flag{cassandraHomeFlag()},
		Action: e.action(func(ctx context.Context, e *env, c *cli.Context) (answer, error) {
			if c.Args().Len() < 2 {
				return answer{}, fail.Usage("", fmt.Errorf("nodetool takes NAME[:NODE] and a command of nodetool's"), "crossring nodetool NAME:1 status")
			}
			w, err := e.world(c)
			if err != nil {
				return answer{}, err
			}
			e.answered = true // nodetool's own words
			return answer{}, nodetool.Run(ctx, w, c.Args().First(), c.Args().Tail(), cluster.Streams{In: e.stdin, Out: e.stdout, Err: e.stderr})
		}),
	}
}

func (e *env) faultCommand() *cli.Command {
	show := topology.FaultKind{Name: "show", Does: "the lines between the regions"}
	all := &cli.Command{
		Name: "fault", Usage: "change the network between the regions of a local cluster",
		Subcommands: []*cli.Command{{Name: show.Name, Usage: show.Does, ArgsUsage: "NAME", Action: e.action(faultAction(show, 1))}},
	}
	for _, kind := range topology.FaultKinds() {
		c := &cli.Command{Name: kind.Name, Usage: kind.Does, ArgsUsage: "NAME REGION", Action: e.action(faultAction(kind, 2))}
		if kind.Pair {
			c.ArgsUsage, c.Action = "NAME REGION REGION", e.action(faultAction(kind, 3))
		}
		if kind.RTT {
			c.Flags = []cli.Flag{&cli.DurationFlag{Name: "rtt", Usage: "`TIME` of a round trip, as in 80ms"}}
		}
		all.Subcommands = append(all.Subcommands, c)
	}
	return all
}

func faultAction(kind topology.FaultKind, args int) handler {
	return func(ctx context.Context, e *env, c *cli.Context) (answer, error) {
		if c.Args().Len() != args {
			return answer{}, fail.Usage("", fmt.Errorf("fault %s takes %s", kind.Name, c.Command.ArgsUsage), helpFor(c))
		}
		w, err := e.world(c)
		if err != nil {
			return answer{}, err
		}
		f := local.Fault{Kind: kind.Name, A: c.Args().Get(1), B: c.Args().Get(2), RTT: c.Duration("rtt")}
		if args == 1 {
			f.Kind = "" // asks, and changes nothing
		}
		if kind.RTT && (!c.IsSet("rtt") || f.RTT < 0) {
			again := append([]string{"crossring", "fault", kind.Name}, c.Args().Slice()...)
			return answer{}, fail.Usage("", fmt.Errorf("fault %s needs --rtt, a time of 0 or more", kind.Name), plain.Command(append(again, "--rtt", "80ms")...))
		}
		net, err := health.Fault(ctx, w, c.Args().First(), f)
		if err != nil {
			return answer{doc: net}, err
		}
		return answer{doc: net, text: func(out io.Writer) error { return writeNetwork(out, net) }}, nil
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
