package loadcli

import (
	"context"
	"strings"
	"time"

	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/load"

	"github.com/urfave/cli/v2"
)

// Verify reads again what a run acknowledged.
func Verify(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "verify", ArgsUsage: "RUN",
		Usage: "read again all rows that a run acknowledged, and say of each that is missing on which replicas it is",
		Description: "RUN is a run directory, its name below the state directory, the name of a cluster, whose newest run it is,\n" +
			"or latest. The run stays as it is. Each replica of a row that\n" +
			"is not found is asked by itself. At ALL the servers mend rows that only some replicas have; a weaker\n" +
			"level shows what its readers see:\n\n" +
			"  crossring verify RUN\n" +
			"  crossring verify RUN --level LOCAL_ONE --dc us-west-2 --deadline 0s -o json\n\n" +
			"Exits with 6 when an acknowledged row is lost, wrong or can't be read.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "level", Usage: "read at consistency `LEVEL`", Value: "ALL"},
			&cli.StringFlag{Name: "dc", Usage: "read in `DATACENTER`", DefaultText: "where the run read"},
			&cli.DurationFlag{Name: "deadline", Usage: "ask for a missing row again for at most `TIME`", DefaultText: "as in the run"},
		},
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			return app.WithName(c, e, func(w cluster.World, run string) (app.Answer, error) {
				defer loadGC()()
				var deadline *time.Duration
				if c.IsSet("deadline") {
					deadline = new(c.Duration("deadline"))
				}
				res, err := load.Verify(ctx, w, load.VerifyRequest{
					Run: run, Level: strings.ToUpper(c.String("level")), Datacenter: c.String("dc"), Deadline: deadline,
				})
				return app.Answer{Doc: res, Text: res.Text}, err
			})
		}),
	}
}
