package clustercli

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/health"
	"crossring/internal/plain"
	"crossring/internal/run"
	"crossring/internal/topology"
	"crossring/provision/local"

	"github.com/urfave/cli/v2"
)

// Fault breaks the network of a local cluster, and its servers.
func Fault(e *app.Env) *cli.Command {
	show := topology.FaultKind{Name: "show", Does: "the lines between the regions"}
	all := &cli.Command{
		Name: "fault", Usage: "break the network between the regions of a local cluster, or its servers",
		Description: "A fault is in force until it is ended; fault show lists those that are. Each is in the record of the runs that\n" +
			"it met, and marked in their charts. fault heal NAME ends all of them.\n\n" +
			"  crossring fault partition NAME us-east-1 us-west-2\n" +
			"  crossring fault pause NAME:us-west-2-1\n" +
			"  crossring fault heal NAME\n\n" +
			"Exits with 2 where a server is not in a state to which that can be done.",
		Subcommands: []*cli.Command{{Name: show.Name, Usage: show.Does, ArgsUsage: "NAME", Action: e.Action(faultAction(show, 1))}},
	}
	for _, kind := range topology.FaultKinds() {
		c := &cli.Command{Name: kind.Name, Usage: kind.Does, ArgsUsage: "NAME REGION", Action: e.Action(faultAction(kind, 2))}
		if kind.Pair {
			c.ArgsUsage, c.Action = "NAME REGION REGION", e.Action(faultAction(kind, 3))
		}
		c.Flags = faultFlags(kind)
		if kind.Take != nil {
			regions := []string{"NAME", "us-east-1", "us-west-2"}
			do := append(append([]string{"crossring", "fault", kind.Name}, regions...), "--"+kind.Take.Flag, kind.Take.Sample)
			mend := append([]string{"crossring", "fault", kind.Mend}, regions...)
			c.Description = "It lasts until it is healed, also when crossring's keeper of the network ends:\n\n" +
				"  " + plain.Command(do...) + "\n  " + plain.Command(mend...) + "\n\n" +
				"Exits with 2 when the line can't be like that, as with a jitter longer than its delay."
		}
		if kind.Name == topology.HealLines {
			c.ArgsUsage, c.Usage, c.Action = "NAME [REGION REGION]", kind.Does+"; without regions, all faults of the cluster", healAction(e, c.Action)
		}
		all.Subcommands = append(all.Subcommands, c)
	}
	for _, kind := range topology.NodeFaultKinds() {
		all.Subcommands = append(all.Subcommands, &cli.Command{
			Name: kind.Name, Usage: kind.Does, ArgsUsage: "NAME:NODE", Action: networkAction(e, 1, func(ctx context.Context, w cluster.World, args cli.Args) (health.Network, error) {
				return run.FaultNode(ctx, w, kind.Name, args.First())
			}),
		})
	}
	all.Subcommands = append(all.Subcommands,
		&cli.Command{
			Name: "region-down", Usage: "kill all servers of a region at once; their disks stay", ArgsUsage: "NAME REGION",
			Action: networkAction(e, 2, func(ctx context.Context, w cluster.World, args cli.Args) (health.Network, error) {
				return run.RegionDown(ctx, w, args.First(), args.Get(1))
			}),
		},
		&cli.Command{
			Name: "region-up", Usage: "start the servers of a region that do not run, and wait until each answers", ArgsUsage: "NAME REGION",
			Action: networkAction(e, 2, func(ctx context.Context, w cluster.World, args cli.Args) (health.Network, error) {
				return run.RegionUp(ctx, w, args.First(), args.Get(1))
			}),
		})
	return all
}

// healAction ends the faults of a line, or, without regions, all.
func healAction(e *app.Env, line cli.ActionFunc) cli.ActionFunc {
	all := networkAction(e, 1, func(ctx context.Context, w cluster.World, args cli.Args) (health.Network, error) {
		return run.Heal(ctx, w, args.First())
	})
	return func(c *cli.Context) error {
		if c.Args().Len() == 1 {
			return all(c)
		}
		return line(c)
	}
}

// networkAction is an action that answers with what is in force then.
func networkAction(e *app.Env, args int, do func(context.Context, cluster.World, cli.Args) (health.Network, error)) cli.ActionFunc {
	return e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
		if c.Args().Len() != args {
			return app.Answer{}, fail.Usage("", fmt.Errorf("fault %s takes %s", c.Command.Name, c.Command.ArgsUsage), app.HelpFor(c))
		}
		w, err := e.World(c)
		if err != nil {
			return app.Answer{}, err
		}
		net, err := do(ctx, w, c.Args())
		if err != nil {
			return app.Answer{Doc: net}, err
		}
		return app.Answer{Doc: net, Text: func(out io.Writer) error { return writeNetwork(out, net) }}, nil
	})
}

// faultFlags are those that say how much of a fault there is to be.
func faultFlags(kind topology.FaultKind) []cli.Flag {
	if kind.RTT {
		return []cli.Flag{&cli.DurationFlag{Name: "rtt", Usage: "`TIME` of a round trip, as in 80ms"}}
	}
	if kind.Take == nil {
		return nil
	}
	flags := []cli.Flag{&cli.Float64Flag{Name: kind.Take.Flag, Usage: kind.Take.Usage}}
	if kind.Take.Unit == "ms" {
		flags[0] = &cli.DurationFlag{Name: kind.Take.Flag, Usage: kind.Take.Usage}
	}
	if kind.Take.Ways {
		flags = append(flags, &cli.BoolFlag{Name: "one-way", Usage: "only from the first region to the second; the other direction stays as it is"})
	}
	return flags
}

// faultAmount reads them.
func faultAmount(c *cli.Context, kind topology.FaultKind, f *local.Fault) error {
	again := append([]string{"crossring", "fault", kind.Name}, c.Args().Slice()...)
	if kind.RTT && (!c.IsSet("rtt") || f.RTT < 0) {
		return fail.Usage("", fmt.Errorf("fault %s needs --rtt, a time of 0 or more", kind.Name), plain.Command(append(again, "--rtt", "80ms")...))
	}
	if kind.Take == nil {
		return nil
	}
	flag := kind.Take.Flag
	if !c.IsSet(flag) {
		return fail.Usage("", fmt.Errorf("fault %s needs --%s", kind.Name, flag), "crossring help fault "+kind.Name)
	}
	f.OneWay = kind.Take.Ways && c.Bool("one-way")
	f.Amount = c.Float64(flag)
	if kind.Take.Unit == "ms" {
		f.Amount = float64(c.Duration(flag)) / float64(time.Millisecond)
	}
	if problem := kind.Take.Check(f.Amount); problem != "" {
		return fail.Usage("", fmt.Errorf("--%s: %s", flag, problem), "crossring help fault "+kind.Name)
	}
	return nil
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
		if err := faultAmount(c, kind, &f); err != nil {
			return app.Answer{}, err
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
	for _, l := range net.Lines {
		for _, w := range l.Ways {
			if !w.Plain(l.RTTMillis) {
				fmt.Fprintf(out, "%s: %s\n", topology.WayKey(w.From, w.To), w)
			}
		}
	}
	for _, r := range net.Refused {
		fmt.Fprintf(out, "%s: public ports closed\n", r)
	}
	for _, f := range net.Faults {
		if kind, _ := topology.FaultKindOf(f.Kind); kind.Node {
			fmt.Fprintf(out, "%s, since %s\n", f, f.Since.Local().Format(time.DateTime))
		}
	}
	return nil
}
