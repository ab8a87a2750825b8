package pkicli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/pki"
	"crossring/internal/pki/responder"
	"crossring/internal/pki/verbs"
	"crossring/internal/plain"
	"crossring/internal/state"
	"crossring/internal/trust"

	"github.com/urfave/cli/v2"
)

func crlFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "crl-url", Usage: "write into what is signed that its revocation list is at `URL`, of which {issuer} is root or the region (repeat)"}
}

func ocspFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "ocsp-url", Usage: "write into what is signed that a responder answers at `URL` (repeat)"}
}

func whereOf(c *cli.Context) pki.Where {
	return pki.Where{CRL: c.StringSlice("crl-url"), OCSP: c.StringSlice("ocsp-url")}
}

// adoption reads the intermediate that is to sign; nil is none.
func adoption(c *cli.Context) (*pki.Adopt, error) {
	if !c.IsSet("from-cert") {
		for _, flag := range []string{"from-key", "from-chain", "from-password-file"} {
			if c.IsSet(flag) {
				return nil, fail.Usage("", fmt.Errorf("--%s is for --from-cert", flag), app.HelpFor(c))
			}
		}
		return nil, nil
	}
	for _, flag := range []string{"dn", "key", "days"} {
		if c.IsSet(flag) {
			return nil, fail.Usage("", fmt.Errorf("--%s is for a root that is made, and --from-cert makes none", flag), app.HelpFor(c))
		}
	}
	password, err := state.ReadPassword(c.String("from-password-file"))
	if err != nil {
		return nil, err
	}
	return verbs.Adoption{Cert: c.String("from-cert"), Key: c.String("from-key"), Chain: c.StringSlice("from-chain"), Password: password}.Read()
}

// authorityOf is the CA that is meant: that of a cluster, where one is named.
func authorityOf(e *app.Env, w cluster.World, c *cli.Context) (dir, passphrase string, err error) {
	switch {
	case c.Args().Len() > 1:
		return "", "", fail.Usage("", fmt.Errorf("%s takes one cluster at most, not %d", c.Command.Name, c.Args().Len()), app.HelpFor(c))
	case c.Args().Len() == 0:
		return authority(e, c)
	case c.IsSet("dir"):
		return "", "", fail.Usage("", errors.New("name a cluster, or a CA with --dir"), app.HelpFor(c))
	}
	if dir, err = trust.AuthorityOf(w, c.Args().First()); err != nil {
		return "", "", err
	}
	passphrase, err = state.ReadPassword(c.String("passphrase-file"))
	return dir, passphrase, err
}

func pkiLsCommand(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:      "ls",
		Usage:     "what a CA has issued, to whom, until when, and what was revoked",
		ArgsUsage: "[NAME]",
		Description: "NAME is a cluster, whose CA is meant. Needs no key. Of several certificates of one name all are listed, and\n" +
			"the newest is marked: the others count until they end, or are revoked.\n\n" +
			"  crossring pki ls --dir ca\n  crossring pki ls lab -o json",
		Flags: []cli.Flag{&cli.StringFlag{Name: "dir", Usage: "the CA is in `DIR` (default: pki in the state directory)"}},
		Action: e.Action(func(_ context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			w, err := e.World(c)
			if err != nil {
				return app.Answer{}, err
			}
			dir, _, err := authorityOf(e, w, c)
			if err != nil {
				return app.Answer{}, err
			}
			res, err := trust.PKI(w).List(dir)
			return app.Answer{Doc: res, Text: func(out io.Writer) error { return writeKept(out, res) }}, err
		}),
	}
}

func writeKept(out io.Writer, r verbs.ListResult) error {
	if len(r.Issuers) == 0 {
		return nil
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "NAME\tISSUER\tSTATE\tUNTIL\tDAYS\tSERIAL\tFOR")
	for _, i := range r.Issuers {
		what := "CA"
		if r.Token && i.Name == pki.RootName {
			what = "CA, its key in a token"
		}
		fmt.Fprintf(tw, "%s\t-\t%s\t%s\t%d\t%s\t%s\n", i.Name, i.State, i.Certificate.NotAfter.UTC().Format(time.DateOnly), i.Certificate.ExpiresInDays, i.Certificate.Serial, what)
	}
	for _, k := range r.Issued {
		state := k.State
		if !k.Newest && state == verbs.StateValid {
			state += ", not the newest"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", k.Name, or(k.Issuer, pki.RootName), state, k.NotAfter.UTC().Format(time.DateOnly), k.ExpiresInDays, k.Hex(), or(strings.Join(k.SANs, ", "), "a client"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, l := range r.Lists {
		if _, err := fmt.Fprintf(out, "list %s of %s: %d revoked, until %s\n", l.Number, l.Issuer, l.Revoked, l.NextUpdate.UTC().Format(time.DateTime)); err != nil {
			return err
		}
	}
	return nil
}

func pkiAddRegionCommand(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:        "add-region",
		Usage:       "give a region that came later an intermediate of its own",
		ArgsUsage:   "REGION",
		Description: "Nodes of the region whose certificates the root signed keep them until they are renewed.\n\n  crossring pki add-region eu-west-1 --dir ca",
		Flags:       caFlags(&cli.StringFlag{Name: "key", Usage: "make a key of `KIND`: " + strings.Join(pki.KeyKinds(), ", ") + " (default: that of the root)"}),
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			w, err := e.World(c)
			if err != nil {
				return app.Answer{}, err
			}
			if c.Args().Len() != 1 {
				return app.Answer{}, fail.Usage("", fmt.Errorf("one region is needed, not %d", c.Args().Len()), app.HelpFor(c))
			}
			dir, passphrase, err := authority(e, c)
			if err != nil {
				return app.Answer{}, err
			}
			res, err := trust.PKI(w).AddRegion(ctx, dir, passphrase, c.Args().First(), c.String("key"))
			return issuerAnswer(e, res, err)
		}),
	}
}

// pkiRenew renews what was issued, or the CA's own certificate.
func pkiRenew(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	name := c.String("intermediate")
	if c.Bool("root") {
		if name != "" {
			return app.Answer{}, fail.Usage("", errors.New("--root or --intermediate, one at a time"), app.HelpFor(c))
		}
		name = pki.RootName
	}
	if name == "" {
		return pkiIssue(ctx, e, c)
	}
	for _, flag := range []string{"csr", "key", "out", "force", "format", "password-file", "crl-url", "ocsp-url"} {
		if c.IsSet(flag) {
			return app.Answer{}, fail.Usage("", fmt.Errorf("--%s is for a certificate that the CA issues: its own keeps its key, and lies where it lay", flag), app.HelpFor(c))
		}
	}
	if c.Args().Len() > 0 {
		return app.Answer{}, fail.Usage("", errors.New("name one thing: what was issued, or the CA's own certificate"), app.HelpFor(c))
	}
	w, err := e.World(c)
	if err != nil {
		return app.Answer{}, err
	}
	var lives time.Duration
	if c.IsSet("days") {
		if lives, err = life(c, "days", pki.MaxRootLife); err != nil {
			return app.Answer{}, err
		}
	}
	dir, passphrase, err := authority(e, c)
	if err != nil {
		return app.Answer{}, err
	}
	res, err := trust.PKI(w).RenewIssuer(ctx, dir, passphrase, name, lives)
	return issuerAnswer(e, res, err)
}

func issuerAnswer(e *app.Env, res verbs.IssuerResult, err error) (app.Answer, error) {
	if err != nil {
		return app.Answer{}, err
	}
	if after := res.After(); after != "" {
		app.Note(e.Stderr, "%s", after)
	}
	return app.Answer{Doc: res, Text: func(out io.Writer) error {
		_, err := fmt.Fprintf(out, "%s, until %s, serial %s\n", res.Certificate.Subject, res.Certificate.NotAfter.UTC().Format(time.DateOnly), res.Certificate.Serial)
		return err
	}}, nil
}

// serveResult says where a responder answers.
type serveResult struct {
	Schema string   `json:"schema"`
	Dir    string   `json:"dir"`
	Listen string   `json:"listen"`
	OCSP   string   `json:"ocsp"`
	CRL    []string `json:"crl"`
	CA     []string `json:"ca"`
}

func pkiServeCommand(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:      "serve",
		Usage:     "answer by OCSP and by revocation lists whether a certificate was revoked, for a lab",
		ArgsUsage: "[NAME]",
		Description: "NAME is a cluster, whose CA is meant. Until Ctrl-C; what is revoked meanwhile it says at once. The CA's own keys\n" +
			"sign, so they are on the machine that serves: for a lab, and not for what has to be safe. It listens on\n" +
			"loopback, over plain HTTP, as is usual: what it says is signed, and no secret. Anybody who reaches\n" +
			"the address may ask. Certificates name it where they were issued with --ocsp-url and --crl-url.\n\n" +
			"  crossring pki serve --dir ca --listen 127.0.0.1:8080\n" +
			"  crossring pki issue n1 --dir ca --ip 127.0.0.1 --ocsp-url http://127.0.0.1:8080/ocsp",
		Flags: caFlags(
			&cli.StringFlag{Name: "listen", Usage: "listen at `ADDRESS:PORT`; port 0 is any", Value: "127.0.0.1:8080"},
			&cli.DurationFlag{Name: "answer-life", Usage: "answers count for `TIME`", Value: responder.AnswerLife},
			listFlag("list-days"),
		),
		Action: e.Action(pkiServe),
	}
}

func pkiServe(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	w, err := e.World(c)
	if err != nil {
		return app.Answer{}, err
	}
	at, err := netip.ParseAddrPort(c.String("listen"))
	if err != nil {
		return app.Answer{}, fail.Usage("--listen", err, "--listen 127.0.0.1:8080")
	}
	if lives := c.Duration("answer-life"); lives < time.Minute || lives > pki.MaxListLife {
		return app.Answer{}, fail.Usage("", fmt.Errorf("--answer-life is a minute to %s, not %s", plain.Count(int(pki.MaxListLife/day), "day"), lives), app.HelpFor(c))
	}
	lists, err := life(c, "list-days", pki.MaxListLife)
	if err != nil {
		return app.Answer{}, err
	}
	dir, passphrase, err := authorityOf(e, w, c)
	if err != nil {
		return app.Answer{}, err
	}
	r, err := responder.Open(ctx, responder.Config{
		Dir: dir, Passphrase: passphrase, ListLife: lists, AnswerLife: c.Duration("answer-life"), Now: time.Now,
		Log: func(format string, args ...any) { app.Note(e.Stderr, "%s", plain.Line(fmt.Sprintf(format, args...))) },
	})
	if err != nil {
		return app.Answer{}, err
	}
	defer func() { _ = r.Close() }()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return app.Answer{}, fail.Busy("", fmt.Errorf("listen for OCSP: %w", err), "--listen 127.0.0.1:0")
	}
	if !at.Addr().IsLoopback() {
		app.Note(e.Stderr, "warning: whoever reaches %s may ask, and each question makes the CA's key sign", l.Addr())
	}
	res := serveResult{Schema: "crossring/v1", Dir: dir, Listen: l.Addr().String(), CRL: []string{}, CA: []string{}}
	url := "http://" + res.Listen
	res.OCSP = url + responder.OCSPPath
	for _, name := range r.Names() {
		res.CRL, res.CA = append(res.CRL, url+responder.CRLPath+name+".crl"), append(res.CA, url+responder.CAPath+name+".cer")
	}
	// Said at once: the command itself ends by a signal alone.
	if e.Answered = true; e.Output == "json" {
		err = app.WriteJSON(e.Stdout, res, nil)
	} else {
		_, err = fmt.Fprintf(e.Stdout, "OCSP  %s\nlists %s\nCAs   %s\n", res.OCSP, strings.Join(res.CRL, " "), strings.Join(res.CA, " "))
	}
	if err != nil {
		return app.Answer{}, errors.Join(err, l.Close())
	}
	s := &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return app.Answer{}, fmt.Errorf("serve OCSP at %s: %w", res.Listen, err)
	}
	return app.Answer{}, context.Cause(ctx)
}
