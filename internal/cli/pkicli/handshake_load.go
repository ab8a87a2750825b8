package pkicli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"crossring/internal/cli/app"
	"crossring/internal/fail"
	"crossring/internal/pki/verbs"
	"crossring/internal/plain"
	"crossring/internal/state"
	"crossring/internal/tlsload"
	"crossring/internal/trust"

	"github.com/urfave/cli/v2"
)

// loadFlags are for servers that are given as URLs.
func loadFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "policies", Usage: "URLs: measure each policy of `LIST`: shared, per-request, renew:50req, renew:5s, renew:50req,10m; +resume resumes TLS sessions", DefaultText: "shared"},
		&cli.Int64Flag{Name: "requests", Usage: "URLs: make `N` requests under each policy", DefaultText: "1000, or as many as --time allows"},
		&cli.IntFlag{Name: "rounds", Usage: "URLs: go through the policies `N` times, in turns", Value: 1},
		&cli.Float64Flag{Name: "rate", Usage: "URLs: begin `N` requests a second", DefaultText: "as fast as answers come"},
		&cli.StringFlag{Name: "http", Usage: "URLs: speak HTTP `VERSION` alone: 1.1 or 2", DefaultText: "as agreed"},
		&cli.StringSliceFlag{Name: "ca", Usage: "URLs: trust the roots in `FILE` (repeat; default: the system's)"},
		&cli.StringFlag{Name: "ca-password-file", Usage: "URLs: open trust stores with the first line of `FILE`"},
		&cli.StringSliceFlag{Name: "crl", Usage: "URLs: look certificates up in the revocation list in `FILE` (repeat)"},
		&cli.DurationFlag{Name: "timeout", Usage: "URLs: give each request `TIME`, its connection included", Value: 10 * time.Second},
	}
}

// isLoad says that the servers of a line are asked for answers, not for handshakes
// alone.
func isLoad(c *cli.Context) bool {
	return slices.ContainsFunc(c.Args().Slice(), func(s string) bool { return strings.Contains(s, "://") }) ||
		slices.ContainsFunc(loadFlags(), func(f cli.Flag) bool { return c.IsSet(f.Names()[0]) })
}

func handshakeLoad(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	w, err := e.World(c)
	if err != nil {
		return app.Answer{}, err
	}
	r, urls, err := loadRequest(c)
	if err != nil {
		return app.Answer{}, err
	}
	doc, err := trust.PKI(w).Loads(ctx, urls, r)
	return app.Answer{Doc: doc, Text: func(out io.Writer) error { return writeLoads(out, doc) }}, err
}

// loadRequest reads the flags, and says all that is wrong with them that can be seen
// before a file is read.
func loadRequest(c *cli.Context) (verbs.LoadRequest, []*url.URL, error) {
	usage := func(err error) (verbs.LoadRequest, []*url.URL, error) {
		return verbs.LoadRequest{}, nil, fail.Usage("", err, app.HelpFor(c))
	}
	var urls []*url.URL
	for _, text := range c.Args().Slice() {
		if !strings.Contains(text, "://") {
			// A server that is named as for handshakes is a Cassandra.
			if err := checkAddress(text); err != nil {
				return usage(err)
			}
			text = "cql://" + text
		}
		u, err := verbs.ParseURL(text)
		if err != nil {
			return usage(err)
		}
		urls = append(urls, u)
	}
	policies, err := tlsload.ParsePolicies(cmp.Or(c.String("policies"), "shared"))
	requests, rate := c.Int64("requests"), c.Float64("rate")
	switch {
	case err != nil:
		return usage(fmt.Errorf("--policies: %w", err))
	case c.Bool("new") || c.Bool("reuse"):
		return usage(errors.New("--new and --reuse are for HOST:PORT alone: of a URL say --policies per-request, or per-request+resume"))
	case c.IsSet("requests") && requests < 1:
		return usage(errors.New("--requests is 1 at least"))
	case c.Int("rounds") < 1 || c.Int("rounds") > 100:
		return usage(errors.New("--rounds is 1 to 100"))
	case math.IsNaN(rate) || math.IsInf(rate, 0) || rate < 0 || c.IsSet("rate") && rate == 0:
		return usage(errors.New("--rate is more than nothing"))
	case !slices.Contains([]string{"", "1.1", "2"}, c.String("http")):
		return usage(fmt.Errorf("--http is 1.1 or 2, not %q", c.String("http")))
	case c.String("http") != "" && slices.ContainsFunc(urls, func(u *url.URL) bool { return u.Scheme != "https" }):
		return usage(errors.New("--http is for https:// alone"))
	case c.Duration("timeout") <= 0:
		return usage(errors.New("--timeout is more than nothing"))
	}
	r := verbs.LoadRequest{
		Load: tlsload.Load{
			Policies: policies, Rounds: c.Int("rounds"), Requests: requests, Concurrency: c.Int("concurrency"), Rate: rate,
			Target: tlsload.Target{HTTP: c.String("http"), Timeout: c.Duration("timeout")},
		},
		Trust: verbs.Trust{CA: c.StringSlice("ca"), CRL: c.StringSlice("crl")}, ServerName: c.String("server-name"),
	}
	switch {
	case c.IsSet("time"):
		r.Time = c.Duration("time")
	case requests == 0:
		r.Requests = 1000
	}
	for _, name := range []string{"ca", "crl"} {
		if c.IsSet(name) && (len(c.StringSlice(name)) == 0 || slices.Contains(c.StringSlice(name), "")) {
			return usage(fmt.Errorf("--%s is empty", name))
		}
	}
	if r.CAPassword, err = state.ReadPassword(c.String("ca-password-file")); err != nil {
		return r, nil, err
	}
	r.Config, err = tlsConfig(c, "")
	return r, urls, err
}

// writeLoads writes a table for each server, with the ratios to its first policy.
func writeLoads(out io.Writer, doc verbs.HandshakeResult) error {
	for i, s := range doc.Loads {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := writeLoad(out, s); err != nil {
			return err
		}
	}
	return nil
}

func writeLoad(out io.Writer, s verbs.LoadServer) error {
	if v := s.Verified; v != nil && !v.OK {
		for _, p := range v.Errors {
			if _, err := fmt.Fprintf(out, "error %d at depth %d: %s: %s\n  ask for: %s\n", p.Code, p.Depth, p.Name, p.Message, p.Hint); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(out, "%s: not verified; no request was made\n", s.URL)
		return err
	}
	if len(s.Policies) == 0 {
		return nil
	}
	how := "as fast as answers come"
	if s.Rate != nil {
		how = fmt.Sprintf("%g a second", *s.Rate)
	}
	chain := ""
	if s.Verified != nil && len(s.Verified.Chain) > 0 {
		chain = ", " + s.Verified.Chain[0].Key + ", verified up to " + s.Verified.Chain[len(s.Verified.Chain)-1].Subject
	}
	fmt.Fprintf(out, "%s: %s, %s, %s, %s%s; %d at once, %s\n\n", s.URL, s.Version, s.CipherSuite, or(s.Curve, "no group"), s.Protocol, chain, s.Concurrency, how)
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	response := s.Rate != nil
	head := "POLICY\tREQUESTS\tFAILED\tFLOWS\tFULL\tRESUMED\tCPU s\tSERVER s\tELAPSED s\tPER s\tP50 ms\tP99 ms"
	if response {
		head += "\tRESPONSE P99"
	}
	fmt.Fprintln(tw, head+"\tx FLOWS\tx CPU\tx SERVER\tx ELAPSED\t")
	for _, p := range s.Policies {
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\t%d\t%.2f\t%s\t%.2f\t%.0f\t%.2f\t%.2f", p.Policy, p.Requests, p.Failed, p.Flows, p.FullHandshakes, p.ResumedHandshakes,
			p.ClientCPUSeconds, seconds(p.ServerCPUSeconds), p.Seconds, p.RequestsPerSecond, p.LatencyMS.P50, p.LatencyMS.P99)
		if response {
			fmt.Fprintf(tw, "\t%.2f", p.ResponseMS.P99)
		}
		r := p.Ratio
		switch {
		case r == nil && p.Requests == 0: // it was broken off before
			fmt.Fprint(tw, "\t-\t-\t-\t-\t\n")
			continue
		case r == nil:
			fmt.Fprint(tw, "\t1\t1\t1\t1\t\n")
			continue
		}
		fmt.Fprintf(tw, "\t%s\t%s\t%s\t%s\t\n", ratio(r.Flows), ratio(r.ClientCPU), ratio(r.ServerCPU), ratio(r.Seconds))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	notes := loadNotes(s)
	if len(notes) > 0 {
		fmt.Fprintln(out)
	}
	for _, n := range notes {
		if _, err := fmt.Fprintln(out, n); err != nil {
			return err
		}
	}
	return nil
}

// loadNotes say what the table does not.
func loadNotes(s verbs.LoadServer) []string {
	var notes []string
	for _, p := range s.Policies {
		if r := p.Ratio; r != nil && len(p.Rounds) > 1 {
			notes = append(notes, fmt.Sprintf("%s to %s, medians of %d rounds: 1:%s flows, 1:%s CPU, 1:%s server's CPU, 1:%s elapsed", r.Base, p.Policy, len(p.Rounds),
				spread(r.Flows), spread(r.ClientCPU), spread(r.ServerCPU), spread(r.Seconds)))
		}
	}
	for _, p := range s.Policies {
		for _, status := range slices.Sorted(maps.Keys(p.Statuses)) {
			if status != "200" && status != "SUPPORTED" {
				notes = append(notes, fmt.Sprintf("%s: %s of status %s", p.Policy, plain.Count(p.Statuses[status], "answer"), status))
			}
		}
	}
	if why := s.Policies[0].ServerCPUMissing; why != "" {
		notes = append(notes, "no processor time of the server: "+why)
	}
	return notes
}

func seconds(s *float64) string {
	if s == nil {
		return "?"
	}
	return fmt.Sprintf("%.2f", *s)
}

func ratio(r *tlsload.Ratio) string {
	if r == nil {
		return "?"
	}
	return "1:" + three(r.Median)
}

func spread(r *tlsload.Ratio) string {
	if r == nil {
		return "?"
	}
	return fmt.Sprintf("%s (%s to %s)", three(r.Median), three(r.Low), three(r.High))
}

// three is a number with three digits that count; a large one is written out.
func three(n float64) string {
	if math.Abs(n) >= 100 {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	return strconv.FormatFloat(n, 'g', 3, 64)
}
