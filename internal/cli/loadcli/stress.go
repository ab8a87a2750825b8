// Package loadcli has the commands that load a cluster, and report on it.
package loadcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/failif"
	"crossring/internal/gate"
	"crossring/internal/load"
	"crossring/internal/release"
	"crossring/internal/report"
	"crossring/internal/run"
	"crossring/internal/spec"
	"crossring/internal/topology"
	"crossring/stress/record"

	"github.com/urfave/cli/v2"
)

// specDefault stands in the help of flags that have no default of their own.
const specDefault = "as in the spec"

// stressFlags change what the spec, or the run, says of the write and the read.
func stressFlags(ops ...string) []cli.Flag {
	flags := []cli.Flag{
		&cli.Int64Flag{Name: "rows", Usage: "`N` rows", DefaultText: specDefault},
		&cli.IntFlag{Name: "value-bytes", Usage: "values of `N` bytes", DefaultText: specDefault},
		&cli.IntFlag{Name: "in-flight", Usage: "`N` requests at once", DefaultText: specDefault},
		&cli.Float64Flag{Name: "rate", Usage: "open loop: `N` operations are due per second; 0 is a closed loop", DefaultText: specDefault},
		&cli.StringFlag{Name: "connections", Usage: "make them by `POLICY`: shared, per-request, or renew:50req,10m", DefaultText: "shared"},
		&cli.StringFlag{Name: "tls", Usage: "speak TLS `VERSION` alone: 1.2 or 1.3"},
		&cli.StringSliceFlag{Name: "cipher", Usage: "offer the suite `NAME` alone, in IANA's or OpenSSL's words; up to TLS 1.2 (repeat)"},
		&cli.BoolFlag{Name: "tls-resume", Usage: "resume TLS sessions where connections are made again"},
		&cli.Float64Flag{Name: "threshold", Usage: "fail only when more than this `SHARE` of the rows (0..1) is missing, wrong, failed or unknown"},
		&cli.Float64Flag{Name: "lost-threshold", Usage: "fail only when more than this `SHARE` of the acknowledged rows (0..1) is lost; --threshold does not count for them alone"},
	}
	for _, op := range ops {
		flags = append(flags,
			&cli.StringFlag{Name: op + "-dc", Usage: op + " in `DATACENTER`"},
			&cli.StringFlag{Name: op + "-consistency", Usage: op + " at consistency `LEVEL`"})
		if op == record.OpRead {
			flags = append(flags, &cli.DurationFlag{Name: "missing-deadline", Usage: "ask for a missing row again for at most this long", DefaultText: specDefault})
		}
	}
	return flags
}

// metricsFlag is for commands that load a cluster.
func metricsFlag() cli.Flag {
	return &cli.StringFlag{Name: "metrics", Usage: "serve load and servers as OpenMetrics at `ADDRESS` while it runs: a port of the loopback, or an address with one"}
}

// stressOptions puts the flags that were given over what the spec says.
func stressOptions(c *cli.Context) func(*topology.Stress) {
	return func(s *topology.Stress) {
		app.Override(c, "rows", &s.Rows)
		app.Override(c, "value-bytes", &s.ValueBytes)
		app.Override(c, "in-flight", &s.InFlight)
		app.Override(c, "rate", &s.Rate)
		app.Override(c, "write-dc", &s.WriteDC)
		app.Override(c, "write-consistency", &s.WriteCL)
		s.WriteCL = strings.ToUpper(s.WriteCL)
		app.Override(c, "read-dc", &s.ReadDC)
		app.Override(c, "read-consistency", &s.ReadCL)
		s.ReadCL = strings.ToUpper(s.ReadCL)
		app.Override(c, "connections", &s.Connections)
		app.Override(c, "tls", &s.TLSVersion)
		app.Override(c, "tls-resume", &s.TLSResume)
		if c.IsSet("cipher") {
			s.Ciphers = c.StringSlice("cipher")
		}
		if c.IsSet("missing-deadline") {
			s.MissingDeadlineSeconds = c.Duration("missing-deadline").Seconds()
		}
	}
}

func thresholds(c *cli.Context) load.Thresholds {
	return load.Thresholds{Threshold: c.Float64("threshold"), Lost: c.Float64("lost-threshold")}
}

// loadGC lets the heap grow while load is generated: garbage is most of what the
// driver makes, and collecting it less often saves processor time that the
// servers on the same computer can use.
func loadGC() (restore func()) {
	old := debug.SetGCPercent(400)
	return func() { debug.SetGCPercent(old) }
}

// runDocument is the answer of repro and demo.
type runDocument struct {
	report.Document
	Breaches []failif.Breach `json:"breaches,omitempty"` // of --fail-if
}

func reportAnswer(doc runDocument, err error) (app.Answer, error) {
	a := app.Answer{Doc: doc}
	if doc.Schema == "" {
		a.Doc = nil
	}
	if doc.RingBefore != nil {
		a.Text = func(out io.Writer) error { return report.Text(out, doc.Document) }
	}
	return a, err
}

// Repro does the experiment.
func Repro(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "repro", ArgsUsage: "NAME",
		Usage: "the experiment on a cluster that is up: write in one datacenter, read in the other, report",
		Description: "Exits with 6 when rows are missing, wrong, failed or unknown. The cluster stays up.\n\n" +
			"With --read-after each row is read that long after its own acknowledgement, while others are still written:\n\n" +
			"  crossring repro NAME --read-after 500ms --rate 2000\n\n" +
			"With --both-ways every datacenter writes and every other one reads, all at the same time; each such pair has\n" +
			"rows, and a run directory, of its own.\n\n" +
			"For pipelines, --fail-if ends with 6 where an expression holds, and names each that does. A figure that the run\n" +
			"will not have is a wrong command line, before it begins:\n\n" +
			"  crossring repro NAME --fail-if 'read.p99>20ms' --fail-if 'write.rate<8000' --junit run.xml --markdown run.md\n\n" +
			"One run says little. --runs repeats it, and answers with the spread, as compare does; with --against it takes turns\n" +
			"with another configuration, and says whether the two differ:\n\n" +
			"  crossring repro NAME --runs 5 --against in-flight=256",
		Flags: append(append(append(append(stressFlags(record.OpWrite, record.OpRead), loaderFlags()...), gateFlags()...), repeatFlags()...), metricsFlag(),
			&cli.DurationFlag{Name: "read-after", Usage: "read each row `TIME` after its own acknowledgement", DefaultText: "when all are written"},
			&cli.BoolFlag{Name: "both-ways", Usage: "every datacenter writes, and every other one reads, at the same time: --rows and --rate are those of each pair"},
			&cli.Float64Flag{Name: "background", Usage: "keep every datacenter busy with `N` reads and writes a second beside it, on a table of their own", DefaultText: "none"}),
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			return app.WithName(c, e, func(w cluster.World, name string) (app.Answer, error) {
				defer loadGC()()
				var after *time.Duration
				if c.IsSet("read-after") {
					after = new(c.Duration("read-after"))
				}
				known := func(s topology.Stress) failif.Known {
					return gate.OfLoad(s, after != nil, record.OpWrite, record.OpRead)
				}
				again, err := repeatedOf(c)
				if err != nil {
					return app.Answer{}, err
				}
				if again != nil && c.Bool("both-ways") {
					return app.Answer{}, fail.Usage("", errors.New("--runs compares one pair of datacenters, and --both-ways has several"), app.HelpFor(c))
				}
				if once := known; again != nil {
					known = func(s topology.Stress) failif.Known { return again.known(once(s)) }
				}
				g, err := gateOf(c, "repro of "+name, known(anyLoad))
				if err != nil {
					return app.Answer{}, err
				}
				req := load.ReproRequest{
					Name: name, Stress: stressOptions(c), Thresholds: thresholds(c), Crossring: app.BuildVersion(),
					Loaders: c.Int("loaders"), ReadAfter: after, Background: c.Float64("background"), BothWays: c.Bool("both-ways"),
					LoadersGiven: c.IsSet("loaders") || c.IsSet("loader-binary"), Metrics: c.String("metrics"),
					Check: func(s topology.Stress) error { return g.again(known(s)) },
				}
				if again != nil {
					return again.do(ctx, e, g, func(side int) (string, error) {
						req := req
						req.Stress = again.side(side, req.Stress)
						doc, err := load.Repro(ctx, w, req)
						return doc.RunDir, err
					})
				}
				doc, err := load.Repro(ctx, w, req)
				v := gate.Load(doc.Write, doc.Read, doc.Account)
				if len(doc.Pairs) > 0 {
					var all []gate.Values
					for _, p := range doc.Pairs {
						all = append(all, gate.Load(p.Write, p.Read, p.Account))
					}
					v = gate.OfPairs(all)
				}
				breaches, err := g.close(v, gate.Figures(v, loadFigures()), err)
				return reportAnswer(runDocument{doc, breaches}, err)
			})
		}),
	}
}

// Demo does all of it, on this computer.
func Demo(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:        "demo",
		Usage:       "all of it: make two regions on this computer, write in one, read in the other, report, take it down",
		Description: "Real Cassandra, the real EC2 snitch, and 80 ms between us-east-1 and us-west-2.",
		Flags: append(stressFlags(record.OpWrite, record.OpRead),
			&cli.StringFlag{Name: "cassandra", Usage: "Cassandra `VERSION`", Value: release.Newest().Series},
			&cli.StringFlag{Name: "name", Usage: "call the cluster `NAME` (default: demo and a number)"},
			&cli.Float64Flag{Name: "rtt", Usage: "`MS` of round trip between the regions", Value: 80},
			&cli.BoolFlag{Name: "secure", Usage: "TLS between the nodes and for the load, with a CA of the demo's own"},
			&cli.BoolFlag{Name: "keep", Usage: "leave the cluster up"},
			app.CassandraHomeFlag()),
		Action: e.Action(demo),
	}
}

func demo(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	if c.Args().Len() != 0 {
		return app.Answer{}, fail.Usage("", fmt.Errorf("demo takes no arguments, but %q was given", c.Args().First()), app.HelpFor(c))
	}
	w, err := e.World(c)
	if err != nil {
		return app.Answer{}, err
	}
	s := spec.Spec{
		Name:      c.String("name"),
		Cassandra: c.String("cassandra"),
		Regions:   []spec.Region{{Region: "us-east-1", Zone: "us-east-1a", Nodes: 1}, {Region: "us-west-2", Zone: "us-west-2a", Nodes: 1}},
		RTT:       spec.RoundTrips{spec.AllPairs: c.Float64("rtt")},
	}
	if s.Name == "" {
		s.Name = fmt.Sprintf("demo-%d", time.Now().UnixMilli()%1_000_000)
	}
	if c.Bool("secure") {
		s.TLS = &spec.TLS{}
	}
	spec.Defaults(&s)
	defer loadGC()()
	doc, err := run.Demo(ctx, w, run.DemoRequest{
		Spec: s, Stress: stressOptions(c), Thresholds: thresholds(c), Keep: c.Bool("keep"), Crossring: app.BuildVersion(),
	})
	return reportAnswer(runDocument{Document: doc}, err)
}

// Stress does a phase of it alone.
func Stress(e *app.Env) *cli.Command {
	sub := func(op, usage string) *cli.Command {
		return &cli.Command{
			Name: op, Usage: usage, ArgsUsage: "NAME",
			Description: "For pipelines, --fail-if ends with 6 where an expression holds:\n\n" +
				"  crossring stress " + op + " NAME --fail-if '" + op + ".p99>20ms' --fail-if '" + op + ".rate<8000'",
			Flags: append(append(append(append(stressFlags(op), loaderFlags()...), gateFlags()...), repeatable(op)...), metricsFlag(), &cli.StringFlag{Name: "run", Usage: "run directory, or its name below the state directory"}),
			Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
				return app.WithName(c, e, func(w cluster.World, name string) (app.Answer, error) {
					defer loadGC()()
					known := func(s topology.Stress) failif.Known { return gate.OfLoad(s, false, op) }
					var again *repeated
					if op == record.OpWrite {
						var err error
						if again, err = repeatedOf(c); err != nil {
							return app.Answer{}, err
						}
						if once := known; again != nil {
							known = func(s topology.Stress) failif.Known { return again.known(once(s)) }
						}
						if again != nil && c.String("run") != "" {
							return app.Answer{}, fail.Usage("", errors.New("--runs: each has a run directory of its own, so that --run can't name it"), app.HelpFor(c))
						}
					}
					g, err := gateOf(c, op+" of "+name, known(anyLoad))
					if err != nil {
						return app.Answer{}, err
					}
					req := load.StressRequest{
						Name: name, Op: op, Run: c.String("run"), Stress: stressOptions(c),
						Thresholds: thresholds(c), Crossring: app.BuildVersion(), Loaders: c.Int("loaders"), LoadersGiven: c.IsSet("loaders") || c.IsSet("loader-binary"),
						Metrics: c.String("metrics"),
						Check:   func(s topology.Stress) error { return g.again(known(s)) },
					}
					if again != nil {
						return again.do(ctx, e, g, func(side int) (string, error) {
							req := req
							req.Stress = again.side(side, req.Stress)
							res, err := load.Stress(ctx, w, req)
							return res.RunDir, err
						})
					}
					res, err := load.Stress(ctx, w, req)
					v := gate.Load(res.Write, res.Read, res.Account)
					doc := stressDocument{StressResult: res}
					doc.Breaches, err = g.close(v, gate.Figures(v, loadFigures()), err)
					return app.Answer{Doc: doc, Text: func(out io.Writer) error { return writePhase(out, name, res) }}, err
				})
			}),
		}
	}
	return &cli.Command{
		Name: "stress", Usage: "one phase on its own", ArgsUsage: "COMMAND",
		Subcommands: []*cli.Command{
			sub(record.OpWrite, "write rows in one datacenter, into a new run directory"),
			sub(record.OpRead, "read back, byte for byte, what the write of a run wrote"),
		},
	}
}

// repeatable are the flags of an operation that can be repeated: a run is written once, and of
// its reads the last one counts.
func repeatable(op string) []cli.Flag {
	if op == record.OpWrite {
		return repeatFlags()
	}
	return nil
}

// anyLoad is one of which all is asked that can be: what it will not have is known when the
// cluster's own settings are.
var anyLoad = topology.Stress{Load: topology.Load{Rate: 1}}

// loadFigures are the figures of a load, in the order of a summary.
func loadFigures() []string {
	known := gate.OfLoad(anyLoad, true, record.OpWrite, record.OpRead)
	return slices.Sorted(maps.Keys(known.Units))
}

// stressDocument is the answer of stress.
type stressDocument struct {
	load.StressResult
	Breaches []failif.Breach `json:"breaches,omitempty"` // of --fail-if
}

// writePhase prints one phase as the report does.
func writePhase(out io.Writer, name string, res load.StressResult) error {
	if res.Write == nil && res.Read == nil {
		return nil
	}
	doc := report.New(name)
	doc.Write, doc.Read, doc.Account, doc.RunDir = res.Write, res.Read, res.Account, res.RunDir
	doc.Endpoints, doc.Replication, doc.Record = res.Endpoints, res.Replication, res.Record
	return report.Text(out, doc)
}

// Report makes the report of a run anew.
func Report(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "report", ArgsUsage: "RUN",
		Usage: "the report of a run, made anew from its raw results",
		Description: "RUN is a run directory, its name below the state directory, the name of a cluster for the newest of its runs,\n" +
			"or latest. -o html is one page that needs nothing else. Measurements of lag have a report, too.\n\n" +
			"  crossring report latest -o html > report.html\n\n" +
			"--bundle makes one archive of a run to share, with --anonymous without what says where it was made:\n\n" +
			"  crossring report latest --bundle run.tar.gz --anonymous",
		Flags: bundleFlags(),
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			return app.WithName(c, e, func(w cluster.World, ref string) (app.Answer, error) {
				path, err := load.FindRun(w, ref)
				if err != nil {
					return app.Answer{}, err
				}
				if c.IsSet("bundle") || c.Bool("anonymous") {
					return bundled(ctx, w, c, path)
				}
				if res, is, err := load.LagReport(path); is {
					return app.Answer{Doc: res, Text: func(out io.Writer) error {
						if e.Output == "html" {
							return report.LagHTML(out, res)
						}
						return res.Text(out)
					}}, err
				}
				doc, course, err := load.RunReport(ctx, w, path)
				if doc.Schema == "" {
					return app.Answer{}, err
				}
				return app.Answer{Doc: doc, Text: func(out io.Writer) error {
					if e.Output == "html" {
						return report.HTML(out, doc, course)
					}
					return report.Text(out, doc)
				}}, err
			})
		}, "html"),
	}
}
