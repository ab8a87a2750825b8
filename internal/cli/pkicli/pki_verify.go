package pkicli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/pki/chain"
	"crossring/internal/pki/java"
	"crossring/internal/pki/names"
	"crossring/internal/pki/verbs"
	"crossring/internal/pki/wire"
	"crossring/internal/plain"
	"crossring/internal/state"
	"crossring/internal/trust"

	"github.com/urfave/cli/v2"
)

func pkiVerifyCommand(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "verify a chain, and say everything that is wrong with it",
		ArgsUsage: "[LEAF|NAME]",
		Description: "LEAF is a file: PEM, DER, PKCS#12, JKS or PKCS#7, as are trust stores. Further certificates in it count as\n" +
			"sent with it; a private key in it is held against the leaf. Errors have the numbers and names of\n" +
			"OpenSSL 3. Nothing is asked of the network without --ocsp, --crl fetch, --connect or NAME.\n" +
			"Beside that verdict stands Java's, which decides on a ring: by its rules, or asked with --ask-java.\n\n" +
			"With --connect it is the chain that a server shows, as it sends it, with the address that was dialled.\n" +
			"--client-cert is shown to it, and a second connection tries to resume the session.\n" +
			"NAME, or --cluster NAME, is a cluster with TLS. Every node is dialled as the nodes of each region and its\n" +
			"own region's clients do. A node that is wrong is named, with the regions that see it.\n\n" +
			"  crossring pki verify --ca ca.pem --purpose internode --ip 203.0.113.10 node.pem\n" +
			"  crossring pki verify --ca ca.pem --connect 203.0.113.10:9042 --client-cert client.pem\n" +
			"  crossring pki verify lab\n\n" +
			"Exit codes: 0, nothing is wrong; 1, something is. 3, some nodes of a cluster were not reached, and the\n" +
			"others are right. 7, nobody was reached, so nothing is known.",
		Flags: append(tlsFlags(),
			&cli.StringFlag{Name: "connect", Usage: "verify what the server at `HOST:PORT` shows"},
			&cli.StringFlag{Name: "cluster", Usage: "verify the nodes of the cluster `NAME`, also where a file is called so"},
			&cli.DurationFlag{Name: "timeout", Usage: "with --connect: give the server `TIME` to answer", Value: 15 * time.Second},
			&cli.StringSliceFlag{Name: "ca", Usage: "trust the roots in `FILE` (repeat)"},
			&cli.StringSliceFlag{Name: "untrusted", Usage: "build the chain from the certificates in `FILE`, too (repeat)"},
			&cli.StringFlag{Name: "purpose", Usage: "for use as `WHAT`: server, client or internode, which is both"},
			&cli.StringFlag{Name: "ip", Usage: "the leaf must be for `ADDRESS`"},
			&cli.StringFlag{Name: "host", Usage: "the leaf must be for `NAME`"},
			&cli.StringFlag{Name: "at", Usage: "verify as of `TIME`, as in 2026-01-31T12:00:00Z"},
			&cli.StringSliceFlag{Name: "crl", Usage: "look the leaf up in the revocation list in `FILE`; fetch is the one that it names (repeat)"},
			&cli.BoolFlag{Name: "ocsp", Usage: "ask the responder that the leaf names"},
			&cli.BoolFlag{Name: "ask-java", Usage: "have a JDK here judge the chain, too, where else its rules are gone by"},
			&cli.BoolFlag{Name: "trace", Usage: "list what was asked of the network"},
			&cli.StringFlag{Name: "key", Usage: "the private key in `FILE` must be the leaf's"},
			&cli.StringFlag{Name: "password-file", Usage: "open LEAF or --client-cert, and trust stores, with the first line of `FILE`"},
			&cli.StringFlag{Name: "ca-password-file", Usage: "open trust stores with the first line of `FILE`, where it is another password"},
		),
		Action: e.Action(pkiVerify),
	}
}

func pkiVerify(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	w, err := e.World(c)
	if err != nil {
		return app.Answer{}, err
	}
	leaf, cluster, err := verified(w, c)
	if err != nil {
		return app.Answer{}, err
	}
	// An empty one among several would check nothing; an empty value is refused before.
	for _, name := range []string{"ca", "untrusted", "crl"} {
		if c.IsSet(name) && (len(c.StringSlice(name)) == 0 || slices.Contains(c.StringSlice(name), "")) {
			return app.Answer{}, fail.Usage("", fmt.Errorf("--%s is empty", name), app.HelpFor(c))
		}
	}
	r := verbs.VerifyRequest{
		Leaf: leaf, Roots: c.StringSlice("ca"), Untrusted: c.StringSlice("untrusted"), Key: c.String("key"),
		Purpose: c.String("purpose"), IP: c.String("ip"), Host: c.String("host"), CRL: c.StringSlice("crl"), OCSP: c.Bool("ocsp"), AskJava: c.Bool("ask-java"),
	}
	if !slices.Contains([]string{"", chain.Server, chain.Client, chain.Internode}, r.Purpose) {
		return app.Answer{}, fail.Usage("", fmt.Errorf("--purpose is server, client or internode, not %q", r.Purpose), app.HelpFor(c))
	}
	if r.IP != "" && net.ParseIP(r.IP) == nil {
		return app.Answer{}, fail.Usage("", fmt.Errorf("--ip: %q is no address", r.IP), app.HelpFor(c))
	}
	if r.Host != "" && net.ParseIP(r.Host) == nil {
		err := names.CheckDNS(strings.TrimSuffix(r.Host, "."))
		if err == nil && strings.Contains(r.Host, "*") {
			err = errors.New("a wildcard is no host")
		}
		if err != nil {
			return app.Answer{}, fail.Usage("--host", err, app.HelpFor(c))
		}
	}
	if net.ParseIP(r.Host) != nil {
		return app.Answer{}, fail.Usage("", fmt.Errorf("--host: %s is an address, and names are no addresses: --ip %s", r.Host, r.Host), app.HelpFor(c))
	}
	if at := c.String("at"); at != "" {
		if r.At, err = time.Parse(time.RFC3339, at); err != nil {
			return app.Answer{}, fail.Usage("", fmt.Errorf("--at: %q is no time such as 2026-01-31T12:00:00Z", at), app.HelpFor(c))
		}
	}
	if cluster != "" {
		res, err := trust.VerifyCluster(ctx, w, cluster, r.At)
		return app.Answer{Doc: res, Text: func(out io.Writer) error { return writeClusterVerified(out, res) }}, err
	}
	if r.Password, err = state.ReadPassword(c.String("password-file")); err != nil {
		return app.Answer{}, err
	}
	if r.TrustPassword, err = state.ReadPassword(c.String("ca-password-file")); err != nil {
		return app.Answer{}, err
	}
	if len(r.Roots) == 0 {
		app.Note(e.Stderr, "warning: nothing is trusted without --ca")
	}
	if c.IsSet("connect") {
		cfg, err := tlsConfig(c, leaf)
		if err != nil {
			return app.Answer{}, err
		}
		ctx, cancel := context.WithTimeout(ctx, c.Duration("timeout"))
		defer cancel()
		res, err := trust.PKI(w).VerifyServer(ctx, r, nil, cfg)
		return app.Answer{Doc: res, Text: func(out io.Writer) error { return writeVerified(out, res, c.Bool("trace")) }}, err
	}
	res, err := trust.PKI(w).VerifyChain(ctx, r)
	return app.Answer{Doc: res, Text: func(out io.Writer) error { return writeVerified(out, res, c.Bool("trace")) }}, err
}

// gotIn says in words what became of the client's certificate.
func gotIn(s *wire.Seen) string {
	switch {
	case s.Taken == nil:
		return s.ClientCertificate
	case *s.Taken:
		return "asked for, and taken"
	}
	return "asked for, and refused"
}

func writeVerified(out io.Writer, r verbs.VerifyResult, trace bool) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if s := r.Connection; s != nil && s.Version != "" {
		fmt.Fprintf(tw, "server\t%s: %s, %s, %s sent\n", s.Address, s.Version, s.CipherSuite, plain.Count(len(r.Served), "certificate"))
		fmt.Fprintf(tw, "client certificate\t%s\n", gotIn(s))
		fmt.Fprintf(tw, "resumption\t%s; a second connection resumed: %t\n", s.Resumption, s.Resumed)
	}
	for _, l := range r.Chain {
		trust := ""
		if l.Trusted {
			trust = ", trusted"
		}
		fmt.Fprintf(tw, "depth %d\t%s\t%s, until %s%s\n", l.Depth, l.Subject, l.Key, l.NotAfter.Format(time.DateOnly), trust)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	var err error
	say := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(out, format, args...)
		}
	}
	for _, p := range r.Errors {
		say("error %d at depth %d: %s: %s\n  ask for: %s\n", p.Code, p.Depth, p.Name, p.Message, p.Hint)
	}
	for _, w := range r.Warnings {
		say("warning: %s\n  hint: %s\n", w.Message, w.Hint)
	}
	// A bundle has more than a hundred CAs: those of another name explain nothing.
	others := 0
	for _, p := range r.Tried {
		if p.Name == "SUBJECT_ISSUER_MISMATCH" && len(r.Tried) > 5 {
			others++
			continue
		}
		say("not the issuer at depth %d: %s: %d %s\n", p.Depth, p.Subject, p.Code, p.Name)
	}
	if others > 0 {
		say("not the issuer: %d certificates at hand that have other names (all are in the JSON)\n", others)
	}
	if trace {
		for _, call := range r.Network {
			say("asked %s %s: %s\n", call.Kind, call.Target, call.Result)
		}
		if len(r.Network) == 0 {
			say("asked nothing of the network\n")
		}
	}
	for _, v := range r.Judges {
		if v.Judge != java.Java {
			continue
		}
		by, verdict := "by its rules", "ok"
		if v.Asked {
			by = "asked"
		}
		if !v.OK {
			verdict = "refused: " + v.Message
		}
		say("Java %s, %s: %s\n", v.Version, by, verdict)
		if v.Why != "" {
			say("  another verdict, since %s (%s)\n", v.Why, v.Reason)
		}
	}
	if len(r.Chain) > 0 {
		say("%s\n", map[bool]string{true: "ok", false: "not ok"}[r.OK])
	}
	return err
}

// verified is what is to be verified: a file or a server, or else a cluster.
func verified(w cluster.World, c *cli.Context) (leaf, cluster string, err error) {
	usage := func(err error) (string, string, error) { return "", "", fail.Usage("", err, app.HelpFor(c)) }
	ways := c.Args().Len()
	for _, flag := range []string{"connect", "cluster"} {
		if c.IsSet(flag) {
			ways++
		}
	}
	switch {
	case ways != 1:
		return usage(errors.New("name one thing: a file, a cluster, or a server with --connect"))
	case c.IsSet("connect"):
		leaf = c.String("connect")
		if err := checkAddress(leaf); err != nil {
			return usage(fmt.Errorf("--connect: %w", err))
		}
		for _, flag := range []string{"untrusted", "key"} {
			if c.IsSet(flag) {
				return usage(fmt.Errorf("--%s is for files: a server has to send its chain itself, and keeps its key", flag))
			}
		}
		return leaf, "", nil
	case c.IsSet("cluster"):
		cluster = c.String("cluster")
	default:
		if leaf = c.Args().First(); leaf == "" {
			return usage(errNoName)
		}
		info, err := os.Stat(leaf)
		switch file := err == nil && !info.IsDir(); {
		case !trust.Stands(w, leaf):
		case file:
			w.Say("note: %s is taken for the file, and there is a cluster of that name: --cluster %[1]s", leaf)
		default:
			cluster = leaf
		}
	}
	for _, flag := range []string{"client-cert", "server-name", "tls", "cipher", "timeout"} {
		if c.IsSet(flag) {
			return usage(fmt.Errorf("--%s is for --connect", flag))
		}
	}
	if cluster == "" {
		return leaf, "", nil
	}
	for _, flag := range []string{"ca", "untrusted", "purpose", "ip", "host", "crl", "ocsp", "ask-java", "key", "password-file", "ca-password-file"} {
		if c.IsSet(flag) {
			return usage(fmt.Errorf("--%s is for files and servers: a cluster is held against its own CA, addresses and uses", flag))
		}
	}
	return "", cluster, nil
}

// writeClusterVerified prints a line for each way, and then what is wrong, by node.
func writeClusterVerified(out io.Writer, r verbs.ClusterVerifyResult) error {
	if len(r.Ways) == 0 {
		return nil
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "NODE\tDIALLED FROM\tBY A\tAT\tVERDICT\tUNTIL\tCLIENT CERTIFICATE\tRESUMPTION")
	for _, way := range r.Ways {
		verdict, until, client, resumed := "not reached", "-", "-", "-"
		if way.Reached {
			verdict = map[bool]string{true: "ok", false: "not ok"}[way.OK]
		}
		if len(way.Served) > 0 {
			until = way.Served[0].NotAfter.UTC().Format(time.DateOnly)
		}
		if s := way.Connection; s != nil && way.Reached {
			client, resumed = gotIn(s), s.Resumption
			if s.Resumed {
				resumed += ", resumed"
			}
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", way.Node, way.FromRegion, way.Role, way.Address, verdict, until, client, resumed)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, w := range r.Unreached {
		if _, err := fmt.Fprintf(out, "%s: not reached from %s: %s\n", w.Node, strings.Join(w.From, " and "), w.Message); err != nil {
			return err
		}
	}
	for _, w := range r.Wrong {
		if _, err := fmt.Fprintf(out, "%s, seen from %s: error %d at depth %d: %s: %s\n  hint: %s\n", w.Node, strings.Join(w.From, " and "), w.Code, w.Depth, w.Name, w.Message, w.Hint); err != nil {
			return err
		}
	}
	if r.OK {
		_, err := fmt.Fprintln(out, "ok")
		return err
	}
	_, err := fmt.Fprintln(out, "not ok")
	return err
}
