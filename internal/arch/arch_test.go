package arch

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestTree is the one that counts: this source tree, as its page describes it.
func TestTree(t *testing.T) {
	page, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := ParseTable(string(page))
	if err != nil {
		t.Fatal(err)
	}
	bad, err := Check(os.DirFS("../.."), "crossring", rows)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range bad {
		t.Error(line)
	}
	if len(bad) > 0 {
		t.Log("the table is in docs/architecture.md; a new package needs a row there")
	}
}

const page = `# page
| package | may import of ours | may import from outside |
| --- | --- | --- |
| ` + "`main.go`" + ` | ` + "`a`" + ` | – |
| ` + "`a`" + ` | all but ` + "`c`" + ` | ` + "`x.org/one`" + ` (one file), ` + "`x.org/two`" + ` |
| ` + "`b`" + `, pure | – | – |
| ` + "`f`" + `, pure, open | – | – |
| ` + "`c`" + ` | ` + "`b`" + ` | – |
| ` + "`atest`" + ` | – | – |

after
`

// tree is one that fits page.
func tree() fstest.MapFS {
	return files(map[string]string{
		"main.go":         `package main; import _ "m/a"`,
		"a/a.go":          `package a; import (_ "m/b"; _ "x.org/one/sub"; _ "x.org/two"; _ "os")`,
		"a/more.go":       `package a; import _ "x.org/two/sub"`,
		"a/a_test.go":     `package a; import (_ "x.org/three"; _ "m/b")`,
		"a/out_test.go":   `package a_test; import _ "m/a"`,
		"a/testdata/x.go": `package x; import _ "m/c"`,
		"b/b.go":          `package b; import ("time"; "net/netip"; _ "embed"); var T time.Duration = time.Second; var A netip.Addr`,
		"b/b_test.go":     `package b; import _ "os"`,
		"c/c.go":          `package c; import _ "m/b"`,
		"d/d_test.go":     `package d; import (_ "m/a"; _ "m/c")`,
		"f/f.go":          `package f`,
		"b/f.go":          `package b; import _ "m/f"`,
		"atest/x.go":      `package atest`,
		"b/c_test.go":     `package b; import _ "m/atest"`,
		"notes.txt":       `package`,
	})
}

func files(text map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, body := range text {
		fsys[name] = &fstest.MapFile{Data: []byte(body)}
	}
	return fsys
}

func TestCheck(t *testing.T) {
	rows, err := ParseTable(page)
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name       string
		file, body string   // added to the tree; an empty body takes the file away
		want       []string // each in a line of its own, in order
	}{
		{name: "as it is"},
		{"package without a row", "e/e.go", `package e`, []string{"e has no row"}},
		{"row without a package", "c/c.go", "", []string{"c has a row in the table and no Go files"}},
		{"ours not allowed", "c/x.go", `package c; import _ "m/a"`, []string{"c/x.go imports our a"}},
		{"ours not allowed in a test", "c/x_test.go", `package c; import _ "m/a"`, []string{"c/x_test.go imports our a"}},
		{"all but", "a/x.go", `package a; import _ "m/c"`, []string{"a/x.go imports our c"}},
		{"a test's helper outside tests", "c/x.go", `package c; import _ "m/atest"`, []string{"c/x.go imports our atest"}},
		{"outside not allowed", "c/x.go", `package c; import _ "x.org/two"`, []string{"c/x.go imports x.org/two"}},
		{"prefix is not a path", "a/x.go", `package a; import _ "x.org/twofold"`, []string{"a/x.go imports x.org/twofold"}},
		{"one file", "a/x.go", `package a; import _ "x.org/one"`, []string{"x.org/one is for one file of a; imported by a/a.go, a/x.go"}},
		{"a grant of ours that is not used", "c/c.go", `package c`, []string{"c may import b by its row, and does not"}},
		{"a grant from outside that is not used", "a/a.go", `package a; import (_ "m/b"; _ "x.org/two")`, []string{"a may import x.org/one by its row, and does not"}},
		{"open is not a licence to import", "f/f.go", `package f; import _ "m/b"`, []string{"f/f.go imports our b"}},
		{"main", "x.go", `package main; import _ "m/b"`, []string{"x.go imports our b"}},
		{"pure: os", "b/x.go", `package b; import _ "os/exec"`, []string{"pure package and imports os/exec"}},
		{"pure: clock", "b/x.go", `package b; import "time"; var t = time.Now()`, []string{"pure package and uses time.Now"}},
		{"pure: clock renamed", "b/x.go", `package b; import w "time"; func f() { defer w.Sleep(1) }`, []string{"pure package and uses w.Sleep"}},
		{"pure: clock by a dot", "b/x.go", `package b; import . "time"; var t = Now()`, []string{"imports time with a dot"}},
		{"pure: files", "b/x.go", `package b; import "path/filepath"; var f = filepath.Glob`, []string{"uses filepath.Glob"}},
		{"pure: net", "b/x.go", `package b; import (_ "net"; _ "net/http")`, []string{"imports net", "imports net/http"}},
	}
	for _, c := range cases {
		fsys := tree()
		if c.body != "" {
			fsys[c.file] = &fstest.MapFile{Data: []byte(c.body)}
		} else {
			delete(fsys, c.file)
		}
		got, err := Check(fsys, "m", rows)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !slices.EqualFunc(got, c.want, strings.Contains) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if _, err := Check(files(map[string]string{"a/a.go": "package"}), "m", rows); err == nil {
		t.Error("no error for a file that is not Go")
	}
}

func TestParseTableRefuses(t *testing.T) {
	head := tableHead + "\n| --- | --- | --- |\n"
	for name, text := range map[string]string{
		"no table":   "# page\n",
		"two cells":  head + "| `a` | – |\n",
		"no package": head + "| a | – | – |\n",
		"a row each": head + "| `a` | – | – |\n| `a` | – | – |\n",
	} {
		if rows, err := ParseTable(text); err == nil {
			t.Errorf("%s: got %v", name, rows)
		}
	}
}
