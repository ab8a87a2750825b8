package loadcli

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/failif"
	"crossring/internal/gate"
	"crossring/internal/lag"
	"crossring/internal/load"

	"github.com/urfave/cli/v2"
)

func Lag(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "lag", ArgsUsage: "NAME",
		Usage: "how late rows are in the other datacenters: the distribution of all rows, second by second",
		Description: "Writes rows in each datacenter at a steady rate and looks for each of them in the others, about once a\n" +
			"millisecond. A row's lag begins with its acknowledgement. It is known as an interval, from the last look that\n" +
			"missed the row to the first that saw it, and so are percentiles. Rows go to a table of their own in the\n" +
			"test's keyspace, and are gone after a day.\n\n" +
			"  crossring lag NAME --rate 100 --duration 2m\n" +
			"  crossring lag NAME --pair us-east:us-west-2 --write-consistency LOCAL_QUORUM -o json\n\n" +
			"For pipelines, --fail-if ends with 6 where an expression holds. Figures are the worst pair's, by upper bounds:\n\n" +
			"  crossring lag NAME --fail-if 'lag.p999>500ms' --fail-if 'lag.never>0'\n\n" +
			"With --clock echo each datacenter writes and looks by itself. Nobody sees a row before it is sent, and each\n" +
			"datacenter's rows answer the other's: that bounds how far the clocks are apart, and so each lag, whatever they show.\n\n" +
			"  crossring lag NAME --clock echo\n\n" +
			"Exits with 2 when the cluster can't be written to at that rate, and says at which it can. Exits with 6 when rows\n" +
			"were not seen before their deadline, or their writes failed or are unknown. When it is stopped, it says what was\n" +
			"seen, and exits with 130.",
		Flags: append(gateFlags(), []cli.Flag{
			&cli.Float64Flag{Name: "rate", Usage: "write `N` rows a second in each datacenter", Value: 100},
			&cli.DurationFlag{Name: "duration", Usage: "write for `TIME`", Value: time.Minute},
			&cli.StringSliceFlag{Name: "pair", Usage: "only the pair `FROM:TO` of datacenters (repeat)", DefaultText: "every ordered pair"},
			&cli.StringFlag{Name: "write-consistency", Usage: "write at consistency `LEVEL`", DefaultText: specDefault},
			&cli.StringFlag{Name: "read-consistency", Usage: "look at consistency `LEVEL`", DefaultText: specDefault},
			&cli.DurationFlag{Name: "missing-deadline", Usage: "look for a row for at most `TIME`", DefaultText: specDefault},
			&cli.StringFlag{Name: "clock", Usage: "`WHOSE`: one, this computer's, or echo, those of workers in each datacenter, on its machines where it has any, of which none is trusted", Value: lag.ClockOne},
			metricsFlag(),
			&cli.DurationFlag{Name: "look-every", Usage: "begin a look each `TIME`, for each pair", Value: time.Millisecond},
			&cli.Float64Flag{Name: "threshold", Usage: "fail only when more than this `SHARE` of the rows (0..1) is not seen, failed or unknown"},
			&cli.Float64Flag{Name: "background", Usage: "keep every datacenter busy with `N` reads and writes a second beside it, on a table of their own", DefaultText: "none"},
		}...),
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			return app.WithName(c, e, func(w cluster.World, name string) (app.Answer, error) {
				defer loadGC()()
				var deadline *time.Duration
				if c.IsSet("missing-deadline") {
					deadline = new(c.Duration("missing-deadline"))
				}
				req := load.LagRequest{
					Name: name, Deadline: deadline, Background: c.Float64("background"), Threshold: c.Float64("threshold"), Crossring: app.BuildVersion(), Clock: c.String("clock"), Metrics: c.String("metrics"),
					WriteCL: strings.ToUpper(c.String("write-consistency")), ReadCL: strings.ToUpper(c.String("read-consistency")),
				}
				req.Rate, req.Duration, req.Every, req.Pairs = c.Float64("rate"), c.Duration("duration"), c.Duration("look-every"), c.StringSlice("pair")
				g, err := gateOf(c, "lag of "+name, gate.OfLag())
				if err != nil {
					return app.Answer{}, err
				}
				res, err := load.Lag(ctx, w, req)
				v := gate.Lag(res)
				doc := lagDocument{Result: res}
				doc.Breaches, err = g.close(v, gate.Figures(v, slices.Sorted(maps.Keys(v.Values))), err)
				return app.Answer{Doc: doc, Text: res.Text}, err
			})
		}),
	}
}

// lagDocument is the answer of lag.
type lagDocument struct {
	lag.Result
	Breaches []failif.Breach `json:"breaches,omitempty"` // of --fail-if
}
