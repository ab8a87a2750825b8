package arch

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestPromises is the one that counts: what docs/guarantees.md promises is held by tests
// that are there, and that make test or make test-long runs.
func TestPromises(t *testing.T) {
	page, err := os.ReadFile("../../docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	promises, bad := ParsePromises(string(page))
	more, err := CheckPromises(os.DirFS("../.."), promises, []string{"pkcs11", "race", "cgo", "amd64"}, []string{"CROSSRING_LONG"})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range append(bad, more...) {
		t.Errorf("docs/guarantees.md: %s", line)
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(makefile), "CROSSRING_LONG=1 ") {
		t.Error("make test-long no longer sets CROSSRING_LONG: what sets it for the tests above?")
	}
	t.Logf("%d promises", len(promises))
}

func TestParsePromises(t *testing.T) {
	const page = "# Promises\n\nHow to read it.\n\n## Rows\n\n" +
		"A paragraph of\ntwo lines — `stress: TestA`,\n`test/awslab: FuzzB`\n\n" +
		"- **An item.** It goes\n  on — `a: TestC`\n- Another one with `code` in it:\n\n      code\n\n" +
		"| what | means | held by |\n| --- | --- | --- |\n| found | it came | `a: TestD`, `b: TestE` |\n| lost | it went | |\n" +
		"| gone | it `is` | `a: test`, `TestF` |\n\n" +
		"```\ncode | — \n```\n" + NotPromised + "\n\nNothing of this.\n\n| a |\n| --- |\n| b |\n\n## More\n\nA paragraph of two lines — `stress: TestA`\n"
	got, bad := ParsePromises(page)
	want := []Promise{
		{7, "A paragraph of two lines", []TestName{{"stress", "TestA"}, {"test/awslab", "FuzzB"}}},
		{11, "**An item.** It goes on", []TestName{{"a", "TestC"}}},
		{13, "Another one with `code` in it:", nil},
		{19, "found | it came", []TestName{{"a", "TestD"}, {"b", "TestE"}}},
		{20, "| lost | it went | |", nil},
		{21, "gone | it `is`", nil},
		{36, "A paragraph of two lines", []TestName{{"stress", "TestA"}}},
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i].Line != want[i].Line || got[i].Text != want[i].Text || !slices.Equal(got[i].Tests, want[i].Tests) {
			t.Errorf("promises are\n%v, not\n%v", got, want)
			break
		}
	}
	wantBad := []string{
		`line 13: no test holds "Another one with ` + "`code`" + ` in it:"`,
		`line 20: no test holds "| lost | it went | |"`,
		"line 21: `a: test` is not the name of a test, such as `stress: TestFold`",
		"line 21: `TestF` is not the name of a test, such as `stress: TestFold`",
		`line 36: "A paragraph of two lines" stands in line 7, too`,
	}
	if !slices.Equal(bad, wantBad) {
		t.Errorf("said is\n%s, not\n%s", strings.Join(bad, "\n"), strings.Join(wantBad, "\n"))
	}
	if _, bad := ParsePromises("# Only a title\n\nWords.\n"); len(bad) != 1 {
		t.Errorf("a page without promises: %q", bad)
	}
}

// A test that is no test, or that never runs, holds nothing.
func TestCheckPromises(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	tree := fstest.MapFS{
		"a/a.go": file("package a\n\nfunc TestNot(t *testing.T) {}\n"),
		"a/a_test.go": file(`package a

const env, want = "OURS", "THEIRS"

func TestRuns(t *testing.T) { if testing.Short() { t.Skip("short") }; t.Run("x", func(t *testing.T) { t.Skip("a part") }) }
func TestSkipped(t *testing.T) { x := 1; t.Skip("for now") }
func TestTrue(t *testing.T) { if true { t.Skipf("%s", "why") } }
func TestLong(t *testing.T) { needLong(t) }
func TestBench(t *testing.T) { needBench(t) }
func TestLive(t *testing.T) { e := live(t); _ = e }
func TestBroken(t *testing.T) { helper(t) }
func TestHelps(t *testing.T, more int) {}
func TestMaker(t *testing.T) { f := func() { never(t) }; _ = f }
func Test() {}
func long() bool { return os.Getenv("LONG") != "" }
func needLong(t *testing.T) { t.Helper(); if !long() { t.Skip() } }
func needBench(t *testing.T) { if v := os.Getenv("BENCH"); v == "" { t.SkipNow() } }
func live(t *testing.T) int { if os.Getenv(want) == "" { t.Skip("x") }; return 1 }
func helper(t *testing.T) { never(t) }
func never(t *testing.T) { t.Skip() }
`),
		"a/tagged_test.go": file("//go:build pkcs11\n\npackage a\n\nfunc TestTagged(t *testing.T) {}\n"),
		"a/mac_test.go":    file("// Words.\n\n//go:build darwin || ignore\n\npackage a\n\nfunc TestMac(t *testing.T) {}\n"),
		"a/linux_test.go":  file("//go:build linux && !windows\n\npackage a\n\nfunc TestLinux(t *testing.T) {}\nfunc FuzzLinux(f *testing.F) {}\n"),
	}
	const none = "is no test of this tree"
	for name, want := range map[string]string{
		"TestRuns": "", "TestLong": "", "TestTagged": "", "TestLinux": "", "FuzzLinux": "", "TestMaker": "",
		"TestNone": none, "TestNot": none, "Test": none,
		"TestSkipped": "is always skipped", "TestTrue": "is always skipped", "TestBroken": "is always skipped",
		"TestBench": "runs only with BENCH set", "TestLive": "runs only with want set",
		"TestMac": "is in a file that the tests are not built with",
	} {
		promises := []Promise{{Line: 3, Tests: []TestName{{"a", name}}}}
		bad, err := CheckPromises(tree, promises, []string{"pkcs11"}, []string{"LONG"})
		if err != nil {
			t.Fatal(err)
		}
		if want == "" && len(bad) > 0 || want != "" && (len(bad) != 1 || bad[0] != "line 3: a: "+name+" "+want) {
			t.Errorf("%s: %q, want %q", name, bad, want)
		}
	}
	if bad, err := CheckPromises(tree, []Promise{{Line: 1, Tests: []TestName{{"b", "TestRuns"}}}}, nil, nil); err != nil || len(bad) != 1 {
		t.Errorf("a test of another package: %q, %v", bad, err)
	}
}
