package pkicli

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

	"crossring/internal/cli/app"
	"crossring/internal/fail"
	"crossring/internal/pki/chain"
	"crossring/internal/pki/verbs"
	"crossring/internal/plain"
	"crossring/internal/state"
	"crossring/internal/trust"

	"github.com/urfave/cli/v2"
)

func pkiShowCommand(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "what a store or certificate holds, or what a server shows over the wire",
		ArgsUsage: "[FILE...]",
		Flags: append(tlsFlags(),
			&cli.StringFlag{Name: "connect", Usage: "look at the server at `HOST:PORT`"},
			&cli.StringFlag{Name: "password-file", Usage: "open stores, or --client-cert, with the first line of `FILE`"},
			&cli.DurationFlag{Name: "timeout", Usage: "give the server `TIME` to answer", Value: 15 * time.Second},
		),
		Action: e.Action(pkiShow),
	}
}

func pkiShow(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	w, err := e.World(c)
	if err != nil {
		return app.Answer{}, err
	}
	if (c.String("connect") == "") == (c.Args().Len() == 0) {
		return app.Answer{}, fail.Usage("", errors.New("name files, or a server with --connect"), app.HelpFor(c))
	}
	if address := c.String("connect"); address != "" {
		if err := checkAddress(address); err != nil {
			return app.Answer{}, fail.Usage("", fmt.Errorf("--connect: %w", err), app.HelpFor(c))
		}
		cfg, err := tlsConfig(c, address)
		if err != nil {
			return app.Answer{}, err
		}
		ctx, cancel := context.WithTimeout(ctx, c.Duration("timeout"))
		defer cancel()
		res, err := trust.PKI(w).ShowServer(ctx, address, cfg)
		return app.Answer{Doc: res, Text: func(out io.Writer) error { return writeShown(out, res) }}, err
	}
	if slices.Contains(c.Args().Slice(), "") {
		return app.Answer{}, fail.Usage("", errNoName, app.HelpFor(c))
	}
	password, err := state.ReadPassword(c.String("password-file"))
	if err != nil {
		return app.Answer{}, err
	}
	doc, err := trust.PKI(w).ShowFiles(c.Args().Slice(), password)
	return app.Answer{Doc: doc, Text: func(out io.Writer) error {
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
		if s.Resumption == "unknown" {
			row("resumption", "unknown")
		} else {
			row("resumption", "%s; a second connection resumed: %t", s.Resumption, s.Resumed)
		}
		row("client certificate", "%s", s.ClientCertificate)
	}
	for _, o := range r.Offers {
		what := strings.Join(o.CipherSuites, ", ")
		if len(o.Groups) > 0 {
			what += "; groups " + strings.Join(o.Groups, ", ")
		}
		if o.DHBits != nil {
			what += fmt.Sprintf("; DHE of %d bits", *o.DHBits)
		}
		row("has "+o.Version, "%s", what)
	}
	if r.Key != "" {
		row("private key", "%s", r.Key)
	}
	writeCertificates(tw, "", r.Shown)
	for _, also := range r.Also {
		writeCertificates(tw, fmt.Sprintf(", shown to who wants %s (%s, %s)", also.KeyKind, also.Version, also.CipherSuite), also.Shown)
	}
	return tw.Flush()
}

// writeCertificates writes a chain, with what is said of it behind each number.
func writeCertificates(tw io.Writer, which string, r verbs.Shown) {
	row := func(key, format string, args ...any) { fmt.Fprintf(tw, "%s\t%s\n", key, fmt.Sprintf(format, args...)) }
	for i, c := range r.Certificates {
		fmt.Fprintf(tw, "\ncertificate %d%s\n", i, which)
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
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

var errNoName = errors.New("the file's name is empty")

// tlsFlags choose how this side speaks TLS.
func tlsFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "tls", Usage: "speak TLS `VERSION` alone: 1.0, 1.1, 1.2 or 1.3"},
		&cli.StringSliceFlag{Name: "cipher", Usage: "offer the suite `NAME` alone, in IANA's or OpenSSL's words; up to TLS 1.2 (repeat)"},
		&cli.StringSliceFlag{Name: "group", Usage: "agree on the key by the group `NAME` alone, such as X25519 or P-256 (repeat)"},
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
		Version: c.String("tls"), Suites: c.StringSlice("cipher"), Groups: c.StringSlice("group"), ClientCert: c.String("client-cert"), Password: password,
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
