package clustercli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"crossring/internal/attach"
	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/cql"
	"crossring/internal/fail"
	"crossring/internal/many"
	"crossring/internal/run"
	"crossring/internal/state"
	"crossring/ringcheck"

	"github.com/urfave/cli/v2"
)

// Attach points crossring at a cluster that somebody else made.
func Attach(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "attach", Usage: "work on a cluster that somebody else made: read its ring, measure it", ArgsUsage: "NAME",
		Description: "Asks the contact points for the cluster, and keeps under NAME what they tell. Changes nothing on it.\n" +
			"Commands that measure make one keyspace of crossring's own; detach takes it away when asked. Of a role\n" +
			"that may not do that it says which grant is missing.\n\n" +
			"  crossring attach prod --contact-points 10.0.0.1,10.0.0.2:9042 --user crossring --password-file ~/.prod\n\n" +
			"Exits with 2 for a cluster that crossring can't work on, or where one side speaks TLS and the other does not.\n" +
			"Exits with 7 when a node does not let the role in. Exits with 8 when NAME or the keyspace is taken.",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "contact-points", Usage: "ask the nodes at `ADDRESS[:PORT],ADDRESS` (port: 9042)"},
			&cli.StringFlag{Name: "user", Usage: "log in as `ROLE`; without --password-file the password is asked for"},
			&cli.StringFlag{Name: "password-file", Usage: "the password is the first line of `FILE`"},
			&cli.StringFlag{Name: "ca", Usage: "speak TLS, and trust the certificates in `FILE`, PEM"},
			&cli.StringFlag{Name: "cert", Usage: "show the certificate and its chain in `FILE`, PEM, to nodes that ask for one"},
			&cli.StringFlag{Name: "key", Usage: "the key of --cert is in `FILE`, PEM, not encrypted"},
			&cli.StringFlag{Name: "keyspace", Usage: "what crossring makes there is in keyspace `KEYSPACE`", Value: "crossring"},
			&cli.StringSliceFlag{Name: "replication", Usage: "`DATACENTER=REPLICAS` of that keyspace (repeat; default: 3 in each datacenter, or as many as it has nodes)"},
		},
		Action: e.Action(doAttach),
	}
}

// keyspaceName is a name of CQL that needs no quotes, and is not Cassandra's own.
var keyspaceName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)

// attachedName is a name that all commands take.
var attachedName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$`)

func doAttach(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	return app.WithName(c, e, func(w cluster.World, name string) (app.Answer, error) {
		req, err := attachRequest(w, c, name)
		if err != nil {
			return app.Answer{}, err
		}
		if req.Login != nil && !c.IsSet("password-file") {
			if req.Login.Password, err = e.Password("password of " + req.Login.User + ":"); err != nil {
				return app.Answer{}, fail.Usage("", err, "add --password-file FILE")
			}
		}
		ring, err := run.Attach(ctx, w, req)
		if ring.Schema == "" {
			return app.Answer{}, err
		}
		return app.Answer{Doc: ringDocument{Ring: ring}, Text: func(out io.Writer) error {
			if err := ringcheck.WriteStatus(out, ring); err != nil {
				return err
			}
			if err := sayRing(e, ring); err != nil {
				return err
			}
			_, err := fmt.Fprintf(out, "\nnext: %s\nto forget it: %s\n", e.Command("repro", name), e.Command("detach", name))
			return err
		}}, err
	})
}

// attachRequest reads the flags and the files that they name. All that is wrong is said at once.
func attachRequest(w cluster.World, c *cli.Context, name string) (run.AttachRequest, error) {
	req := run.AttachRequest{Choice: attach.Choice{Name: name, Keyspace: c.String("keyspace")}}
	var problems []error
	bad := func(flag string, errs ...error) {
		for _, err := range errs {
			if err != nil {
				problems = append(problems, fmt.Errorf("--%s: %w", flag, err))
			}
		}
	}
	if !attachedName.MatchString(name) {
		problems = append(problems, fmt.Errorf("%q can't be a name: a letter or a digit, then up to 39 letters, digits, hyphens, points and _", name))
	}
	var errs []error
	req.Points, errs = attach.ParsePoints(c.StringSlice("contact-points"))
	bad("contact-points", errs...)
	req.Choice.Replication, errs = attach.ParseReplication(c.StringSlice("replication"))
	bad("replication", errs...)
	if ks := req.Choice.Keyspace; !keyspaceName.MatchString(ks) || ks == "system" || strings.HasPrefix(ks, "system_") {
		bad("keyspace", fmt.Errorf("%q can't be crossring's own: a lower-case letter, then up to 47 letters, digits and _, and no name of Cassandra's", ks))
	}
	user, file := c.String("user"), c.String("password-file")
	switch {
	case user == "" && c.IsSet("user"):
		bad("user", errors.New("is empty"))
	case user == "" && file != "":
		bad("password-file", errors.New("whose password it is is not said: add --user ROLE"))
	case user != "":
		req.Login = &cql.Login{User: user}
		if file != "" || c.IsSet("password-file") {
			var err error
			if req.Login.Password, err = passwordOf(w, file); err != nil {
				bad("password-file", err)
			}
		}
	}
	problems = append(problems, tlsFiles(w, c, &req)...)
	if err := many.Join(problems...); err != nil {
		return req, fail.Usage("", err, "crossring help attach")
	}
	return req, nil
}

// passwordOf reads a password, and warns where others may read it, too.
func passwordOf(w cluster.World, file string) (string, error) {
	if file == "" {
		return "", errors.New("names no file")
	}
	warnOpen(w, file)
	return state.ReadPassword(file)
}

// warnOpen says that others may read a file that is to be secret.
func warnOpen(w cluster.World, file string) {
	if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		w.Say("warning: others may read %s: chmod 600 %s", file, file)
	}
}

// tlsFiles reads the files of TLS, and tries whether they can be used.
func tlsFiles(w cluster.World, c *cli.Context, req *run.AttachRequest) (problems []error) {
	read := func(flag string) []byte {
		if !c.IsSet(flag) {
			return nil
		}
		data, err := os.ReadFile(c.String(flag))
		if err != nil {
			problems = append(problems, fmt.Errorf("--%s: %w", flag, err))
		}
		return data
	}
	if c.IsSet("cert") != c.IsSet("key") {
		problems = append(problems, errors.New("--cert and --key go together"))
	}
	if c.IsSet("cert") && !c.IsSet("ca") {
		problems = append(problems, errors.New("--cert: nothing is shown without TLS: add --ca FILE"))
	}
	if c.IsSet("key") {
		warnOpen(w, c.String("key"))
	}
	trust, cert, key := read("ca"), read("cert"), read("key")
	if len(problems) > 0 || trust == nil {
		return problems
	}
	req.Trust = trust
	if c.IsSet("cert") {
		req.Identity = append(append(cert, '\n'), key...)
	}
	if _, err := cluster.ClientConfig(req.Trust, req.Identity); err != nil {
		problems = append(problems, err)
	}
	return problems
}

// Detach forgets a cluster that was attached.
func Detach(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "detach", Usage: "forget a cluster that was attached; runs stay", ArgsUsage: "NAME",
		Description: "Nothing of the cluster is touched, but with --drop-keyspace the keyspace that crossring made there, and only\n" +
			"if there is nothing in it but crossring's own tables.\n\n" +
			"  crossring detach prod --drop-keyspace\n\n" +
			"Exits with 2 for a cluster that crossring made itself, which down removes; with 8 while a load runs on it.",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "drop-keyspace", Usage: "take crossring's keyspace away before, with all rows in it"}},
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			return app.WithName(c, e, func(w cluster.World, name string) (app.Answer, error) {
				res, err := run.Detach(ctx, w, name, c.Bool("drop-keyspace"))
				return app.Answer{Doc: res, Text: func(out io.Writer) error {
					switch {
					case err != nil:
						return nil
					case c.Bool("drop-keyspace") && !res.Dropped:
						fmt.Fprintf(out, "there was no keyspace %s\n", res.Keyspace)
					case !res.Dropped:
						fmt.Fprintf(out, "a keyspace %s, if crossring made one there, stays\n", res.Keyspace)
					}
					return nil
				}}, err
			})
		}),
	}
}
