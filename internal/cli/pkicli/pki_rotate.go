package pkicli

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/trust"
	"crossring/internal/until"

	"github.com/urfave/cli/v2"
)

func pkiRotateCommand(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:      "rotate",
		Usage:     "new keys and certificates for the nodes of a running cluster, one by one; with --ca another CA, too",
		ArgsUsage: "NAME",
		Description: "Nodes from 4.0 on take what is new while they run; older ones are drained and restarted, one at a\n" +
			"time. A CA is replaced in three phases: all trust the old one and the new one; all get certificates\n" +
			"of the new one; the old one is trusted no more. Begins on a ring that is whole. A command that was\n" +
			"killed is continued by the next one.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "ca", Usage: "replace the CA, too"},
			&cli.BoolFlag{Name: "restart", Usage: "restart also nodes that need none, so that no connection of before is left"},
			&cli.StringFlag{Name: "until", Usage: "with --ca: stop after `PHASE`, trust or certificates; the next command goes on"},
			app.TokenTraceFlag(),
		},
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			return app.WithName(c, e, func(w cluster.World, name string) (app.Answer, error) {
				upTo, err := until.ParsePhase(c.String("until"))
				if err != nil {
					return app.Answer{}, fail.Usage("", err, app.HelpFor(c))
				}
				res, err := trust.Rotate(ctx, w, trust.RotateRequest{Name: name, CA: c.Bool("ca"), Restart: c.Bool("restart"), Until: upTo})
				return app.Answer{Doc: res, Text: func(out io.Writer) error { return writeRotation(e, out, res) }}, err
			})
		}),
	}
}

// writeRotation prints who has which certificate.
func writeRotation(e *app.Env, out io.Writer, res trust.RotateResult) error {
	if len(res.Steps) == 0 {
		return nil // it was not begun
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "NAME\tUNTIL\tISSUER\tSERIAL")
	for _, c := range res.Certificates {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", c.Name, c.Certificate.NotAfter.UTC().Format(time.DateOnly), c.Certificate.Issuer, c.Certificate.Serial)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if res.Done {
		return nil
	}
	_, err := fmt.Fprintf(out, "not ended: %s goes on\n", e.Command("pki", "rotate", res.Cluster))
	return err
}
