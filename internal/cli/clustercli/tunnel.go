package clustercli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"crossring/internal/cli/app"
	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/tunnels"

	"github.com/urfave/cli/v2"
)

// Tunnel carries ports here.
func Tunnel(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "tunnel", Usage: "carry ports of a node here, through SSH; list and stop tunnels", ArgsUsage: "NAME[:NODE]|ls|stop [TUNNEL...]",
		Description: "For clusters of hosts and ec2. -L is as ssh has it, [BIND:]PORT:HOST:PORT, and shorter: -L 9042 is the node's port 9042 here,\n" +
			"-L 19042:9042 at another port, -L 0:9042 at any that is free. Without -L it is CQL. The connection is made anew when it is lost.\n" +
			"crossring tunnel ls lists those in the background; crossring tunnel stop ends all, or those of an id, a cluster or a node.\n" +
			"While one is there, ring, cql and the like go through it.",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "forward", Aliases: []string{"L"}, Usage: "carry `PORT`, as ssh's -L; may be given again"},
			&cli.BoolFlag{Name: "background", Usage: "return when it stands, and leave it running"},
		},
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			w, err := e.World(c)
			if err != nil {
				return app.Answer{}, err
			}
			first, more := c.Args().First(), c.Args().Tail()
			switch {
			case first == "stop":
				res, err := tunnels.Stop(w, more...)
				return tunnelsAnswer(res), err
			case len(more) > 0:
				return app.Answer{}, fail.Usage("", fmt.Errorf("tunnel takes one NAME[:NODE], and its ports with -L"), plain.Command("crossring", "tunnel", first, "-L", "9042"))
			case first == "ls":
				res, err := tunnels.Look(ctx, w)
				return tunnelsAnswer(res), err
			}
			req := tunnels.Request{Ref: first, Forwards: c.StringSlice("forward")}
			if c.Bool("background") {
				info, err := tunnels.Start(ctx, w, req)
				if err != nil {
					return app.Answer{}, err
				}
				return tunnelAnswer(e, info), nil
			}
			err = tunnels.Carry(ctx, w, req, func(info tunnels.Info) error {
				e.Answered = true // it stands: that is the answer, and comes before the end
				if e.Output == "json" {
					return app.WriteJSON(e.Stdout, info, nil)
				}
				return tunnelAnswer(e, info).Text(e.Stdout)
			})
			return app.Answer{}, err
		}),
	}
}

// TunnelKeeper is a tunnel in the background; not for people.
func TunnelKeeper(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: tunnels.Command, Hidden: true, Usage: "be a tunnel in the background", ArgsUsage: "NAME[:NODE] [FORWARD...]",
		Flags: []cli.Flag{&cli.StringFlag{Name: "id", Usage: "`ID` that it is found by"}},
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			w, err := e.World(c)
			if err != nil {
				return app.Answer{}, err
			}
			err = tunnels.Keep(ctx, w, c.String("id"), tunnels.Request{Ref: c.Args().First(), Forwards: c.Args().Tail()})
			if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
				return app.Answer{}, nil // told to end, as it should be
			}
			return app.Answer{}, err
		}),
	}
}

func tunnelAnswer(e *app.Env, info tunnels.Info) app.Answer {
	return app.Answer{Doc: info, Text: func(out io.Writer) error {
		for _, f := range info.Forwards {
			if _, err := fmt.Fprintf(out, "%s -> %s on %s\n", f.Listen, f.Target, info.Node); err != nil {
				return err
			}
		}
		if info.ID == "" {
			return nil
		}
		_, err := fmt.Fprintf(out, "to stop it: %s\n", e.Command("tunnel", "stop", info.ID))
		return err
	}}
}

func tunnelsAnswer(res tunnels.Tunnels) app.Answer {
	return app.Answer{Doc: res, Text: func(out io.Writer) error {
		tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "ID\tCLUSTER\tNODE\tHERE\tTHERE\tSINCE\tSTATE")
		for _, t := range res.Tunnels {
			state := "down"
			if t.Up {
				state = "up"
			}
			if t.Problem != "" {
				state += ": " + t.Problem
			}
			for _, f := range t.Forwards {
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Cluster, t.Node, f.Listen, f.Target, t.Since.Local().Format(time.DateTime), state)
			}
		}
		return tw.Flush()
	}}
}
