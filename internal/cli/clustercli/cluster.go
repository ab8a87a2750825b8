// Package clustercli has the commands about clusters and their nodes.
package clustercli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/run"
	"crossring/internal/spec"
	"crossring/internal/topology"
	"crossring/internal/until"
	"crossring/ringcheck"

	"github.com/urfave/cli/v2"
)

func fileFlag() cli.Flag {
	return &cli.StringFlag{Name: "file", Aliases: []string{"f"}, Usage: "read the spec from `FILE`; - is standard input"}
}

// readSpec reads the spec that --file names.
func readSpec(e *app.Env, verb, name string) (spec.Spec, error) {
	var data []byte
	var err error
	shown := name
	if name == "-" {
		shown = spec.StandardInput
		data, err = io.ReadAll(e.Stdin)
	} else {
		data, err = os.ReadFile(name)
	}
	if err != nil {
		return spec.Spec{}, fail.Usage("reading the spec", err, "crossring "+verb+" -f examples/local.yaml")
	}
	s, err := spec.Parse(shown, data)
	if err != nil {
		return s, fail.Usage("", err, "")
	}
	// Paths are as the file that names them has it, wherever crossring is run from.
	paths := []*string{&s.Hosts}
	if s.TLS != nil {
		paths = append(paths, &s.TLS.CA, &s.TLS.CAPassphraseFile, &s.TLS.Trust)
	}
	for _, path := range paths {
		if *path == "" || filepath.IsAbs(*path) {
			continue
		}
		if *path, err = filepath.Abs(filepath.Join(filepath.Dir(name), *path)); err != nil {
			return s, fmt.Errorf("finding %s, which the spec names: %w", *path, err)
		}
	}
	return s, nil
}

// Up makes a ring.
func Up(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:      "up",
		Usage:     "make the ring of a spec, bring up again one that was made, or give a running one other nodes",
		ArgsUsage: "[NAME]",
		Flags: []cli.Flag{
			fileFlag(),
			&cli.StringFlag{Name: "until", Usage: "stop after `STEP`: plan, provision, render, deploy, start or ready", Value: "ready"},
			&cli.DurationFlag{Name: "timeout", Usage: "wait at most this long for the ring", Value: 5 * time.Minute},
			&cli.BoolFlag{Name: "dry-run", Usage: "only ask EC2 whether it would make it"},
			&cli.BoolFlag{Name: "replace", Usage: "take a cluster down that was made from another spec, and make it anew"},
			&cli.BoolFlag{Name: "yes", Usage: "do not ask before machines on EC2 are made, or any are taken down for --replace"},
			noCollectFlag(),
			operatorFlag(),
			app.CassandraHomeFlag(),
			removeNodeFlag(), replaceNodeFlag(),
			app.TokenTraceFlag(),
		},
		Action: e.Action(up),
	}
}

func up(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	gather, err := gathering(c)
	if err != nil {
		return app.Answer{}, err
	}
	upTo, err := until.ParseStep(c.String("until"))
	if err != nil {
		return app.Answer{}, fail.Usage("", err, app.HelpFor(c))
	}
	req := run.UpRequest{
		Name: c.Args().First(), Until: upTo, Timeout: c.Duration("timeout"), Replace: c.Bool("replace"), Gather: gather,
		Choice: nodeChoice(c),
	}
	if !c.Bool("yes") {
		req.Confirm = e.Confirm
	}
	switch file := c.String("file"); {
	case file != "":
		s, err := readSpec(e, "up", file)
		if err != nil {
			return app.Answer{}, err
		}
		if req.Name != "" && req.Name != s.Name {
			return app.Answer{}, fail.Usage("", fmt.Errorf("the spec is of cluster %q, not %q", s.Name, req.Name), plain.Command("crossring", "up", "-f", file))
		}
		if err := withOperators(c, &s); err != nil {
			return app.Answer{}, err
		}
		req.Spec = &s
	case req.Name == "":
		return app.Answer{}, fail.Usage("", errors.New("up needs a spec, or the name of a cluster that was made"), "crossring up -f examples/local.yaml")
	}
	w, err := e.World(c)
	if err != nil {
		return app.Answer{}, err
	}
	if c.Bool("dry-run") {
		return dryRun(ctx, w, req)
	}
	res, err := run.Up(ctx, w, req)
	return app.Answer{Doc: res, Text: func(out io.Writer) error {
		switch {
		case err != nil:
			return nil
		case res.Ring == nil:
			return writePlan(out, res.Inventory.Plan)
		}
		return writeUp(out, res, e.Command)
	}}, err
}

// cqlshNote is what was seen of cqlsh 6.2.2 with cassandra-driver 3.30.1, both newest on
// PyPI: they finish the handshake with a server of a foreign CA, although their settings
// say validate = true. The driver puts that into a field of Python's that means
// something else.
const cqlshNote = "note: cqlsh from PyPI encrypts, and does not check the node's certificate, whatever validate says in its settings;\n      crossring cql checks it"

// writeUp prints the ring and, for each node, what to copy.
func writeUp(out io.Writer, res run.UpResult, command func(words ...string) string) error {
	if err := ringcheck.WriteStatus(out, *res.Ring); err != nil {
		return err
	}
	if open := res.Ring.Unsaid(); len(open) > 0 {
		fmt.Fprintf(out, "read by CQL, which does not tell %s\n", strings.Join(open, "; "))
	}
	name := res.Inventory.Plan.Name
	cqlsh := "cqlsh"
	if res.Inventory.Plan.ClientTLS() {
		cqlsh += " --ssl --cqlshrc " + plain.Word(filepath.Join(res.Inventory.Dir(), cluster.TLSDir, cluster.CqlshFile))
	}
	fmt.Fprintln(out)
	for _, dc := range res.Inventory.Plan.Datacenters() {
		var points []string
		for _, n := range res.Inventory.InDatacenter(dc) {
			address := res.Inventory.Contact(n)
			points = append(points, address)
			fmt.Fprintf(out, "%s\n    %s %s %d\n    %s\n", n.Name, cqlsh, address, n.Ports.Native, command("cql", fmt.Sprintf("%s:%d", name, n.Index)))
		}
		fmt.Fprintf(out, "datacenter %s: contact points %s\n", dc, strings.Join(points, ","))
	}
	if res.Inventory.Plan.ClientTLS() {
		fmt.Fprintln(out, cqlshNote)
	}
	_, err := fmt.Fprintf(out, "\nnext: %s\nto remove it: %s\n", command("repro", name), command("down", name))
	return err
}

// Down removes a cluster.
func Down(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:      "down",
		Usage:     "remove a cluster, whole or half made; runs and what was collected stay",
		ArgsUsage: "NAME",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "yes", Usage: "do not ask before machines are removed, or cleared, and remove the cluster under a load that runs"},
			noCollectFlag(),
			&cli.BoolFlag{Name: "collect", Usage: "fetch logs and configuration of a cluster on this computer, too"},
			&cli.BoolFlag{Name: "ec2", Usage: "a cluster that the account's tags tell of, whatever state directory it was made from"},
			regionFlag(),
		},
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			return app.WithName(c, e, func(w cluster.World, name string) (app.Answer, error) {
				which, err := gathering(c)
				if err != nil {
					return app.Answer{}, err
				}
				if c.Bool("ec2") {
					return downElsewhere(e, ctx, w, c, name)
				}
				if !c.Bool("yes") {
					if err := run.ConfirmDown(w, name, e.Confirm); err != nil {
						return app.Answer{}, err
					}
				}
				res, err := run.Down(ctx, w, name, run.DownRequest{Gather: which, Loaded: c.Bool("yes")})
				return app.Answer{Doc: res}, err
			})
		}),
	}
}

// Nodes are start, stop and restart.
func Nodes(e *app.Env) []*cli.Command {
	verbs := []struct {
		name, usage string
		do          func(w cluster.World, ctx context.Context, ref string, c *cli.Context) (run.NodesResult, error)
		flags       []cli.Flag
	}{
		{"start", "start the server of a node, or of all, and wait until it answers", func(w cluster.World, ctx context.Context, ref string, _ *cli.Context) (run.NodesResult, error) {
			return run.Start(ctx, w, ref)
		}, []cli.Flag{app.TokenTraceFlag()}},
		{"stop", "stop the server of a node, or of all", func(w cluster.World, ctx context.Context, ref string, _ *cli.Context) (run.NodesResult, error) {
			return run.Stop(ctx, w, ref)
		}, nil},
		{"restart", "stop and start a node, or all at the same time", func(w cluster.World, ctx context.Context, ref string, c *cli.Context) (run.NodesResult, error) {
			return run.Restart(ctx, w, ref, c.Bool("rolling"))
		}, []cli.Flag{&cli.BoolFlag{Name: "rolling", Usage: "one node after another, each when every node sees every node up"}, app.TokenTraceFlag()}},
	}
	var commands []*cli.Command
	for _, v := range verbs {
		commands = append(commands, &cli.Command{
			Name: v.name, Usage: v.usage, ArgsUsage: "NAME[:NODE]",
			Flags: append([]cli.Flag{app.CassandraHomeFlag()}, v.flags...),
			Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
				return app.WithName(c, e, func(w cluster.World, ref string) (app.Answer, error) {
					res, err := v.do(w, ctx, ref, c)
					return app.Answer{Doc: res, Text: func(out io.Writer) error { return writeProcesses(out, res.Nodes) }}, err
				})
			}),
		})
	}
	return commands
}

func writeProcesses(out io.Writer, nodes []topology.Process) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, p := range nodes {
		fmt.Fprintf(tw, "%s\t%s\n", p.Node, p)
	}
	return tw.Flush()
}

// List lists clusters.
func List(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:  "ls",
		Usage: "list clusters",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "ec2", Usage: "also those that the account's tags tell of, in all its regions"}, regionFlag()},
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			w, err := e.World(c)
			if err != nil {
				return app.Answer{}, err
			}
			list := func(ctx context.Context) (run.Listing, error) { return run.List(ctx, w) }
			if c.Bool("ec2") {
				list = func(ctx context.Context) (run.Listing, error) { return run.ListEC2(ctx, w, c.StringSlice("region")...) }
			}
			l, err := list(ctx)
			return app.Answer{Doc: l, Text: func(out io.Writer) error { return writeListing(out, l) }}, err
		}),
	}
}

func writeListing(out io.Writer, l run.Listing) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "NAME\tPROVIDER\tCASSANDRA\tREGIONS\tNODES\tRUNNING\tAGE\tNOTE")
	for _, c := range l.Clusters {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", c.Name, cmp.Or(c.Provider, "unknown"), c.Version, strings.Join(c.Regions, ","),
			c.Nodes, c.Running, app.Brief(time.Duration(c.AgeSeconds*float64(time.Second))), c.Problem)
	}
	return tw.Flush()
}
