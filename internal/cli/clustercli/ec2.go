package clustercli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/plan"
	"crossring/internal/price"
	"crossring/internal/run"
	"crossring/internal/spec"
	"crossring/internal/topology"

	"github.com/urfave/cli/v2"
)

func operatorFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "operator-cidr", Usage: "on EC2, let `NETWORK` reach SSH and CQL, as ADDRESS/32; may be repeated"}
}

// withOperators puts the networks of --operator-cidr in place of the spec's.
func withOperators(c *cli.Context, s *spec.Spec) error {
	cidrs := c.StringSlice("operator-cidr")
	if len(cidrs) == 0 {
		return nil
	}
	for _, cidr := range cidrs {
		if problem := spec.CheckCIDR(cidr); problem != "" {
			return fail.Usage("", fmt.Errorf("--operator-cidr: %s", problem), "")
		}
	}
	s.SetOperators(cidrs)
	return nil
}

func pricesFlag() cli.Flag {
	return &cli.StringFlag{Name: "prices", Usage: "estimate the cost with the price table in `FILE`, in the form of the one that is shipped"}
}

// repriced is the plan with the costs of --prices.
func repriced(c *cli.Context, p topology.Plan) (topology.Plan, error) {
	file := c.String("prices")
	if file == "" {
		return p, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return p, fail.Usage("reading the prices", err, "")
	}
	table, err := price.Parse(data)
	if err != nil {
		return p, fail.Usage(file, err, "")
	}
	return plan.Repriced(p, table), nil
}

// writeEC2Plan prints what of a plan only EC2 has.
func writeEC2Plan(out io.Writer, p topology.Plan) {
	e := p.EC2
	if e == nil {
		return
	}
	image := e.Image.SSM
	if e.Image.Name != "" {
		image = e.Image.Name + " of " + e.Image.Owner
	}
	for _, region := range p.Nodes {
		if id := e.Image.IDs[region.Region]; id != "" {
			image = "ids in the spec"
		}
	}
	fmt.Fprintf(out, "\ninstances: %s (%s), image %s, instance metadata tokens %s, public addresses %s\n", e.InstanceType, e.Architecture, image, e.HTTPTokens, e.PublicIP)
	if len(e.Volumes) == 0 {
		fmt.Fprintln(out, "volumes: the instance's own disks")
	}
	for _, v := range e.Volumes {
		fmt.Fprintf(out, "volume: %s on %s, %s of %d GB\n", v.Disk, v.Device, v.Type, v.SizeGB)
	}
	for _, line := range plan.QuotaLines(e.Quotas) {
		fmt.Fprintf(out, "quota: %s\n", line)
	}
	for _, line := range plan.LocalZones(p) {
		fmt.Fprintf(out, "zone: %s\n", line)
	}
	for _, call := range p.Calls {
		fmt.Fprintf(out, "call: %s\n", call)
	}
	if p.Change != nil && p.Change.PerHourBeforeUSD != nil {
		fmt.Fprintf(out, "cost before: %.2f USD an hour\n", *p.Change.PerHourBeforeUSD)
	}
	if p.Cost != nil {
		fmt.Fprintf(out, "cost: %s; docs/ec2.md says which prices were checked, --prices takes yours\n", plan.CostLine(p))
		for _, what := range p.Cost.Unpriced {
			fmt.Fprintf(out, "cost: without %s, which the price table does not have\n", what)
		}
	}
}

// Extend lets a cluster live longer.
func Extend(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "extend", Usage: "let a cluster on EC2 live longer", ArgsUsage: "NAME",
		Flags: []cli.Flag{&cli.DurationFlag{Name: "ttl", Usage: "time to live from now on", Value: 8 * time.Hour}},
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			return app.WithName(c, e, func(w cluster.World, name string) (app.Answer, error) {
				res, err := run.Extend(ctx, w, name, c.Duration("ttl"))
				if err != nil {
					return app.Answer{Doc: res}, err // it does not expire then
				}
				return app.Answer{Doc: res, Text: func(out io.Writer) error {
					if res.ExpiresAt == nil {
						return nil
					}
					_, err := fmt.Fprintf(out, "%s expires at %s\n", res.Name, res.ExpiresAt.Format(time.RFC3339))
					return err
				}}, nil
			})
		}),
	}
}

func regionFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "region", Usage: "only in `REGION`; may be repeated; without it, in all that the account has"}
}

// GC removes what has expired.
func GC(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "gc", Usage: "remove every cluster on EC2 whose time to live is over",
		Flags: []cli.Flag{regionFlag(), &cli.BoolFlag{Name: "dry-run", Usage: "only list them"}},
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			w, err := e.World(c)
			if err != nil {
				return app.Answer{}, err
			}
			res, err := run.Collect(ctx, w, c.Bool("dry-run"), c.StringSlice("region")...)
			return app.Answer{Doc: res, Text: func(out io.Writer) error {
				word := "removed"
				if !res.Removed {
					word = "expired"
				}
				for _, l := range res.Clusters {
					if _, err := fmt.Fprintf(out, "%s %s of %s: %s in %s, expired at %s\n", word, l.Name, l.Owner, plain.Count(l.Nodes, "instance"), strings.Join(l.Regions, ","), l.Expires.Format(time.RFC3339)); err != nil {
						return err
					}
				}
				return nil
			}}, err
		}),
	}
}

// dryRun is up --dry-run.
func dryRun(ctx context.Context, w cluster.World, req run.UpRequest) (app.Answer, error) {
	if req.Spec == nil {
		return app.Answer{}, fail.Usage("", errors.New("a dry run needs a spec"), "crossring up -f cluster.yaml --dry-run")
	}
	p, err := run.DryRun(ctx, w, *req.Spec)
	return app.Answer{Doc: p, Text: func(out io.Writer) error {
		if err != nil {
			return nil
		}
		_, err := fmt.Fprintf(out, "EC2 would make cluster %s: %s; nothing was made\n", p.Name, plain.Count(len(p.Nodes), "instance"))
		return err
	}}, err
}

// downElsewhere is down --ec2.
func downElsewhere(e *app.Env, ctx context.Context, w cluster.World, c *cli.Context, name string) (app.Answer, error) {
	confirm := e.Confirm
	if c.Bool("yes") {
		confirm = nil
	}
	res, err := run.DownElsewhere(ctx, w, name, confirm, c.StringSlice("region")...)
	return app.Answer{Doc: res}, err
}
