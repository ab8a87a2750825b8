package clustercli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"crossring/internal/cli/app"
	"crossring/internal/fail"
	"crossring/internal/grow"
	"crossring/internal/latency"
	"crossring/internal/plain"
	"crossring/internal/plan"
	"crossring/internal/run"
	"crossring/internal/spec"
	"crossring/internal/topology"

	"github.com/urfave/cli/v2"
)

func providerFlag() cli.Flag {
	return &cli.StringFlag{Name: "provider", Usage: "as if the spec said provider: `NAME`"}
}

// Plan shows what a spec comes to.
func Plan(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "plan", Usage: "what a spec comes to: nodes, tokens, datacenters, seeds, and the way there from a running cluster; changes nothing",
		Flags: []cli.Flag{fileFlag(), providerFlag(), operatorFlag(), pricesFlag(), removeNodeFlag(), replaceNodeFlag(),
			&cli.BoolFlag{Name: "latency", Usage: "and how long reads, writes and lightweight transactions will take at every consistency level"},
			app.ServiceTimeFlag(), app.ServiceP99Flag(), app.TokenTraceFlag(),
			&cli.Int64Flag{Name: "rows", Usage: "as if the spec said stress.rows: `N`"}},
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			s, err := specOf(e, c)
			if err != nil {
				return app.Answer{}, err
			}
			w, err := e.World(c)
			if err != nil {
				return app.Answer{}, err
			}
			if err := withOperators(c, s); err != nil {
				return app.Answer{}, err
			}
			if c.IsSet("rows") {
				if c.Int64("rows") < 1 {
					return app.Answer{}, fail.Usage("", fmt.Errorf("--rows is 1 or more, not %d", c.Int64("rows")), app.HelpFor(c))
				}
				s.Stress.Rows = c.Int64("rows")
			}
			p, plannedErr := grow.Planned(ctx, w, *s, nodeChoice(c))
			if len(p.Nodes) == 0 {
				return app.Answer{}, plannedErr
			}
			p, err = repriced(c, p)
			if err != nil {
				return app.Answer{}, err
			}
			doc := planDocument{Plan: p}
			if c.Bool("latency") {
				if doc.Forecast, err = forecast(p, app.ServiceTime(c)); err != nil {
					return app.Answer{}, err
				}
			} else if c.IsSet("service-time") || c.IsSet("service-time-p99") {
				return app.Answer{}, fail.Usage("", errors.New("--service-time is for a prediction: add --latency"), app.HelpFor(c))
			}
			return app.Answer{Doc: doc, Text: doc.text}, plannedErr
		}),
	}
}

// planDocument is a plan, with what it lets expect where that was asked for.
type planDocument struct {
	topology.Plan
	*latency.Forecast
}

func (d planDocument) text(out io.Writer) error {
	if err := writePlan(out, d.Plan); err != nil || d.Forecast == nil {
		return err
	}
	fmt.Fprintln(out)
	return d.Forecast.Text(out)
}

// forecast is how long operations will take on what is planned.
func forecast(p topology.Plan, service latency.Percentiles) (*latency.Forecast, error) {
	if err := latency.CheckService(service); err != nil {
		return nil, fail.Usage("", err, "crossring help plan")
	}
	d, err := plan.Latency(p)
	if err != nil {
		return nil, err
	}
	cells, out := d.Cells()
	f := d.Forecast(cells, out, service)
	return &f, nil
}

// specOf reads the spec that --file names, with --provider over it.
func specOf(e *app.Env, c *cli.Context) (*spec.Spec, error) {
	if c.String("file") == "" {
		return nil, fail.Usage("", fmt.Errorf("%s needs a spec", c.Command.Name), "crossring "+c.Command.Name+" -f examples/local.yaml")
	}
	if c.Args().Len() > 0 {
		return nil, fail.Usage("", fmt.Errorf("%s with --file takes no arguments, but %q was given", c.Command.Name, c.Args().First()), app.HelpFor(c))
	}
	s, err := readSpec(e, c.Command.Name, c.String("file"))
	if err != nil {
		return nil, err
	}
	app.Override(c, "provider", &s.Provider)
	return &s, nil
}

func writePlan(out io.Writer, p topology.Plan) error {
	fmt.Fprintf(out, "cluster %s (%q), Cassandra %s, %s, %s, provider %s\n\n", p.Name, p.ClusterName, p.Version, p.Partitioner, p.Snitch, p.Provider)
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "NODE\tZONE\tDATACENTER\tRACK\tSEED\tTOKENS")
	for _, n := range p.Nodes {
		seed := ""
		if n.Seed {
			seed = "seed"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", n.Name, n.Zone, n.Datacenter, n.Rack, seed, tokenList(n.Tokens))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	var replicas []string
	for _, dc := range slices.Sorted(maps.Keys(p.Keyspace.Replication)) {
		replicas = append(replicas, fmt.Sprintf("%s:%d", dc, p.Keyspace.Replication[dc]))
	}
	fmt.Fprintf(out, "\nkeyspace %s, table %s, replicas %s\n", p.Keyspace.Name, p.Keyspace.Table, strings.Join(replicas, ", "))
	fmt.Fprintf(out, "disks: data on %s, commit log on %s, saved caches on %s\n", p.Disks.Data, p.Disks.Commitlog, p.Disks.SavedCaches)
	fmt.Fprintf(out, "write %s of %s in %s at %s, read in %s at %s\n",
		plain.Count(p.Stress.Rows, "row"), plain.Count(p.Stress.ValueBytes, "byte"), p.Stress.WriteDC, p.Stress.WriteCL, p.Stress.ReadDC, p.Stress.ReadCL)
	for _, wire := range p.Wire {
		fmt.Fprintf(out, "  at least %s\n", wire)
	}
	writeChange(out, p.Change)
	writeEC2Plan(out, p)
	for _, r := range p.Rules {
		fmt.Fprintf(out, "rule: %s port %d from %s: %s\n", r.Node, r.Port, r.Source, r.Why)
	}
	return nil
}

func tokenList(tokens []string) string {
	const most = 3
	if len(tokens) <= most {
		return strings.Join(tokens, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(tokens[:most], " "), len(tokens)-most)
}

// Render shows the files of nodes.
func Render(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "render", Usage: "the files that the nodes are configured by, of a spec or of a cluster; starts nothing", ArgsUsage: "[NAME]",
		Flags: []cli.Flag{fileFlag(), providerFlag(),
			&cli.StringFlag{Name: "node", Usage: "only those of `NODE`, by name or number"},
			&cli.StringFlag{Name: "to", Usage: "write them below `DIR`, a directory for each node"}},
		Action: e.Action(render),
	}
}

func render(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	req := run.RenderRequest{Name: c.Args().First(), Node: c.String("node"), Dir: c.String("to")}
	if req.Name == "" {
		s, err := specOf(e, c)
		if err != nil {
			return app.Answer{}, err
		}
		req.Spec = s
	} else if c.String("file") != "" || c.Args().Len() > 1 {
		return app.Answer{}, fail.Usage("", errors.New("render takes the name of one cluster, or --file"), app.HelpFor(c))
	}
	w, err := e.World(c)
	if err != nil {
		return app.Answer{}, err
	}
	res, err := run.Render(ctx, w, req)
	if err != nil {
		return app.Answer{}, err
	}
	if res.Assumed {
		app.Note(e.Stderr, "nothing was made yet: addresses and jar paths are examples")
	}
	head := res
	head.Nodes = nil
	return app.Answer{
		Doc:  app.LongList[run.RenderedNode]{Doc: head, Key: "nodes", Elems: res.Nodes},
		Text: func(out io.Writer) error { return writeRendered(out, req.Dir, res) },
	}, nil
}

func writeRendered(out io.Writer, dir string, res run.Rendered) error {
	for _, n := range res.Nodes {
		for _, f := range n.Files {
			var err error
			if dir != "" {
				_, err = fmt.Fprintf(out, "%s: %s\n", n.Name, f.Path)
			} else {
				_, err = fmt.Fprintf(out, "######## %s: %s\n%s\n", n.Name, f.Path, strings.TrimRight(f.Content, "\n"))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
