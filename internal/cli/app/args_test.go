package app

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"crossring/internal/cli/line"
	"crossring/internal/fail"

	"github.com/urfave/cli/v2"
)

// testApp has one of everything that reorder distinguishes.
func testApp() *cli.App {
	e := &Env{}
	ok := func(*cli.Context) error { return nil }
	return e.App([]*cli.Command{
		{Name: "ring", Aliases: []string{"r"}, ArgsUsage: "[CLUSTER]", Action: ok, Flags: []cli.Flag{
			&cli.StringFlag{Name: "keyspace", Aliases: []string{"k"}},
			&cli.BoolFlag{Name: "resolve"},
			&cli.IntFlag{Name: "limit"},
			&cli.StringSliceFlag{Name: "node"},
		}},
		{Name: "exec", ArgsUsage: "CLUSTER -- COMMAND [ARG...]", Action: ok},
		{Name: "stress", ArgsUsage: "COMMAND", Subcommands: []*cli.Command{
			{Name: "write", ArgsUsage: "CLUSTER", Action: ok, Flags: []cli.Flag{
				&cli.Int64Flag{Name: "rows", Aliases: []string{"n"}}, &cli.Float64Flag{Name: "rate"}, &cli.DurationFlag{Name: "wait"},
			}},
			{Name: "read", ArgsUsage: "CLUSTER", Action: ok},
		}},
		{Name: "fault", Action: ok, Subcommands: []*cli.Command{
			{Name: "partition", ArgsUsage: "CLUSTER", Action: ok},
		}},
		{Name: "gc", Action: ok, Flags: []cli.Flag{&cli.StringFlag{Name: "older", Required: true}}},
		{Name: "keeper", Hidden: true, ArgsUsage: "DIR", Action: ok},
		{Name: "version", Action: ok},
		{Name: "help", ArgsUsage: "[COMMAND...]", Action: ok},
	})
}

func TestReorder(t *testing.T) {
	root := line.Grammar(testApp())
	tests := []struct{ name, in, want string }{
		{"nothing to do", "ring c1", "ring -- c1"},
		{"no arguments", "ring", "ring"},
		{"flag before", "ring --keyspace ks c1", "ring --keyspace=ks -- c1"},
		{"flag after", "ring c1 --keyspace ks", "ring --keyspace=ks -- c1"},
		{"flags between", "exec c1 -o json ls", "--output=json exec -- c1 ls"},
		{"value behind equals", "ring c1 --keyspace=ks", "ring --keyspace=ks -- c1"},
		{"value with equals in it", "ring --keyspace=a=b", "ring --keyspace=a=b"},
		{"short flag", "ring c1 -k ks", "ring --keyspace=ks -- c1"},
		{"short flag, equals", "ring c1 -k=ks", "ring --keyspace=ks -- c1"},
		{"bool does not take the argument", "ring --resolve c1", "ring --resolve -- c1"},
		{"bool with value", "ring c1 --resolve=false", "ring --resolve=false -- c1"},
		{"repeated flag keeps its order", "ring --node a c1 --node b", "ring --node=a --node=b -- c1"},
		{"common before the command", "--state /s -v ring c1", "--state=/s --verbose ring -- c1"},
		{"common after", "ring c1 -o json --state /s", "--output=json --state=/s ring -- c1"},
		{"common on both sides: the later one is later", "-o text ring c1 -o json", "--output=text --output=json ring -- c1"},
		{"common between command and subcommand", "stress -v write c1", "--verbose stress write -- c1"},
		{"-v is verbose", "ring -v", "--verbose ring"},
		{"subcommand", "stress write c1 -n 5", "stress write --rows=5 -- c1"},
		{"alias of a command", "r c1", "ring -- c1"},
		{"argument named like a command", "ring ring", "ring -- ring"},
		{"argument named help", "ring help", "ring -- help"},
		{"group that runs", "fault", "fault"},
		{"group with subcommand", "fault partition c1", "fault partition -- c1"},
		{"hidden command", "keeper /d", "keeper -- /d"},
		{"dashes end flags", "ring -- --keyspace", "ring -- --keyspace"},
		{"flags before the dashes count", "exec c1 -v -- ls -l --all", "--verbose exec -- c1 ls -l --all"},
		{"second dashes are an argument", "exec c1 -- -- x", "exec -- c1 -- x"},
		{"dashes before the command", "-- ring -v", "ring -- -v"},
		{"dashes alone at the end", "ring c1 --", "ring -- c1"},
		{"lone dash is an argument", "ring -", "ring -- -"},
		{"lone dash is a value", "ring --keyspace -", "ring --keyspace=-"},
		{"negative number is an argument", "ring -5", "ring -- -5"},
		{"negative number is a value", "ring --limit -5", "ring --limit=-5"},
		{"flag as value, with equals", "ring --keyspace=-v", "ring --keyspace=-v"},
		{"help flag", "ring --help", "help -- ring"},
		{"help flag before", "--help ring", "help -- ring"},
		{"help flag beats missing arguments", "stress write -h", "help -- stress write"},
		{"help flag of a group", "stress --help", "help -- stress"},
		{"help flag beats a missing flag", "gc --help", "help -- gc"},
		{"help flag drops arguments", "ring c1 -h", "help -- ring"},
		{"help flag with a common flag", "ring -o json -h", "--output=json help -- ring"},
		{"help flag alone", "-h", "help"},
		{"help of help", "help --help", "help"},
		{"help flag before an unknown command", "--help nosuch", "help -- nosuch"},
		{"help after dashes is an argument", "ring -- --help", "ring -- --help"},
		{"version flag", "--version", "version"},
		{"version flag after a command", "ring --version", "version"},
		{"required flag", "gc --older 1h", "gc --older=1h"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := line.Reorder(root, strings.Split(tt.in, " "))
			if err != nil {
				t.Fatalf("%q: %v", tt.in, err)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("%q became %q, want %q", tt.in, strings.Join(got, " "), tt.want)
			}
			again, err := line.Reorder(root, got)
			if err != nil || !slices.Equal(again, got) {
				t.Errorf("%q again became %q, %v", got, again, err)
			}
		})
	}
}

func TestReorderRefuses(t *testing.T) {
	root := line.Grammar(testApp())
	tests := []struct{ name, in, want, hint string }{
		{"no command", "", "no command given", "crossring help"},
		{"only common flags", "-v", "no command given", "crossring help"},
		{"unknown command", "rign c1", `unknown command "rign", did you mean ring?`, "crossring ring c1"},
		{"unknown command, nothing near", "frobnicate", `unknown command "frobnicate"`, "crossring help"},
		{"unknown subcommand", "stress wriet c1", `unknown command "stress wriet", did you mean write?`, "crossring stress write c1"},
		{"hidden commands are not suggested", "keepr /d", `unknown command "keepr"`, "crossring help"},
		{"no subcommand", "stress", "stress needs one of write, read", "crossring help stress"},
		{"unknown flag", "ring c1 --keyspaec ks", "unknown flag --keyspaec for ring, did you mean --keyspace?", "crossring ring c1 --keyspace ks"},
		{"unknown flag with a value", "ring --keyspaec=ks", "unknown flag --keyspaec for ring, did you mean --keyspace?", "crossring ring --keyspace=ks"},
		{"hint with quoting", "ring c$1 --keyspaec ks", "unknown flag --keyspaec for ring, did you mean --keyspace?", "crossring ring 'c$1' --keyspace ks"},
		{"unknown flag, nothing near", "ring --zzz", "unknown flag --zzz for ring", "crossring help ring"},
		{"unknown common flag", "--staet /s ring", "unknown flag --staet before the command, did you mean --state?", "crossring --state /s ring"},
		{"one dash too few", "ring -keyspace ks", "unknown flag -keyspace; a value stands apart: -k eyspace", "crossring help ring"},
		{"one dash too few, no such letter", "-state /s ring", "unknown flag -state before the command, did you mean --state?", "crossring --state /s ring"},
		{"one dash too many", "ring --k ks", "unknown flag --k for ring, did you mean -k?", "crossring ring -k ks"},
		{"value glued to a short flag", "ring -ojson", "unknown flag -ojson; a value stands apart: -o json", "crossring help ring"},
		{"short flags glued", "ring -vq", "unknown flag -vq; short flags stand apart: -v -q", "crossring help ring"},
		{"command's flag before the command", "--rows 5 stress write c1", "flag --rows stands before the command; put it after stress write", "crossring help"},
		{"subcommand's flag before the subcommand", "stress --rows 5 write c1", "flag --rows stands before the command; put it after write", "crossring help stress"},
		{"flag of another command", "stress read c1 --rows 5", "unknown flag --rows for stress read", "crossring help stress read"},
		{"value missing at the end", "ring c1 --keyspace", "flag --keyspace needs a value", "crossring help ring"},
		{"value missing before a flag", "ring --keyspace --resolve c1", "flag --keyspace needs a value and --resolve follows; write --keyspace=--resolve if that is the value", "crossring help ring"},
		{"value missing before dashes", "ring --keyspace -- c1", "flag --keyspace needs a value and -- follows; write --keyspace=-- if that is the value", "crossring help ring"},
		{"bool with another value", "ring --resolve=maybe", `flag --resolve is true or false, not "maybe"`, "crossring help ring"},
		{"an empty value, as of an unset variable", "ring c1 --keyspace=", "--keyspace is empty", "crossring help ring"},
		{"an empty value of a common flag", "--state= ring", "--state is empty", "crossring help"},
		{"a whole number, octal", "stress write c1 --rows 010", "--rows is a whole number, not 010", "crossring help stress write"},
		{"a whole number, negative octal", "stress write c1 -n -010", "-n is a whole number, not -010", "crossring help stress write"},
		{"a whole number, hexadecimal", "stress write c1 --rows=0x10", "--rows is a whole number, not 0x10", "crossring help stress write"},
		{"a whole number, as a float", "stress write c1 -n 1e3", "-n is a whole number, not 1e3", "crossring help stress write"},
		{"a whole number with a plus", "stress write c1 -n +3", "-n is a whole number, not +3", "crossring help stress write"},
		{"a whole number that none can hold", "stress write c1 -n 99999999999999999999", "-n: 99999999999999999999 is too large a number", "crossring help stress write"},
		{"a number, hexadecimal", "stress write c1 --rate 0x1p-3", "--rate is a number, not 0x1p-3", "crossring help stress write"},
		{"a number with its percent", "stress write c1 --rate 1%", "--rate is a number, not 1%", "crossring help stress write"},
		{"a number that none can hold", "stress write c1 --rate 1e400", "--rate is a number, not 1e400", "crossring help stress write"},
		{"a time without its unit", "stress write c1 --wait 5", `--wait: "5" is not a duration: write it with its unit, such as 120s`, "crossring help stress write"},
		{"a time that none can hold", "stress write c1 --wait 9999999h", "--wait: 9999999h is longer than any duration that is read here: at most 2562047h", "crossring help stress write"},
		{"no name", "ring --=x", "unknown flag -- for ring", "crossring help ring"},
		{"too many arguments", "ring c1 c2", "ring takes [CLUSTER], got 2 arguments", "crossring help ring"},
		{"too few arguments", "exec c1", "exec takes CLUSTER -- COMMAND [ARG...], got 1 argument", "crossring help exec"},
		{"none wanted", "version c1", `version takes no arguments, got ["c1"]`, "crossring help version"},
		{"required flag", "gc", "gc needs flag --older", "crossring help gc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := line.Reorder(root, strings.Fields(tt.in))
			if err == nil {
				t.Fatalf("%q became %q", tt.in, got)
			}
			if err.Error() != tt.want {
				t.Errorf("%q: %v\nwant %s", tt.in, err, tt.want)
			}
			if hint := hintIn(err); hint != tt.hint {
				t.Errorf("%q: hint %q, want %q", tt.in, hint, tt.hint)
			}
			if code := fail.CodeOf(err); code != fail.ExitUsage {
				t.Errorf("%q: exit code %d", tt.in, code)
			}
		})
	}
}

func hintIn(err error) string {
	var f *fail.Error
	if errors.As(err, &f) {
		return f.Hint
	}
	return ""
}

// What reorder returns, urfave must read as it was meant.
func TestUrfaveReadsWhatReorderReturns(t *testing.T) {
	var keyspace, output, state string
	var resolve, verbose bool
	var args []string
	app := testApp()
	app.Command("ring").Action = func(c *cli.Context) error {
		keyspace, output, state = c.String("keyspace"), c.String("output"), c.String("state")
		resolve, verbose, args = c.Bool("resolve"), c.Bool("verbose"), c.Args().Slice()
		return nil
	}
	ordered, err := line.Reorder(line.Grammar(app), []string{"--state", "/s", "ring", "--", "-x"})
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Run(append([]string{"crossring"}, ordered...)); err != nil {
		t.Fatal(err)
	}
	if state != "/s" || output != "text" || keyspace != "" || resolve || verbose || !slices.Equal(args, []string{"-x"}) {
		t.Errorf("got state %q output %q keyspace %q resolve %t verbose %t arguments %q", state, output, keyspace, resolve, verbose, args)
	}
	app2 := testApp()
	app2.Command("ring").Action = app.Command("ring").Action
	ordered, err = line.Reorder(line.Grammar(app2), []string{"-o", "text", "ring", "help", "--resolve", "-k", "-", "-v", "-o", "json"})
	if err != nil {
		t.Fatal(err)
	}
	if err := app2.Run(append([]string{"crossring"}, ordered...)); err != nil {
		t.Fatal(err)
	}
	if output != "json" || keyspace != "-" || !resolve || !verbose || !slices.Equal(args, []string{"help"}) {
		t.Errorf("got output %q keyspace %q resolve %t verbose %t arguments %q", output, keyspace, resolve, verbose, args)
	}
}

func FuzzReorder(f *testing.F) {
	for _, seed := range []string{
		"ring c1 --keyspace ks", "-o json stress write c1 -n 5", "exec c1 -- ls -l", "--help ring", "ring --=x", "- -- -5", "--version --help help",
	} {
		f.Add(seed)
	}
	root := line.Grammar(testApp())
	f.Fuzz(func(t *testing.T, in string) {
		args := strings.Split(in, " ")
		before := slices.Clone(args)
		got, err := line.Reorder(root, args)
		if !slices.Equal(args, before) {
			t.Fatalf("%q was changed to %q", before, args)
		}
		if err != nil {
			var coded *fail.Error
			if !errors.As(err, &coded) || coded.Code != fail.ExitUsage {
				t.Fatalf("%q: %v is no usage error", args, err)
			}
			return
		}
		again, err := line.Reorder(root, got)
		if err != nil || !slices.Equal(again, got) {
			t.Fatalf("%q became %q, and that %q, %v", args, got, again, err)
		}
		// The positional arguments are arguments that were given, in their order.
		rest := args
		if i := slices.Index(got, "--"); i >= 0 && !slices.Contains(got[:i], "help") {
			for _, word := range got[i+1:] {
				j := slices.Index(rest, word)
				if j < 0 {
					t.Fatalf("%q became %q: %q is not in the same order", args, got, word)
				}
				rest = rest[j+1:]
			}
		}
	})
}
