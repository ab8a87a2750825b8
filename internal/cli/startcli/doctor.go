// Package startcli has the commands of the first minutes: a look at the computer, a first
// spec, the releases, and what a shell completes.
package startcli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"crossring/internal/cli/app"
	"crossring/internal/doctor"
	"crossring/internal/fail"
	"crossring/internal/places"
	"crossring/internal/plain"
	"crossring/internal/release"
	"crossring/internal/spec"

	"github.com/urfave/cli/v2"
)

// checksDocument is the answer of doctor.
type checksDocument struct {
	Checks []check `json:"checks"`
}

type check struct {
	Name   string  `json:"name"`
	OK     bool    `json:"ok"`
	Detail string  `json:"detail"`
	Fix    *string `json:"fix"` // a command; null where nothing is wrong, or no command mends it
}

// Doctor looks at this computer.
func Doctor(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "look at this computer for what crossring needs of it, and say what mends what is missing",
		Description: "Looks for Java, Maven, jars, memory, disk, clock, and clusters that are half made. Asks nobody in the\n" +
			"network, and changes nothing without --fix. Exits with 7 when something is missing.\n\n" +
			"  crossring doctor --for local --for ec2 --cassandra all",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "for", Usage: "look for what clusters of `PROVIDER` need: " + strings.Join(places.Names(), ", ") + " (repeat; default: local)"},
			&cli.StringFlag{Name: "cassandra", Usage: "look for what `VERSION` needs, a series, a release or all (default: the newest)"},
			&cli.BoolFlag{Name: "fix", Usage: "do what is safe: make the state directory, fetch jars"},
		},
		Action: e.Action(examine),
	}
}

func examine(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	w, err := e.World(c)
	if err != nil {
		return app.Answer{}, err
	}
	ask := doctor.Ask{Providers: c.StringSlice("for"), Mend: c.Bool("fix")}
	if len(ask.Providers) == 0 {
		ask.Providers = []string{spec.DefaultProvider}
	}
	for _, p := range ask.Providers {
		if !slices.Contains(places.Names(), p) {
			return app.Answer{}, fail.Usage("", fmt.Errorf("--for is one of %s, not %q", strings.Join(places.Names(), ", "), p), app.HelpFor(c))
		}
	}
	all := release.All()
	switch asked := c.String("cassandra"); asked {
	case "all":
		ask.Releases = all
	case "":
		ask.Releases = all[len(all)-1:]
	default:
		rel, err := release.Find(asked)
		if err != nil {
			return app.Answer{}, err
		}
		ask.Releases = []release.Release{rel}
	}
	found, err := doctor.Examine(ctx, w, ask)
	if err != nil {
		return app.Answer{}, err
	}
	doc := checksDocument{Checks: make([]check, len(found))}
	wrong := 0
	for i, f := range found {
		doc.Checks[i] = check{Name: f.Name, OK: f.Err == nil, Detail: f.Detail}
		if f.Err == nil {
			continue
		}
		wrong++
		doc.Checks[i].Detail = plain.ErrorText(f.Err)
		if hint := app.HintOf(f.Err); hint != "" {
			doc.Checks[i].Fix = &hint
		}
	}
	if wrong > 0 {
		err = fail.Prerequisite("", fmt.Errorf("%s of %d not in order", plain.Count(wrong, "thing"), len(found)), fixOf(doc))
	}
	return app.Answer{Doc: doc, Text: func(out io.Writer) error { return writeChecks(out, doc) }}, err
}

// fixOf is the first command that mends something.
func fixOf(doc checksDocument) string {
	for _, c := range doc.Checks {
		if c.Fix != nil {
			return *c.Fix
		}
	}
	return ""
}

func writeChecks(out io.Writer, doc checksDocument) error {
	for _, c := range doc.Checks {
		mark := "ok   "
		if !c.OK {
			mark = "WRONG"
		}
		if _, err := fmt.Fprintf(out, "%s  %-20s  %s\n", mark, c.Name, c.Detail); err != nil {
			return err
		}
		if c.Fix != nil {
			if _, err := fmt.Fprintf(out, "%-29smend it: %s\n", "", *c.Fix); err != nil {
				return err
			}
		}
	}
	return nil
}
