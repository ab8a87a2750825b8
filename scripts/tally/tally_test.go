package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// module writes a module of packages that end in every way that there is.
func module(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module crossring\n\ngo 1.26\n",
		"none/a.go": "package none\n",
		"good/a_test.go": `package good

import ("fmt"; "os"; "testing"; "time")

func TestMain(m *testing.M) { fmt.Println("chatter"); os.Exit(m.Run()) }
func TestGood(t *testing.T) { t.Log("quiet") }
func TestLong(t *testing.T) { t.Log("before"); t.Skip("runs in make test-long: it is long") }
func TestLacks(t *testing.T) { t.Run("a part", func(t *testing.T) { t.Skipf("no %s:\nfirst\n  second", "tool") }) }
func TestNever(t *testing.T) { t.Skip("not possible here: it needs root") }
func TestSilent(t *testing.T) { t.SkipNow() }
func TestWaits(t *testing.T) { t.Run("part", func(t *testing.T) { t.Log("waited 7.0 s for its turn"); time.Sleep(20 * time.Millisecond) }) }
`,
		"bad/a_test.go": `package bad

import "testing"

func TestGood(t *testing.T) { t.Log("quiet") }
func TestBad(t *testing.T) {
	t.Log("why")
	t.Run("good", func(t *testing.T) { t.Log("quiet") })
	t.Run("part", func(t *testing.T) { t.Error("what") })
	t.Run("none", func(t *testing.T) { t.Skip("runs never") })
}
func TestWorse(t *testing.T) { t.Fatal("at once") }
`,
		"panics/a_test.go": "package panics\n\nimport \"testing\"\n\nfunc TestPanics(t *testing.T) { t.Log(\"last words\"); panic(\"oh\") }\n",
		"exits/a_test.go":  "package exits\n\nimport (\"fmt\"; \"os\"; \"testing\")\n\nfunc TestExits(t *testing.T) { fmt.Println(\"bye\"); os.Exit(3) }\n",
		"slow/a_test.go":   "package slow\n\nimport \"testing\"\n\nfunc TestSlow(t *testing.T) { t.Log(\"waits\"); select {} }\n",
		"broken/a_test.go": "package broken\n\nimport \"testing\"\n\nfunc TestBroken(t *testing.T) { nonesuch() }\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// build makes the program.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "tally")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

func run(t *testing.T, dir string, env []string, args ...string) (code int, out string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

var seconds = regexp.MustCompile(`\d+\.\d+s`)

// lines are those of an output that say what came of it, without times, sorted.
func lines(out string) (all []string) {
	for line := range strings.Lines(out) {
		if verdict.MatchString(line) || result.MatchString(line) || place.MatchString(line) || strings.Contains(line, "panic: ") ||
			strings.Contains(line, "chatter") || strings.Contains(line, "bye") || strings.Contains(line, "undefined") {
			all = append(all, strings.TrimSpace(seconds.ReplaceAllString(line, "")))
		}
	}
	slices.Sort(all)
	return all
}

// What go test shows is shown, whatever comes of the packages, and its exit status kept.
func TestLikeGoTest(t *testing.T) {
	program, dir := build(t), module(t)
	for _, packages := range [][]string{{"./good", "./none"}, {"./..."}, {"./nonesuch"}} {
		command := append([]string{"go", "test", "-timeout", "1s", "-p", "1"}, packages...)
		wantCode, wanted := run(t, dir, nil, command...)
		code, out := run(t, dir, nil, append([]string{program, filepath.Join(t.TempDir(), "skips")}, command...)...)
		got, want := lines(out), lines(wanted)
		// go test does not show what a test said that hangs.
		got = slices.DeleteFunc(got, func(line string) bool { return line == "a_test.go:5: waits" && strings.Contains(out, "--- FAIL") })
		if code != wantCode || !slices.Equal(got, want) {
			t.Errorf("%v: exit %d, want %d\n%s\nwant\n%s\nof\n%s", packages, code, wantCode, strings.Join(got, "\n"), strings.Join(want, "\n"), out)
		}
		if strings.Contains(out, "quiet") {
			t.Errorf("%v: what passed is shown:\n%s", packages, out)
		}
	}
	command := []string{"go", "test", "-v", "./good", "./bad"}
	_, want := run(t, dir, nil, command...)
	if _, out := run(t, dir, nil, append([]string{program, filepath.Join(t.TempDir(), "skips")}, command...)...); !slices.Equal(lines(out), lines(want)) {
		t.Errorf("-v shows\n%s\nwant\n%s", out, want)
	}
}

const listed = `skipped (5 tests, and parts of tests), and why:
   1  runs in make test-long: it is long
   1  runs never
   1  not possible here: it needs root
        good: TestNever
   1  no reason given
        good: TestSilent
   1  no tool: first second
        good: TestLacks/a_part
2 of them lacked what could be made or installed here
`

// All that was skipped in several runs is listed, and in CI what could have been made
// fails the run.
func TestSkipsAreListed(t *testing.T) {
	program, dir, file := build(t), module(t), filepath.Join(t.TempDir(), "skips")
	for _, c := range []struct {
		packages string
		code     int
	}{{"./good", 0}, {"./bad", 1}, {"./none", 0}} {
		if code, out := run(t, dir, nil, program, file, "go", "test", c.packages); code != c.code {
			t.Fatalf("%s: exit %d\n%s", c.packages, code, out)
		}
	}
	if code, out := run(t, dir, []string{"CI="}, program, file); code != 0 || out != listed {
		t.Errorf("exit %d\n%s", code, out)
	}
	code, out := run(t, dir, []string{"CI=true"}, program, file)
	if code != 1 || !strings.HasPrefix(out, listed) || !strings.Contains(out, "could be made or installed, and 2 tests were") {
		t.Errorf("in CI: exit %d\n%s", code, out)
	}
	skips, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(skips, []byte(`{"Took":{"Package":"crossring/bad","Test":"TestBad/part","Seconds":`)) {
		t.Errorf("what tests took is not remembered:\n%s", skips)
	}
	for _, waits := range []string{`"TestWaits","Seconds":0}`, `"TestWaits/part","Seconds":0}`} {
		if !bytes.Contains(skips, []byte(waits)) {
			t.Errorf("a wait for others is taken for the test's own time, want %s:\n%s", waits, skips)
		}
	}
	fine := filepath.Join(t.TempDir(), "fine")
	for line := range bytes.Lines(skips) {
		if bytes.Contains(line, []byte("runs ")) || bytes.Contains(line, []byte("not possible")) {
			appendTo(t, fine, line)
		}
	}
	if code, out := run(t, dir, []string{"CI=true"}, program, fine); code != 0 {
		t.Errorf("in CI, what is in order: exit %d\n%s", code, out)
	}
	if code, out := run(t, dir, []string{"CI=true"}, program, filepath.Join(t.TempDir(), "none")); code != 0 || out != "nothing was skipped\n" {
		t.Errorf("exit %d\n%s", code, out)
	}
	if code, out := run(t, dir, nil, program); code != 2 {
		t.Errorf("without a file: exit %d\n%s", code, out)
	}
}

func appendTo(t *testing.T, path string, text []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		t.Fatal(err)
	}
}

// The tests that took the most are listed, the slowest first, each with its parts.
func TestSlowest(t *testing.T) {
	times := []took{
		{"crossring/a", "TestQuick", 0.2}, {"crossring/a", "TestParts/one", 2.5}, {"crossring/a", "TestParts/two", 7.25}, {"crossring/a", "TestParts/quick", 0.1},
		{"crossring/a", "TestParts", 9.9}, {"crossring/a", "", 20}, {"crossring/b", "TestParts", 11},
		{"crossring/b", "TestSide/part", 5}, {"crossring/b", "TestSide", 0},
	}
	var out strings.Builder
	slowest(&out, times)
	const want = `the slowest of 4 tests, in seconds:
   11.0  b: TestParts
    9.9  a: TestParts; two 7.2; one 2.5
    5.0  b: TestSide; part 5.0
`
	if out.String() != want {
		t.Errorf("got\n%s", &out)
	}
	many := slices.Repeat([]took{{"crossring/c", "TestMany", 3}}, 40)
	out.Reset()
	slowest(&out, many)
	if n := strings.Count(out.String(), "\n"); n != 31 {
		t.Errorf("%d lines, want a heading and 30:\n%s", n, &out)
	}
	out.Reset()
	slowest(&out, times[:1])
	if out.Len() > 0 {
		t.Errorf("of what is quick there is nothing to say: %s", &out)
	}
}
