package loadcli

import (
	"context"
	"strings"

	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/load"

	"github.com/urfave/cli/v2"
)

func Latency(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "latency", ArgsUsage: "NAME",
		Usage: "how long reads, writes and lightweight transactions take at every consistency level, predicted and measured",
		Description: "Does each operation at each level, with coordinators in each datacenter, in turn, and holds the times\n" +
			"against what the round trips between the replicas let expect. Rows go to a table of their own in the test's\n" +
			"keyspace, and are gone after a day. What a release doesn't have is left out, and said.\n\n" +
			"  crossring latency NAME --samples 200\n" +
			"  crossring latency NAME --dc us-east --consistency QUORUM --consistency SERIAL --trace 2 -o json\n\n" +
			"Exits with 2 on a level or datacenter that there is not, with 6 when operations failed, with 130 when it was\n" +
			"stopped, after saying what was measured.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "samples", Usage: "do each operation `N` times", Value: 200},
			&cli.IntFlag{Name: "in-flight", Usage: "`N` operations at once, of all cells", Value: 8},
			&cli.StringSliceFlag{Name: "dc", Usage: "only with coordinators in `DATACENTER` (repeat)", DefaultText: "all"},
			&cli.StringSliceFlag{Name: "consistency", Usage: "only at `LEVEL` (repeat)", DefaultText: "all that the release has"},
			&cli.IntFlag{Name: "trace", Usage: "then trace `N` operations of each, and show which replicas answered"},
			app.ServiceTimeFlag(), app.ServiceP99Flag(),
		},
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			return app.WithName(c, e, func(w cluster.World, name string) (app.Answer, error) {
				defer loadGC()()
				req := load.LatencyRequest{
					Name: name, Datacenters: c.StringSlice("dc"), Samples: c.Int("samples"), InFlight: c.Int("in-flight"), Traces: c.Int("trace"),
					Service: app.ServiceTime(c),
				}
				for _, level := range c.StringSlice("consistency") {
					req.Levels = append(req.Levels, strings.ToUpper(level))
				}
				res, err := load.Latency(ctx, w, req)
				return app.Answer{Doc: res, Text: res.Text}, err
			})
		}),
	}
}
