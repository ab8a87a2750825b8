// Package pkicli has the commands about certificates.
package pkicli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"crossring/internal/cli/app"
	"crossring/internal/fail"
	"crossring/internal/pki"
	"crossring/internal/pki/hsm"
	"crossring/internal/pki/names"
	"crossring/internal/pki/store"
	"crossring/internal/pki/verbs"
	"crossring/internal/plain"
	"crossring/internal/state"
	"crossring/internal/trust"

	"github.com/urfave/cli/v2"
)

// PKI has the commands about certificates.
func PKI(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:  "pki",
		Usage: "keys and certificates: a CA of one's own, and a look at any chain",
		Subcommands: []*cli.Command{
			pkiInitCommand(e), pkiIssueCommand(e), pkiRenewCommand(e), pkiRotateCommand(e), pkiRevokeCommand(e), pkiListCommand(e),
			pkiLsCommand(e), pkiAddRegionCommand(e), pkiServeCommand(e), pkiShowCommand(e), pkiVerifyCommand(e),
		},
	}
}

func caFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "dir", Usage: "the CA is in `DIR` (default: pki in the state directory)"},
		&cli.StringFlag{Name: "passphrase-file", Usage: "the CA's keys are encrypted with the first line of `FILE`"},
		app.TokenTraceFlag(),
	}, more...)
}

// authority is the directory and the passphrase of the CA that is meant.
func authority(e *app.Env, c *cli.Context) (dir, passphrase string, err error) {
	if dir = c.String("dir"); dir == "" {
		state, err := e.State()
		if err != nil {
			return "", "", err
		}
		dir = filepath.Join(state, "pki")
	}
	passphrase, err = state.ReadPassword(c.String("passphrase-file"))
	return dir, passphrase, err
}

const day = 24 * time.Hour

// life is what a flag of days says, as long as at most most.
func life(c *cli.Context, flag string, most time.Duration) (time.Duration, error) {
	n := c.Int64(flag)
	if n < 1 || n > int64(most/day) {
		return 0, fail.Usage("", fmt.Errorf("--%s is 1 to %d, not %d", flag, most/day, n), app.HelpFor(c))
	}
	return time.Duration(n) * day, nil
}

// listFlag says how long a revocation list counts.
func listFlag(name string) cli.Flag {
	return &cli.Int64Flag{Name: name, Usage: "the list counts for `N` days: make it anew before", Value: int64(pki.ListLife / day)}
}

func pkiInitCommand(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "make a CA: a root and, where wanted, an intermediate for each region",
		Flags: caFlags(
			&cli.StringFlag{Name: "cluster", Usage: "it is the CA of `NAME`, which {cluster} stands for", Value: "crossring"},
			&cli.StringFlag{Name: "dn", Usage: "name the root by `TEMPLATE`", Value: names.DefaultRootDN},
			&cli.StringFlag{Name: "node-dn", Usage: "name what is issued by `TEMPLATE`, of {node}, {region}, {cluster}", Value: names.DefaultNodeDN},
			&cli.StringFlag{Name: "key", Usage: "make keys of `KIND`: " + strings.Join(pki.KeyKinds(), ", "), Value: pki.ECDSAP256},
			&cli.StringSliceFlag{Name: "region", Usage: "give `REGION` an intermediate of its own (repeat)"},
			&cli.StringFlag{Name: "pkcs11-module", Usage: "make the root's key in a token, by the library `FILE`; --passphrase-file has the PIN"},
			&cli.StringFlag{Name: "pkcs11-token", Usage: "the token is called `LABEL`"},
			&cli.StringFlag{Name: "pkcs11-key", Usage: "call the key `LABEL`", Value: "crossring-ca"},
			&cli.StringSliceFlag{Name: "permit-ip", Usage: "sign for addresses of `CIDR` alone (repeat)"},
			&cli.StringSliceFlag{Name: "permit-dns", Usage: "sign for names of `DOMAIN` alone, and below it (repeat)"},
			&cli.Int64Flag{Name: "days", Usage: "the root lives `N` days", Value: int64(pki.RootLife / day)},
			&cli.StringFlag{Name: "from-cert", Usage: "make no root: sign with the intermediate of another CA in `FILE`"},
			&cli.StringFlag{Name: "from-key", Usage: "its key is in `FILE` of PEM; in a token it is named by --pkcs11-key"},
			&cli.StringSliceFlag{Name: "from-chain", Usage: "what is above it, up to the root, is in `FILE` (repeat)"},
			&cli.StringFlag{Name: "from-password-file", Usage: "open these files with the first line of `FILE`"},
			crlFlag(), ocspFlag(),
		),
		Description: "With --from-cert no root is made: the intermediate of a company's CA signs, and what is to be trusted is that\n" +
			"CA's root.\n\n" +
			"  crossring pki init --cluster lab --region us-east-1 --region us-west-2\n" +
			"  crossring pki init --dir ca --from-cert issuing.pem --from-key issuing.key --from-chain root.pem\n" +
			"  crossring pki init --crl-url 'http://127.0.0.1:8080/crl/{issuer}.crl' --ocsp-url http://127.0.0.1:8080/ocsp",
		Action: e.Action(pkiInit),
	}
}

func pkiInit(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	w, err := e.World(c)
	if err != nil {
		return app.Answer{}, err
	}
	rootLife, err := life(c, "days", pki.MaxRootLife)
	if err != nil {
		return app.Answer{}, err
	}
	limits := pki.Limits{DNS: c.StringSlice("permit-dns")}
	for _, text := range c.StringSlice("permit-ip") {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return app.Answer{}, fail.Usage("", fmt.Errorf("--permit-ip: %w", err), app.HelpFor(c))
		}
		limits.IPs = append(limits.IPs, p)
	}
	if c.String("cluster") == "" {
		return app.Answer{}, fail.Usage("", errors.New("--cluster is empty: it is the name that the CA is called by"), app.HelpFor(c))
	}
	dir, passphrase, err := authority(e, c)
	if err != nil {
		return app.Answer{}, err
	}
	var token *hsm.Ref
	if c.IsSet("pkcs11-module") || c.IsSet("pkcs11-token") || c.IsSet("pkcs11-key") {
		token = &hsm.Ref{Module: c.String("pkcs11-module"), Token: c.String("pkcs11-token"), Label: c.String("pkcs11-key")}
	}
	adopt, err := adoption(c)
	if err != nil {
		return app.Answer{}, err
	}
	res, err := trust.PKI(w).NewAuthority(ctx, dir, passphrase, pki.Setup{
		HSM:     token,
		Cluster: c.String("cluster"), RootDN: c.String("dn"), NodeDN: c.String("node-dn"), Key: c.String("key"),
		Regions: c.StringSlice("region"), Life: rootLife, Limits: limits, Where: whereOf(c), Adopt: adopt,
	})
	if err != nil {
		return app.Answer{}, err
	}
	return app.Answer{Doc: res, Text: func(out io.Writer) error {
		_, err := fmt.Fprintf(out, "CA in %s\n  root    %s, until %s\n  trust   %s\n", dir, res.Root.Subject, res.Root.NotAfter.Format(time.DateOnly), filepath.Join(dir, "ca.pem"))
		return err
	}}, nil
}

func issueFlags() []cli.Flag {
	return caFlags(
		&cli.StringFlag{Name: "csr", Usage: "sign the request in `FILE`; without, a key is made in --out, for a node on this machine"},
		&cli.StringFlag{Name: "key", Usage: "make a key of `KIND`: " + strings.Join(pki.KeyKinds(), ", ") + " (default: that of the CA, or of what is renewed)"},
		&cli.Int64Flag{Name: "days", Usage: "the certificate lives `N` days, at most as long as the CA (default: as long as the last one, or 397)"},
		&cli.StringFlag{Name: "out", Usage: "write the files to `DIR` (default: NAME in the current directory)"},
		&cli.BoolFlag{Name: "force", Usage: "write over files of others in --out"},
		crlFlag(), ocspFlag(),
		&cli.StringSliceFlag{Name: "format", Usage: "write stores of `KIND`: pem, pkcs12, pkcs12-legacy (for Java 7 and 8), jks (repeat)", Value: cli.NewStringSlice(store.PEM)},
		&cli.StringFlag{Name: "password-file", Usage: "encrypt stores with the first line of `FILE`; without, a password is made and written beside them"},
	)
}

func pkiIssueCommand(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:      "issue",
		Usage:     "a certificate for a node, or a client",
		ArgsUsage: "NAME",
		Flags: append(issueFlags(),
			&cli.StringSliceFlag{Name: "ip", Usage: "the node has the `ADDRESS` (repeat: public and private)"},
			&cli.StringSliceFlag{Name: "dns", Usage: "the node has the `NAME` (repeat)"},
			&cli.StringFlag{Name: "region", Usage: "the node is in `REGION`, whose intermediate signs where the CA has any"},
			&cli.BoolFlag{Name: "client", Usage: "for a client: it cannot be a server's, and needs no address"},
		),
		Action: e.Action(pkiIssue),
	}
}

func pkiRenewCommand(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:      "renew",
		Usage:     "issue again what was issued under a name, with a new key; or the CA's own certificate",
		ArgsUsage: "[NAME]",
		Description: "With --root or --intermediate it is the certificate of the CA itself, with the same key. All that it signed\n" +
			"counts as before, and who trusted it gets the new one. Another key is another CA: pki rotate --ca.\n\n" +
			"  crossring pki renew us-east-1-1 --dir ca\n" +
			"  crossring pki renew --root --dir ca --days 3650\n" +
			"  crossring pki renew --intermediate us-east-1 --dir ca",
		Flags: append(issueFlags(),
			&cli.BoolFlag{Name: "root", Usage: "the root's own certificate"},
			&cli.StringFlag{Name: "intermediate", Usage: "that of the intermediate of `REGION`"},
		),
		Action: e.Action(pkiRenew),
	}
}

// pkiIssue is issue and renew.
func pkiIssue(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	w, err := e.World(c)
	if err != nil {
		return app.Answer{}, err
	}
	if c.Args().Len() != 1 {
		return app.Answer{}, fail.Usage("", fmt.Errorf("one name is needed, not %d", c.Args().Len()), app.HelpFor(c))
	}
	r := verbs.IssueRequest{
		Name: c.Args().First(), Region: c.String("region"), DNS: c.StringSlice("dns"), Client: c.Bool("client"), Force: c.Bool("force"),
		Where: whereOf(c),
		CSR:   c.String("csr"), KeyKind: c.String("key"), Out: c.String("out"), Formats: c.StringSlice("format"),
	}
	if c.IsSet("days") {
		if r.Life, err = life(c, "days", pki.MaxNodeLife); err != nil {
			return app.Answer{}, err
		}
	}
	if r.Out == "" {
		r.Out = r.Name
	}
	for _, name := range r.DNS {
		if err := names.CheckDNS(name); err != nil {
			return app.Answer{}, fail.Usage("--dns", err, app.HelpFor(c))
		}
	}
	for _, text := range c.StringSlice("ip") {
		ip, err := netip.ParseAddr(text)
		if err == nil {
			err = names.CheckIP(ip)
		}
		if err != nil {
			return app.Answer{}, fail.Usage("", fmt.Errorf("--ip: %w", err), app.HelpFor(c))
		}
		r.IPs = append(r.IPs, ip)
	}
	if r.Password, err = state.ReadPassword(c.String("password-file")); err != nil {
		return app.Answer{}, err
	}
	if r.Dir, r.Passphrase, err = authority(e, c); err != nil {
		return app.Answer{}, err
	}
	verb := trust.PKI(w).Issue
	if c.Command.Name == "renew" {
		verb = trust.PKI(w).Renew
	}
	res, err := verb(ctx, r)
	return app.Answer{Doc: res, Text: func(out io.Writer) error {
		if res.Certificate.Subject == "" {
			return nil
		}
		_, err := fmt.Fprintf(out, "%s, until %s, for %s\n", res.Certificate.Subject, res.Certificate.NotAfter.Format(time.DateOnly), strings.Join(res.Certificate.SANs, ", "))
		for _, f := range res.Files {
			if err == nil {
				_, err = fmt.Fprintf(out, "  %s\n", f)
			}
		}
		return err
	}}, err
}

func pkiRevokeCommand(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:      "revoke",
		Usage:     "put certificates on the CA's revocation list",
		ArgsUsage: "[NAME|SERIAL...]",
		Description: "SERIAL is hexadecimal, as pki show has it, or decimal. All that is named is revoked, or nothing is.\n\n" +
			"Cassandra reads no revocation list, in no version: a node whose certificate is revoked goes on\n" +
			"talking to the others. The list is for clients that read one. To shut a node out, close its\n" +
			"address in the firewall at once, then rotate the CA; see docs/tls.md.",
		Flags:  caFlags(listFlag("list-days")),
		Action: e.Action(pkiRevoke),
	}
}

func pkiListCommand(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:        "crl",
		Usage:       "sign the CA's revocation list anew, and revoke nothing",
		Description: "A list counts for a while, and those who read it refuse everything once that is over.",
		Flags:       caFlags(listFlag("days")),
		Action:      e.Action(pkiList),
	}
}

func pkiRevoke(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	w, err := e.World(c)
	if err != nil {
		return app.Answer{}, err
	}
	dir, passphrase, err := authority(e, c)
	if err != nil {
		return app.Answer{}, err
	}
	if c.Args().Len() == 0 {
		return app.Answer{}, fail.Usage("", errors.New("name what to revoke; to make the list anew there is pki crl"), plain.Command("crossring", "pki", "crl", "--dir", dir))
	}
	counts, err := life(c, "list-days", pki.MaxListLife)
	if err != nil {
		return app.Answer{}, err
	}
	res, err := trust.PKI(w).Revoke(ctx, dir, passphrase, counts, c.Args().Slice())
	if err != nil {
		return app.Answer{}, err
	}
	app.Note(e.Stderr, "warning: Cassandra reads no revocation list: close the node's address in the firewall, then rotate the CA")
	return listed(res, counts), nil
}

func pkiList(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	w, err := e.World(c)
	if err != nil {
		return app.Answer{}, err
	}
	counts, err := life(c, "days", pki.MaxListLife)
	if err != nil {
		return app.Answer{}, err
	}
	dir, passphrase, err := authority(e, c)
	if err != nil {
		return app.Answer{}, err
	}
	res, err := trust.PKI(w).SignLists(ctx, dir, passphrase, counts)
	if err != nil {
		return app.Answer{}, err
	}
	return listed(res, counts), nil
}

// listed says what was revoked, and where the list is.
func listed(res verbs.AuthorityResult, counts time.Duration) app.Answer {
	return app.Answer{Doc: res, Text: func(out io.Writer) error {
		for _, g := range res.Revoked {
			if _, err := fmt.Fprintf(out, "revoked %s, serial %s\n", g.Name, g.Hex()); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(out, "list    %s, for %s\n", res.CRL, plain.Count(int(counts/day), "day"))
		return err
	}}
}
