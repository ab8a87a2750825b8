package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"crossring/internal/pki/chain"
	"crossring/internal/pki/verbs"
	"crossring/internal/plain"
	"crossring/internal/run"
	"crossring/internal/state"

	"github.com/urfave/cli/v2"
)

func (e *env) pkiShowCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "what a store or certificate holds, or what a server shows over the wire",
		ArgsUsage: "[FILE...]",
		Flags: append(tlsFlags(),
			&cli.StringFlag{Name: "connect", Usage: "look at the server at `HOST:PORT`"},
			&cli.StringFlag{Name: "password-file", Usage: "open stores, or --client-cert, with the first line of `FILE`"},
			&cli.DurationFlag{Name: "timeout", Usage: "give the server `TIME` to answer", Value: 15 * time.Second},
		),
		Action: e.action(pkiShow),
	}
}

func pkiShow(ctx context.Context, e *env, c *cli.Context) (answer, error) {
	w, err := e.world(c)
	if err != nil {
		return answer{}, err
	}
	if (c.String("connect") == "") == (c.Args().Len() == 0) {
		return answer{}, run.Usage("", errors.New("name files, or a server with --connect"), helpFor(c))
	}
	if address := c.String("connect"); address != "" {
		if err := checkAddress(address); err != nil {
			return answer{}, run.Usage("", fmt.Errorf("--connect: %w", err), helpFor(c))
		}
		cfg, err := tlsConfig(c, address)
		if err != nil {
			return answer{}, err
		}
		ctx, cancel := context.WithTimeout(ctx, c.Duration("timeout"))
		defer cancel()
		res, err := w.PKI().ShowServer(ctx, address, cfg)
		return answer{doc: res, text: func(out io.Writer) error { return writeShown(out, res) }}, err
	}
	if slices.Contains(c.Args().Slice(), "") {
		return answer{}, run.Usage("", errNoName, helpFor(c))
	}
	password, err := state.ReadPassword(c.String("password-file"))
	if err != nil {
		return answer{}, err
	}
	doc, err := w.PKI().ShowFiles(c.Args().Slice(), password)
	return answer{doc: doc, text: func(out io.Writer) error {
		for i, f := range doc.Files {
			if len(doc.Files) > 1 {
				heading := map[bool]string{true: "", false: "\n"}[i == 0] + f.File + ":\n"
				if _, err := io.WriteString(out, heading); err != nil {
					return err
				}
			}
			if err := writeShown(out, verbs.ShowResult{Shown: f.Shown}); err != nil {
				return err
			}
		}
		return nil
	}}, err
}

func writeShown(out io.Writer, r verbs.ShowResult) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(key, format string, args ...any) { fmt.Fprintf(tw, "%s\t%s\n", key, fmt.Sprintf(format, args...)) }
	if s := r.Wire; s != nil && s.Version != "" {
		row("server", "%s: %s, %s, key exchange %s", s.Address, s.Version, s.CipherSuite, or(s.Curve, "without a curve"))
		row("resumption", "%s; a second connection resumed: %t", s.Resumption, s.Resumed)
		row("client certificate", "%s", s.ClientCertificate)
	}
	if r.Key != "" {
		row("private key", "%s", r.Key)
	}
	for i, c := range r.Certificates {
		fmt.Fprintf(tw, "\ncertificate %d\n", i)
		row("  subject", "%s", c.Subject)
		row("  issuer", "%s", c.Issuer)
		row("  serial", "%s", c.Serial)
		row("  valid", "%s to %s (%s left)", c.NotBefore.Format(time.RFC3339), c.NotAfter.Format(time.RFC3339), plain.Count(c.ExpiresInDays, "day"))
		row("  key", "%s, signed with %s", c.Key, c.Signature)
		row("  CA", "%t", c.CA)
		row("  names", "%s", or(strings.Join(c.SANs, ", "), "none"))
		for _, u := range chain.Usages() {
			if slices.Contains(c.KeyUsage, u.Name) {
				row("  key usage", "%s: %s", u.Name, u.Meaning)
			}
		}
		if len(c.KeyUsage) == 0 {
			row("  key usage", "not limited")
		}
		row("  extended", "%s", or(strings.Join(c.ExtKeyUsage, ", "), "not limited"))
	}
	for _, text := range r.Order {
		row("order", "%s", text)
	}
	return tw.Flush()
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

var errNoName = errors.New("the file's name is empty")

func (e *env) pkiVerifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "verify a chain, and say everything that is wrong with it",
		ArgsUsage: "LEAF",
		Description: "LEAF is PEM, DER, PKCS#12, JKS or PKCS#7, as are trust stores. Further certificates in it count as sent with it; a private key in it\n" +
			"is held against the leaf. Errors have the numbers and names of OpenSSL 3. Nothing is asked of the\n" +
			"network without --ocsp or --crl fetch.",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "ca", Usage: "trust the roots in `FILE` (repeat)"},
			&cli.StringSliceFlag{Name: "untrusted", Usage: "build the chain from the certificates in `FILE`, too (repeat)"},
			&cli.StringFlag{Name: "purpose", Usage: "for use as `WHAT`: server, client or internode, which is both"},
			&cli.StringFlag{Name: "ip", Usage: "the leaf must be for `ADDRESS`"},
			&cli.StringFlag{Name: "host", Usage: "the leaf must be for `NAME`"},
			&cli.StringFlag{Name: "at", Usage: "verify as of `TIME`, as in 2026-01-31T12:00:00Z"},
			&cli.StringSliceFlag{Name: "crl", Usage: "look the leaf up in the revocation list in `FILE`; fetch is the one that it names (repeat)"},
			&cli.BoolFlag{Name: "ocsp", Usage: "ask the responder that the leaf names"},
			&cli.BoolFlag{Name: "trace", Usage: "list what was asked of the network"},
			&cli.StringFlag{Name: "key", Usage: "the private key in `FILE` must be the leaf's"},
			&cli.StringFlag{Name: "password-file", Usage: "open LEAF, and trust stores, with the first line of `FILE`"},
			&cli.StringFlag{Name: "ca-password-file", Usage: "open trust stores with the first line of `FILE`, where it is another password"},
		},
		Action: e.action(pkiVerify),
	}
}

func pkiVerify(ctx context.Context, e *env, c *cli.Context) (answer, error) {
	w, err := e.world(c)
	if err != nil {
		return answer{}, err
	}
	if c.Args().Len() != 1 {
		return answer{}, run.Usage("", fmt.Errorf("one leaf is needed, not %d", c.Args().Len()), helpFor(c))
	}
	if c.Args().First() == "" {
		return answer{}, run.Usage("", errNoName, helpFor(c))
	}
	// An empty one among several would check nothing; an empty value is refused before.
	for _, name := range []string{"ca", "untrusted", "crl"} {
		if c.IsSet(name) && (len(c.StringSlice(name)) == 0 || slices.Contains(c.StringSlice(name), "")) {
			return answer{}, run.Usage("", fmt.Errorf("--%s is empty", name), helpFor(c))
		}
	}
	r := verbs.VerifyRequest{
		Leaf: c.Args().First(), Roots: c.StringSlice("ca"), Untrusted: c.StringSlice("untrusted"), Key: c.String("key"),
		Purpose: c.String("purpose"), IP: c.String("ip"), Host: c.String("host"), CRL: c.StringSlice("crl"), OCSP: c.Bool("ocsp"),
	}
	if !slices.Contains([]string{"", chain.Server, chain.Client, chain.Internode}, r.Purpose) {
		return answer{}, run.Usage("", fmt.Errorf("--purpose is server, client or internode, not %q", r.Purpose), helpFor(c))
	}
	if r.IP != "" && net.ParseIP(r.IP) == nil {
		return answer{}, run.Usage("", fmt.Errorf("--ip: %q is no address", r.IP), helpFor(c))
	}
	if net.ParseIP(r.Host) != nil {
		return answer{}, run.Usage("", fmt.Errorf("--host: %s is an address, and names are no addresses: --ip %s", r.Host, r.Host), helpFor(c))
	}
	if at := c.String("at"); at != "" {
		if r.At, err = time.Parse(time.RFC3339, at); err != nil {
			return answer{}, run.Usage("", fmt.Errorf("--at: %q is no time such as 2026-01-31T12:00:00Z", at), helpFor(c))
		}
	}
	if r.Password, err = state.ReadPassword(c.String("password-file")); err != nil {
		return answer{}, err
	}
	if r.TrustPassword, err = state.ReadPassword(c.String("ca-password-file")); err != nil {
		return answer{}, err
	}
	if len(r.Roots) == 0 {
		note(e.stderr, "warning: nothing is trusted without --ca")
	}
	res, err := w.PKI().VerifyChain(ctx, r)
	return answer{doc: res, text: func(out io.Writer) error { return writeVerified(out, res, c.Bool("trace")) }}, err
}

func writeVerified(out io.Writer, r verbs.VerifyResult, trace bool) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
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
	if len(r.Chain) > 0 {
		say("%s\n", map[bool]string{true: "ok", false: "not ok"}[r.OK])
	}
	return err
}

// tlsFlags choose how this side speaks TLS.
func tlsFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "tls", Usage: "speak TLS `VERSION` alone: 1.0, 1.1, 1.2 or 1.3"},
		&cli.StringSliceFlag{Name: "cipher", Usage: "offer the suite `NAME` alone, in IANA's or OpenSSL's words; up to TLS 1.2 (repeat)"},
		&cli.StringFlag{Name: "client-cert", Usage: "show the certificate and key in `FILE`, if asked: PEM, PKCS#12 or JKS"},
		&cli.StringFlag{Name: "server-name", Usage: "ask for the server `NAME` (default: the host)"},
	}
}

// tlsConfig is what the flags say, for looking at a server: what it trusts is no
// matter.
func tlsConfig(c *cli.Context, address string) (*tls.Config, error) {
	password, err := state.ReadPassword(c.String("password-file"))
	if err != nil {
		return nil, err
	}
	cfg, err := verbs.TLSOptions{
		Version: c.String("tls"), Suites: c.StringSlice("cipher"), ClientCert: c.String("client-cert"), Password: password,
	}.Config()
	if err != nil {
		return nil, err
	}
	cfg.ServerName, _, _ = net.SplitHostPort(address)
	if name := c.String("server-name"); name != "" {
		cfg.ServerName = name
	}
	return cfg, nil
}
