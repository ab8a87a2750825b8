package pkicli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"crossring/internal/cli/app"
	"crossring/internal/fail"
	"crossring/internal/pki/verbs"
	"crossring/internal/pki/wire"
	"crossring/internal/trust"

	"github.com/urfave/cli/v2"
)

// Handshake shows what a server shows and how fast it is.
func Handshake(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:      "handshake",
		Usage:     "how many TLS handshakes a second a server does, new and resumed",
		ArgsUsage: "HOST:PORT|URL...",
		Description: "Works on a node's TLS port and on any other server. It makes connections for a while, first new ones,\n" +
			"then ones that resume a session, and counts those that really were resumed. Processor time is this\n" +
			"program's own. Use it on servers of your own: it is load.\n\n" +
			"Of a URL, https://HOST[:PORT]/PATH or cql://HOST:PORT, it makes requests: GET, or OPTIONS of Cassandra's\n" +
			"protocol. Policies say how long connections live. It says what each policy costs: TCP flows, handshakes,\n" +
			"processor time of both sides, time, and the ratios. The server's chain is verified on every\n" +
			"connection, as pki verify does; where it does not verify, no request is made. HOST:PORT with one of the\n" +
			"flags for URLs is a cql:// URL.\n\n" +
			"  crossring handshake 203.0.113.10:9042\n" +
			"  crossring handshake https://www.example.com/ --policies shared,per-request,renew:50req --requests 500\n" +
			"  crossring handshake https://127.0.0.1:8443/ --ca ca.pem --policies shared,per-request --rounds 5 --tls 1.2\n" +
			"  crossring handshake cql://203.0.113.10:9042 --ca ca.pem --client-cert client.pem --policies shared,per-request\n\n" +
			"Exits with 1 when a chain does not verify, a server does not take the client or lacks what was chosen, it\n" +
			"redirects to plain text, or requests failed. Exits with 3 when some servers failed.",
		Flags: append(append(tlsFlags(), loadFlags()...),
			&cli.StringFlag{Name: "password-file", Usage: "open --client-cert with the first line of `FILE`"},
			&cli.BoolFlag{Name: "new", Usage: "new sessions alone"},
			&cli.BoolFlag{Name: "reuse", Usage: "resumed sessions alone"},
			&cli.DurationFlag{Name: "time", Usage: "make connections for `TIME`, for each of the two; of a URL, requests under each policy", Value: 5 * time.Second},
			&cli.IntFlag{Name: "concurrency", Usage: "make `N` connections at once", Value: 1},
		),
		Action: e.Action(handshake),
	}
}

func handshake(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	both := c.Bool("new") == c.Bool("reuse")
	switch {
	case c.Args().Len() == 0:
		return app.Answer{}, fail.Usage("", errors.New("a server is needed, as HOST:PORT or a URL"), app.HelpFor(c))
	case c.Duration("time") <= 0:
		return app.Answer{}, fail.Usage("", errors.New("--time is more than nothing"), app.HelpFor(c))
	case c.Int("concurrency") < 1 || c.Int("concurrency") > 1000:
		return app.Answer{}, fail.Usage("", errors.New("--concurrency is 1 to 1000"), app.HelpFor(c))
	}
	if isLoad(c) {
		return handshakeLoad(ctx, e, c)
	}
	var loads []wire.Load
	for _, address := range c.Args().Slice() {
		if err := checkAddress(address); err != nil {
			return app.Answer{}, fail.Usage("", err, app.HelpFor(c))
		}
		cfg, err := tlsConfig(c, address)
		if err != nil {
			return app.Answer{}, err
		}
		loads = append(loads, wire.Load{Address: address, Config: cfg, Time: c.Duration("time"), Concurrency: c.Int("concurrency")})
	}
	w, err := e.World(c)
	if err != nil {
		return app.Answer{}, err
	}
	doc, err := trust.PKI(w).Handshakes(ctx, loads, both || c.Bool("new"), both || c.Bool("reuse"))
	return app.Answer{Doc: doc, Text: func(out io.Writer) error { return writeHandshakes(out, doc) }}, err
}

// checkAddress says what is wrong with a server's HOST:PORT.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if n, err := strconv.ParseUint(port, 10, 16); host == "" || err != nil || n == 0 {
		return fmt.Errorf("%q is no server: it is written HOST:PORT, as in 203.0.113.10:9042", address)
	}
	return nil
}

func writeHandshakes(out io.Writer, doc verbs.HandshakeResult) error {
	if !slices.ContainsFunc(doc.Servers, func(s verbs.HandshakeServer) bool { return s.New != nil || s.Reused != nil }) {
		return nil
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "SERVER\tSESSION\tVERSION\tSUITE\tCURVE\tCONNECTIONS\tRESUMED\tREAL s\tCPU s\tUSER s\tPER s\tPER CPU s\t")
	for _, s := range doc.Servers {
		for _, kind := range []struct {
			name string
			rate *wire.Rate
		}{{"new", s.New}, {"reused", s.Reused}} {
			if r := kind.rate; r != nil {
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%.2f\t%.2f\t%.2f\t%.0f\t%.0f\t\n", s.Address, kind.name, r.Version, r.CipherSuite, or(r.Curve, "-"),
					r.Connections, r.Resumed, r.RealSeconds, r.ClientCPUSeconds, r.UserSeconds, r.PerRealSecond, r.PerCPUSecond)
			}
		}
	}
	return tw.Flush()
}
