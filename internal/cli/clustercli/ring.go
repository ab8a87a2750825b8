package clustercli

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"

	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/failif"
	"crossring/internal/health"
	"crossring/ringcheck"

	"github.com/urfave/cli/v2"
)

// Rings are ring and status: one question, two of nodetool's tables.
func Rings(e *app.Env) []*cli.Command {
	return []*cli.Command{
		ringCommand(e, "ring", "the ring as every node sees it, in nodetool ring's format, held against the plan", ringcheck.WriteRing),
		ringCommand(e, "status", "the ring as every node sees it, in nodetool status's format, held against the plan", ringcheck.WriteStatus),
	}
}

func ringCommand(e *app.Env, name, usage string, write func(io.Writer, ringcheck.Ring) error) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: "NAME",
		Description: "Exits with 4 when the ring is not as planned, and names each difference.\n\n" +
			"--fail-if EXPRESSION, for pipelines, ends with 6 where the expression holds: certificate.days, the days\n" +
			"that the first of the cluster's certificates has left; nodes.down; mismatches.\n\n" +
			"  crossring " + name + " lab --fail-if 'certificate.days<30'",
		Flags: []cli.Flag{&cli.StringSliceFlag{Name: "fail-if", Usage: "end with exit code 6 where `EXPRESSION` holds (repeat)"}},
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			return app.WithName(c, e, func(w cluster.World, name string) (app.Answer, error) {
				exprs, err := failif.Parse(c.StringSlice("fail-if"), failif.Names(figureDays, figureDown, figureMismatches))
				if err != nil {
					return app.Answer{}, err
				}
				ring, err := health.Ring(ctx, w, name)
				if ring.Schema == "" {
					return app.Answer{}, err
				}
				doc := ringDocument{Ring: ring}
				var breach error
				if len(exprs) > 0 {
					doc.Breaches, breach = failif.Check(exprs, figuresOf(ring))
				}
				if err == nil {
					err = breach // what is wrong with the ring itself goes first
				}
				return app.Answer{Doc: doc, Text: func(out io.Writer) error {
					if err := write(out, ring); err != nil {
						return err
					}
					return sayRing(e, ring)
				}}, err
			})
		}),
	}
}

// ringDocument is the answer of ring and status.
type ringDocument struct {
	ringcheck.Ring
	Breaches []failif.Breach `json:"breaches,omitempty"` // of --fail-if
}

// Figures of a ring that --fail-if knows.
const (
	figureDays       = "certificate.days"
	figureDown       = "nodes.down"
	figureMismatches = "mismatches"
)

// figuresOf are the figures of a ring; what is not known is left out.
func figuresOf(ring ringcheck.Ring) map[string]*float64 {
	down, mismatches := 0., float64(len(ring.Mismatches))
	f := map[string]*float64{figureDown: &down, figureMismatches: &mismatches}
	for _, dc := range ring.Datacenters {
		for _, n := range dc.Nodes {
			if n.Status == ringcheck.Down {
				down++
			}
		}
	}
	for _, c := range ring.Certificates {
		if days := float64(c.Days); f[figureDays] == nil || days < *f[figureDays] {
			f[figureDays] = &days
		}
	}
	return f
}

// sayRing says on stderr what nodetool's tables have no place for.
func sayRing(e *app.Env, ring ringcheck.Ring) error {
	if ring.OK() {
		text := "the ring is as planned"
		if len(ring.Faults) > 0 {
			text += ", as far as its nodes have noticed"
		}
		app.Note(e.Stderr, "%s", text)
	}
	if open := ring.Unsaid(); len(open) > 0 {
		app.Note(e.Stderr, "read by CQL, which does not tell %s", strings.Join(open, "; "))
	}
	for _, line := range slices.Sorted(maps.Keys(ring.RTT)) {
		app.Note(e.Stderr, "round trip %s: %.1f ms, as measured", line, ring.RTT[line])
	}
	return nil
}
