package cli

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"crossring/internal/pki"
	"crossring/internal/pki/hsm"
	"crossring/internal/pki/store"
	"crossring/internal/run"

	"github.com/urfave/cli/v2"
)

func (e *env) pkiCommand() *cli.Command {
	return &cli.Command{
		Name:  "pki",
		Usage: "keys and certificates: a CA of one's own, and a look at any chain",
		Subcommands: []*cli.Command{
			e.pkiInitCommand(), e.pkiIssueCommand(), e.pkiRenewCommand(), e.pkiRotateCommand(), e.pkiRevokeCommand(), e.pkiShowCommand(), e.pkiVerifyCommand(),
		},
	}
}

func caFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "dir", Usage: "the CA is in `DIR` (default: pki in the state directory)"},
		&cli.StringFlag{Name: "passphrase-file", Usage: "the CA's keys are encrypted with the first line of `FILE`"},
	}, more...)
}

// authority is the directory and the passphrase of the CA that is meant.
func (e *env) authority(c *cli.Context) (dir, passphrase string, err error) {
	if dir = c.String("dir"); dir == "" {
		state, err := e.state()
		if err != nil {
			return "", "", err
		}
		dir = filepath.Join(state, "pki")
	}
	passphrase, err = run.ReadPassword(c.String("passphrase-file"))
	return dir, passphrase, err
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

func (e *env) pkiInitCommand() *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "make a CA: a root and, where wanted, an intermediate for each region",
		Flags: caFlags(
			&cli.StringFlag{Name: "cluster", Usage: "it is the CA of `NAME`, which {cluster} stands for", Value: "crossring"},
			&cli.StringFlag{Name: "dn", Usage: "name the root by `TEMPLATE`", Value: pki.DefaultRootDN},
			&cli.StringFlag{Name: "node-dn", Usage: "name what is issued by `TEMPLATE`, of {node}, {region}, {cluster}", Value: pki.DefaultNodeDN},
			&cli.StringFlag{Name: "key", Usage: "make keys of `KIND`: " + strings.Join(pki.KeyKinds(), ", "), Value: pki.ECDSAP256},
			&cli.StringSliceFlag{Name: "region", Usage: "give `REGION` an intermediate of its own (repeat)"},
			&cli.StringFlag{Name: "pkcs11-module", Usage: "make the root's key in a token, by the library `FILE`; --passphrase-file has the PIN"},
			&cli.StringFlag{Name: "pkcs11-token", Usage: "the token is called `LABEL`"},
			&cli.StringFlag{Name: "pkcs11-key", Usage: "call the key `LABEL`", Value: "crossring-ca"},
			&cli.IntFlag{Name: "days", Usage: "the root lives `N` days", Value: int(pki.RootLife / days(1))},
		),
		Action: e.action(pkiInit),
	}
}

func pkiInit(ctx context.Context, e *env, c *cli.Context) (answer, error) {
	w, err := e.world(c)
	if err != nil {
		return answer{}, err
	}
	if c.Int("days") < 1 {
		return answer{}, run.Usage("", fmt.Errorf("--days is at least 1, not %d", c.Int("days")), helpFor(c))
	}
	dir, passphrase, err := e.authority(c)
	if err != nil {
		return answer{}, err
	}
	var token *hsm.Ref
	if module := c.String("pkcs11-module"); module != "" {
		token = &hsm.Ref{Module: module, Token: c.String("pkcs11-token"), Label: c.String("pkcs11-key")}
	}
	res, err := w.NewAuthority(ctx, dir, passphrase, pki.Setup{
		HSM:     token,
		Cluster: c.String("cluster"), RootDN: c.String("dn"), NodeDN: c.String("node-dn"), Key: c.String("key"),
		Regions: c.StringSlice("region"), Life: days(c.Int("days")),
	})
	if err != nil {
		return answer{}, err
	}
	return answer{doc: res, text: func(out io.Writer) error {
		_, err := fmt.Fprintf(out, "CA in %s\n  root    %s, until %s\n  trust   %s\n", dir, res.Root.Subject, res.Root.NotAfter.Format(time.DateOnly), filepath.Join(dir, "ca.pem"))
		return err
	}}, nil
}

func issueFlags() []cli.Flag {
	return caFlags(
		&cli.StringFlag{Name: "csr", Usage: "sign the request in `FILE`; without, a key is made in --out, for a node on this machine"},
		&cli.StringFlag{Name: "key", Usage: "make a key of `KIND`: " + strings.Join(pki.KeyKinds(), ", ") + " (default: that of the CA, or of what is renewed)"},
		&cli.IntFlag{Name: "days", Usage: "the certificate lives `N` days; 0 is as long as the last one, or 397"},
		&cli.StringFlag{Name: "out", Usage: "write the files to `DIR` (default: NAME in the current directory)"},
		&cli.StringSliceFlag{Name: "format", Usage: "write stores of `KIND`: pem, pkcs12, pkcs12-legacy (for Java 7 and 8), jks (repeat)", Value: cli.NewStringSlice(store.PEM)},
		&cli.StringFlag{Name: "password-file", Usage: "encrypt stores with the first line of `FILE`; without, a password is made and written beside them"},
	)
}

func (e *env) pkiIssueCommand() *cli.Command {
	return &cli.Command{
		Name:      "issue",
		Usage:     "a certificate for a node, or a client",
		ArgsUsage: "NAME",
		Flags: append(issueFlags(),
			&cli.StringSliceFlag{Name: "ip", Usage: "the node has the `ADDRESS` (repeat: public and private)"},
			&cli.StringSliceFlag{Name: "dns", Usage: "the node has the `NAME` (repeat)"},
			&cli.StringFlag{Name: "region", Usage: "issue by the intermediate of `REGION`, if it has one"},
			&cli.BoolFlag{Name: "client", Usage: "for a client: it cannot be a server's, and needs no address"},
		),
		Action: e.action(pkiIssue),
	}
}

func (e *env) pkiRenewCommand() *cli.Command {
	return &cli.Command{
		Name:      "renew",
		Usage:     "issue again what was issued under a name, with a new key",
		ArgsUsage: "NAME",
		Flags:     issueFlags(),
		Action:    e.action(pkiIssue),
	}
}

// pkiIssue is issue and renew.
func pkiIssue(ctx context.Context, e *env, c *cli.Context) (answer, error) {
	w, err := e.world(c)
	if err != nil {
		return answer{}, err
	}
	if c.Args().Len() != 1 {
		return answer{}, run.Usage("", fmt.Errorf("one name is needed, not %d", c.Args().Len()), helpFor(c))
	}
	r := run.IssueRequest{
		Name: c.Args().First(), Region: c.String("region"), DNS: c.StringSlice("dns"), Life: days(c.Int("days")), Client: c.Bool("client"),
		CSR: c.String("csr"), KeyKind: c.String("key"), Out: c.String("out"), Formats: c.StringSlice("format"),
	}
	if c.Int("days") < 0 {
		return answer{}, run.Usage("", fmt.Errorf("--days is at least 1, not %d", c.Int("days")), helpFor(c))
	}
	if r.Out == "" {
		r.Out = r.Name
	}
	for _, text := range c.StringSlice("ip") {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return answer{}, run.Usage("", fmt.Errorf("--ip: %w", err), helpFor(c))
		}
		r.IPs = append(r.IPs, ip)
	}
	if r.Password, err = run.ReadPassword(c.String("password-file")); err != nil {
		return answer{}, err
	}
	if r.Dir, r.Passphrase, err = e.authority(c); err != nil {
		return answer{}, err
	}
	verb := w.Issue
	if c.Command.Name == "renew" {
		verb = w.Renew
	}
	res, err := verb(ctx, r)
	return answer{doc: res, text: func(out io.Writer) error {
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

func (e *env) pkiRevokeCommand() *cli.Command {
	return &cli.Command{
		Name:      "revoke",
		Usage:     "put certificates on the CA's revocation list",
		ArgsUsage: "NAME|SERIAL...",
		Description: "Cassandra reads no revocation list, in no version: a node whose certificate is revoked goes on\n" +
			"talking to the others. The list is for clients that read one. To shut a node out, close its\n" +
			"address in the firewall at once, then rotate the CA; see docs/tls.md.",
		Flags:  caFlags(),
		Action: e.action(pkiRevoke),
	}
}

func pkiRevoke(ctx context.Context, e *env, c *cli.Context) (answer, error) {
	w, err := e.world(c)
	if err != nil {
		return answer{}, err
	}
	if c.Args().Len() == 0 {
		return answer{}, run.Usage("", fmt.Errorf("name what to revoke"), helpFor(c))
	}
	dir, passphrase, err := e.authority(c)
	if err != nil {
		return answer{}, err
	}
	res, err := w.Revoke(ctx, dir, passphrase, c.Args().Slice())
	if err != nil {
		return answer{}, err
	}
	note(e.stderr, "warning: Cassandra reads no revocation list: close the node's address in the firewall, then rotate the CA")
	return answer{doc: res, text: func(out io.Writer) error {
		for _, g := range res.Revoked {
			if _, err := fmt.Fprintf(out, "revoked %s, serial %s\n", g.Name, g.Serial); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(out, "list    %s\n", res.CRL)
		return err
	}}, nil
}
