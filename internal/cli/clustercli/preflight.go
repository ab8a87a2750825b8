package clustercli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/flight"
	"crossring/internal/preflight"
	"crossring/internal/preflight/probe"

	"github.com/urfave/cli/v2"
)

// Preflight tries every connection.
func Preflight(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "preflight", Usage: "try every connection that the ring needs, and say who keeps the closed ones closed", ArgsUsage: "NAME",
		Description: "Before Cassandra starts, or while it runs. For a cluster of hosts or ec2: crossring up -f FILE --until provision, then this.\n" +
			"Exits with 3 when some needed connections can't be made, with 1 when none can.",
		Flags: []cli.Flag{
			&cli.IntSliceFlag{Name: "port", Usage: "also try `PORT` of every machine from here; may be given again"},
			&cli.DurationFlag{Name: "bandwidth", Usage: "send for `TIME` over each way between two nodes; 0s does not", Value: time.Second},
			&cli.StringFlag{Name: "loader-binary", Usage: "take `FILE` for the program on the machines, where their architecture is another"},
		},
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			ports := c.IntSlice("port")
			if slices.ContainsFunc(ports, func(p int) bool { return p < 1 || p > 65535 }) {
				return app.Answer{}, fail.Usage("", fmt.Errorf("--port is from 1 to 65535, not %v", ports), app.HelpFor(c))
			}
			const longest = time.Minute
			if d := c.Duration("bandwidth"); d < 0 || d > longest {
				return app.Answer{}, fail.Usage("", fmt.Errorf("--bandwidth is from 0s to %s, not %s", longest, d), app.HelpFor(c))
			}
			return app.WithName(c, e, func(w cluster.World, name string) (app.Answer, error) {
				res, err := flight.Preflight(ctx, w, flight.PreflightRequest{Name: name, Ports: ports, Bandwidth: c.Duration("bandwidth")})
				return app.Answer{Doc: res, Text: func(out io.Writer) error { return writePreflight(out, res) }}, err
			})
		}),
	}
}

// Probe is what a machine is told to run; not for people.
func Probe(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: probe.Command, Hidden: true, Usage: "listen, connect and watch as told on standard input",
		Action: e.Action(func(ctx context.Context, e *app.Env, _ *cli.Context) (app.Answer, error) {
			e.Answered = true
			return app.Answer{}, flight.Probe(ctx, e.Stdin, e.Stdout)
		}),
	}
}

func writePreflight(out io.Writer, res flight.PreflightResult) error {
	if len(res.Hosts) == 0 {
		return nil // it did not come to that
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "HOST\tADDRESS\tCLOCK\tPACKETS\tFIREWALL\tPROBLEM")
	for _, h := range res.Hosts {
		clock, watched := "-", "watched"
		if h.Clock != nil {
			clock = fmt.Sprintf("%+.1f ms ±%.1f", *h.Clock, *h.Margin)
			if off := time.Duration(*h.Clock * float64(time.Millisecond)); off.Abs() >= time.Minute {
				clock = off.Round(time.Second).String()
			}
		}
		if !h.Watched {
			watched = "not watched: " + h.Unwatched
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", h.Name, h.Address, clock, watched, h.Firewall, h.Problem)
	}
	fmt.Fprintln(tw)
	fmt.Fprintln(tw, "FROM\tTO\tADDRESS\tPORT\tFOR\tSTATE\tTLS\tRTT\tMBIT/S\tMTU\tDIAGNOSIS")
	for _, p := range res.Paths {
		rtt, mbit, mtu := "", "", ""
		if p.RTTMS != nil {
			rtt = fmt.Sprintf("%.1f ms", *p.RTTMS)
		} else if p.ConnectMS != nil {
			rtt = fmt.Sprintf("%.1f ms", *p.ConnectMS)
		}
		if p.Mbit != nil {
			mbit = fmt.Sprintf("%.0f", *p.Mbit)
		}
		if p.PathMTU != nil {
			mtu = fmt.Sprint(*p.PathMTU)
		}
		state := string(p.State)
		if p.State == preflight.Open && p.Listener == preflight.ByProbe {
			state += ", by the probe"
		}
		kind := string(p.Diagnosis)
		if !p.Needed {
			kind += ", not needed"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.From, p.To, p.Address, p.Port, p.Purpose, state, p.TLS, rtt, mbit, mtu, kind)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, p := range res.Paths {
		if p.Diagnosis == preflight.OK {
			if p.Purpose == preflight.Extra && p.Means != "" {
				fmt.Fprintf(out, "\n%s -> %s port %d: %s\n", p.From, p.To, p.Port, p.Means)
			}
			continue
		}
		likely := ""
		if !p.Sure {
			likely = ", most likely"
		}
		fmt.Fprintf(out, "\n%s -> %s port %d: %s%s\n  %s\n  to change: %s\n", p.From, p.To, p.Port, p.Diagnosis, likely, p.Means,
			strings.ReplaceAll(p.Change, "\n", "\n  "))
	}
	return nil
}
