package loadcli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"crossring/internal/cli/app"
	"crossring/internal/compare"
	"crossring/internal/fail"
	"crossring/internal/failif"
	"crossring/internal/gate"
	"crossring/internal/runs"
	"crossring/internal/topology"
	"crossring/stress/results"

	"github.com/urfave/cli/v2"
)

// repeatFlags are for commands whose runs can be repeated.
func repeatFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "runs", Usage: "repeat it, `N` runs in all, and answer with their spread as compare does", Value: 1},
		&cli.StringSliceFlag{Name: "against", Usage: "with --runs, take turns with the same but for `FLAG=VALUE`, as in in-flight=256 (repeat), and compare the two", DefaultText: "none"},
	}
}

// repeated says whether a run is to be repeated, and what the other side is.
type repeated struct {
	runs    int
	against []func(*topology.Stress) error
}

func repeatedOf(c *cli.Context) (*repeated, error) {
	r := &repeated{runs: c.Int("runs")}
	texts := c.StringSlice("against")
	switch {
	case r.runs < 1:
		return nil, fail.Usage("", fmt.Errorf("--runs: must be 1 or more, not %d", r.runs), app.HelpFor(c))
	case r.runs == 1 && len(texts) > 0:
		return nil, fail.Usage("", errors.New("--against: one run of each says little: give --runs, too"), app.HelpFor(c))
	case r.runs == 1:
		return nil, nil
	}
	var bad []error
	for _, text := range texts {
		set, err := override(text)
		if err != nil {
			bad = append(bad, fmt.Errorf("--against: %w", err))
			continue
		}
		if err := set(new(topology.Stress)); err != nil {
			bad = append(bad, fmt.Errorf("--against: %w", err))
		}
		r.against = append(r.against, set)
	}
	if err := errors.Join(bad...); err != nil {
		return nil, fail.Usage("", err, app.HelpFor(c))
	}
	return r, nil
}

// override reads FLAG=VALUE.
func override(text string) (func(*topology.Stress) error, error) {
	flag, value, ok := strings.Cut(strings.TrimPrefix(text, "--"), "=")
	if !ok {
		return nil, fmt.Errorf("%q is not FLAG=VALUE", text)
	}
	words := func(to func(*topology.Stress) *string, change func(string) string) func(*topology.Stress) error {
		return func(s *topology.Stress) error {
			*to(s) = change(value)
			return nil
		}
	}
	same := func(s string) string { return s }
	whole := func(to func(*topology.Stress, int64)) func(*topology.Stress) error {
		return func(s *topology.Stress) error {
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return fmt.Errorf("%s: %q is no whole number", flag, value)
			}
			to(s, n)
			return nil
		}
	}
	all := map[string]func(*topology.Stress) error{
		"value-bytes": whole(func(s *topology.Stress, n int64) { s.ValueBytes = int(n) }),
		"in-flight":   whole(func(s *topology.Stress, n int64) { s.InFlight = int(n) }),
		"rows":        whole(func(s *topology.Stress, n int64) { s.Rows = n }),
		"rate": func(s *topology.Stress) (err error) {
			if s.Rate, err = strconv.ParseFloat(value, 64); err != nil {
				return fmt.Errorf("%s: %q is no number", flag, value)
			}
			return nil
		},
		"write-dc":          words(func(s *topology.Stress) *string { return &s.WriteDC }, same),
		"read-dc":           words(func(s *topology.Stress) *string { return &s.ReadDC }, same),
		"write-consistency": words(func(s *topology.Stress) *string { return &s.WriteCL }, strings.ToUpper),
		"read-consistency":  words(func(s *topology.Stress) *string { return &s.ReadCL }, strings.ToUpper),
		"connections":       words(func(s *topology.Stress) *string { return &s.Connections }, same),
		"tls":               words(func(s *topology.Stress) *string { return &s.TLSVersion }, same),
	}
	set, there := all[flag]
	if !there {
		var names []string
		for name := range all {
			names = append(names, name)
		}
		slices.Sort(names)
		return nil, fmt.Errorf("%q: there are %s", flag, strings.Join(names, ", "))
	}
	return set, nil
}

// side is the settings of one side: 0 as the command line has them, 1 as --against changes them.
func (r *repeated) side(n int, base func(*topology.Stress)) func(*topology.Stress) {
	return func(s *topology.Stress) {
		base(s)
		if n == 0 {
			return
		}
		for _, set := range r.against {
			if err := set(s); err != nil {
				return // was refused when it was read
			}
		}
	}
}

// known are the figures that --fail-if may ask of the comparison that comes of it.
func (r *repeated) known(load failif.Known) failif.Known {
	k := failif.Names("better", "worse", "no_difference_shown", "too_few")
	k.Absent = load.Absent
	for name, unit := range load.Units {
		last := name[strings.LastIndex(name, ".")+1:]
		if strings.HasPrefix(name, "lag.") || last != "rate" && last != "client_cpu_us_per_op" && last != "max" && !strings.HasPrefix(last, "p") {
			continue
		}
		k.Units[name] = unit
		if len(r.against) > 0 {
			k.Units[name+".change"] = failif.Share
		}
	}
	return k
}

// do makes the runs, in turns, the second side first in every other round, and compares them. A
// run that fails ends it; what was made until then is in the answer.
func (r *repeated) do(ctx context.Context, e *app.Env, g *gated, run func(side int) (dir string, err error)) (app.Answer, error) {
	sides := 1
	if len(r.against) > 0 {
		sides = 2
	}
	samples := make([]compare.Sample, sides)
	var failed error
	for round := 1; round <= r.runs && failed == nil; round++ {
		for turn := range sides {
			side := (turn + round - 1) % sides
			app.Note(e.Stderr, "round %d of %d%s", round, r.runs, sideName(side, sides))
			dir, err := run(side)
			failed = err
			if dir == "" {
				break
			}
			d, openErr := results.Open(dir)
			if openErr != nil {
				return app.Answer{}, errors.Join(err, openErr)
			}
			made, roundErr := runs.Round(ctx, d, 0)
			if roundErr == nil {
				samples[side].Rounds = append(samples[side].Rounds, made)
			}
			if failed = errors.Join(failed, roundErr); failed != nil {
				break
			}
		}
	}
	samples = slices.DeleteFunc(samples, func(s compare.Sample) bool { return len(s.Rounds) == 0 })
	for i, s := range samples {
		var names []string
		for _, round := range s.Rounds {
			names = append(names, round.Name)
		}
		samples[i].Label = strings.Join(names, ",")
	}
	res, err := compare.Of(samples)
	if failed == nil {
		failed = err
	}
	doc := comparison{Result: res}
	doc.Breaches, failed = g.close(gate.Comparison(res), res.Markdown, failed)
	return app.Answer{Doc: doc, Text: res.Text}, failed
}

func sideName(side, sides int) string {
	switch {
	case sides == 1:
		return ""
	case side == 0:
		return ", A"
	}
	return ", B, as --against has it"
}
