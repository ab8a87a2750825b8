package arch

import (
	"go/ast"
	"os"
	"testing"
	"testing/fstest"
)

// silentSkips lists the files with a test that can be skipped without a reason, which the
// list at the end of make test could not give.
func silentSkips(packages map[string][]source) (bad []string) {
	for _, files := range packages {
		for _, s := range files {
			ast.Inspect(s.file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) > 0 {
					return true
				}
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && (f.Sel.Name == "Skip" || f.Sel.Name == "SkipNow") {
					bad = append(bad, s.name)
				}
				return true
			})
		}
	}
	return bad
}

func TestSkipsGiveReasons(t *testing.T) {
	packages, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range silentSkips(packages) {
		t.Errorf("%s: a test is skipped without a reason", name)
	}
	packages, err = load(fstest.MapFS{"a/a_test.go": {Data: []byte("package a\n\nfunc TestA(t *testing.T) { t.Skip(); t.SkipNow(); t.Skip(\"why\"); x.Skipped() }\n")}})
	if err != nil {
		t.Fatal(err)
	}
	if got := silentSkips(packages); len(got) != 2 {
		t.Errorf("of three skips two have no reason: %q", got)
	}
}
