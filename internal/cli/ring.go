package cli

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"

	"crossring/internal/run"
	"crossring/ringcheck"

	"github.com/urfave/cli/v2"
)

// ringCommands are ring and status: one question, two of nodetool's tables.
func (e *env) ringCommands() []*cli.Command {
	return []*cli.Command{
		e.ringCommand("ring", "the ring as every node sees it, in nodetool ring's format, held against the plan", ringcheck.WriteRing),
		e.ringCommand("status", "the ring as every node sees it, in nodetool status's format, held against the plan", ringcheck.WriteStatus),
	}
}

func (e *env) ringCommand(name, usage string, write func(io.Writer, ringcheck.Ring) error) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: "NAME",
		Description: "Exits with 4 when the ring is not as planned, and names each difference.",
		Action: e.action(func(ctx context.Context, e *env, c *cli.Context) (answer, error) {
			return withName(c, e, func(w run.World, name string) (answer, error) {
				ring, err := w.Ring(ctx, name)
				if ring.Schema == "" {
					return answer{}, err
				}
				return answer{doc: ring, text: func(out io.Writer) error {
					if err := write(out, ring); err != nil {
						return err
					}
					return e.sayRing(ring)
				}}, err
			})
		}),
	}
}

// sayRing says on stderr what nodetool's tables have no place for.
func (e *env) sayRing(ring ringcheck.Ring) error {
	if ring.OK() {
		text := "the ring is as planned"
		if len(ring.Faults) > 0 {
			text += ", as far as its nodes have noticed"
		}
		note(e.stderr, "%s", text)
	}
	if open := ring.Unsaid(); len(open) > 0 {
		note(e.stderr, "read by CQL, which does not tell %s", strings.Join(open, "; "))
	}
	for _, line := range slices.Sorted(maps.Keys(ring.RTT)) {
		note(e.stderr, "round trip %s: %.1f ms, as measured", line, ring.RTT[line])
	}
	return nil
}
