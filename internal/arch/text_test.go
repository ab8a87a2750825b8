package arch

import (
	"go/ast"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// readAsText lists where an error is told from others by its text.
func readAsText(packages map[string][]source) (bad []string) {
	for _, files := range packages {
		for _, s := range files {
			if strings.HasSuffix(s.name, "_test.go") || strings.HasPrefix(s.name, "test/") {
				continue
			}
			ast.Inspect(s.file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) == 0 {
					return true
				}
				f, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				of, ok := f.X.(*ast.Ident)
				if !ok || of.Name != "strings" || !strings.HasPrefix(f.Sel.Name, "Contains") && f.Sel.Name != "HasPrefix" && f.Sel.Name != "HasSuffix" && f.Sel.Name != "Cut" {
					return true
				}
				if text, ok := call.Args[0].(*ast.CallExpr); ok {
					if s2, ok := text.Fun.(*ast.SelectorExpr); ok && s2.Sel.Name == "Error" && len(text.Args) == 0 {
						bad = append(bad, s.name)
					}
				}
				return true
			})
		}
	}
	return bad
}

// Errors are told apart by type or code, never by their text.
func TestErrorsAreNotReadAsText(t *testing.T) {
	packages, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range readAsText(packages) {
		t.Errorf("%s: an error is told from others by its text", name)
	}
	packages, err = load(fstest.MapFS{"a/a.go": {Data: []byte("package a\n\nimport \"strings\"\n\nvar _ = strings.Contains(err.Error(), \"x\")\nvar _ = strings.HasPrefix(s, err.Error())\n")}})
	if err != nil {
		t.Fatal(err)
	}
	if got := readAsText(packages); len(got) != 1 {
		t.Errorf("one of two is: %q", got)
	}
}
