package cli

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"crossring/internal/cli/app"
)

// sources parses the program's own files, without its tests and what is made for them.
func sources(t *testing.T, each func(path string, files *token.FileSet, f *ast.File)) {
	t.Helper()
	files, seen := token.NewFileSet(), 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 || d.Name() == "testdata" || path == "../../test" || path == "../../scripts" || strings.HasSuffix(d.Name(), "test")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(files, path, nil, 0)
		if err == nil {
			seen++
			each(path, files, f)
		}
		return err
	})
	if err != nil || seen < 100 {
		t.Fatalf("%d files: %v", seen, err)
	}
}

// typedCommand is a command of crossring's with a verb of its tree in a text.
func typedCommand() *regexp.Regexp {
	var verbs []string
	for _, c := range commands(&app.Env{}) {
		verbs = append(verbs, c.Name)
	}
	return regexp.MustCompile(`(^|[^a-z-])crossring (` + strings.Join(verbs, "|") + `)( |$)`)
}

// A command that is printed with something of the user's in it is put together by
// plain.Command, or World.Command, which quote: then it can be pasted. What has only the name
// of a cluster, a node or a region in it, whose letters are few, may do without. Hints get
// --state where they are printed; lines for people are made by World.Command.
func TestPrintedCommands(t *testing.T) {
	command := typedCommand()
	// Names that can only hold letters, digits, dots and hyphens: checked by the spec, or made here.
	plainName := regexp.MustCompile(`(^|\.)(name|Name|Cluster|Node|node|verb|op|first|replaced|dc|id|ID|Of|arch|down)$`)
	text := func(e ast.Expr) string {
		var b bytes.Buffer
		ast.Inspect(e, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				b.Reset()
				b.WriteString("." + s.Sel.Name)
				return false
			}
			if s, ok := n.(*ast.Ident); ok {
				b.WriteString(s.Name)
			}
			return true
		})
		return b.String()
	}
	found := 0
	sources(t, func(path string, files *token.FileSet, f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				var parts []ast.Expr
				var flatten func(ast.Expr)
				flatten = func(e ast.Expr) {
					if b, ok := e.(*ast.BinaryExpr); ok && b.Op == token.ADD {
						flatten(b.X)
						flatten(b.Y)
						return
					}
					parts = append(parts, e)
				}
				flatten(n)
				first, ok := parts[0].(*ast.BasicLit)
				if !ok || first.Kind != token.STRING || !command.MatchString(strings.Trim(first.Value, "\"`")) {
					return true
				}
				found++
				for _, p := range parts[1:] {
					if _, ok := p.(*ast.BasicLit); ok || plainName.MatchString(text(p)) {
						continue
					}
					t.Errorf("%s: a command to type has %s in it as it is: plain.Command quotes", files.Position(p.Pos()), text(p))
				}
				return false
			case *ast.CallExpr:
				name := text(n.Fun)
				if lit, ok := firstOf(n.Args).(*ast.BasicLit); ok && strings.HasSuffix(name, ".Sprintf") && command.MatchString(strings.Trim(lit.Value, "\"`")) {
					for _, a := range n.Args[1:] {
						if !plainName.MatchString(text(a)) {
							t.Errorf("%s: a command to type has %s in it as it is: plain.Command quotes", files.Position(a.Pos()), text(a))
						}
					}
				}
				if !strings.HasSuffix(name, "Say") && name != "note" && !strings.HasPrefix(name, ".Fprint") {
					return true
				}
				for _, a := range n.Args {
					if lit, ok := a.(*ast.BasicLit); ok && lit.Kind == token.STRING && command.MatchString(strings.Trim(lit.Value, "\"`")) {
						t.Errorf("%s: %s is printed without --state: World.Command has it", files.Position(a.Pos()), lit.Value)
					}
				}
			}
			return true
		})
	})
	if found < 20 {
		t.Errorf("%d commands in all of the program: the test looks for them in vain", found)
	}
}

func firstOf(args []ast.Expr) ast.Expr {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

// A count and its noun are put together by plain.Count, so that there are no "1 nodes".
func TestCountedNouns(t *testing.T) {
	counted := regexp.MustCompile(`%d (nodes|instances|machines|hosts|rows|tokens|replicas|datacenters|connections|errors|days|clusters|regions|files|things|seeds|loaders|runs)\b`)
	// Where the number can't be one, or stands for all there is.
	fine := map[string]bool{}
	for _, s := range []string{
		"none of the %d nodes of %s answered: %v", "comparing rings: %d nodes before and %d after", "datacenter %d: %d nodes are more than %d",
		"datacenter %d: more than %d tokens in the ring", "datacenter %d: %d nodes", "finding the Jolokia agent in %s: %d files (%v)",
	} {
		fine[s] = true
	}
	sources(t, func(path string, files *token.FileSet, f *ast.File) {
		if strings.Contains(path, "/stress/") {
			return // sums that do not add up, told to whoever wrote them
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			value := strings.Trim(lit.Value, "\"`")
			if at := counted.FindStringIndex(value); at != nil && !fine[value] && !strings.HasSuffix(value[:at[0]], "of ") && !strings.Contains(value, "has addresses for") {
				t.Errorf("%s: %s", files.Position(n.Pos()), lit.Value)
			}
			return true
		})
	})
}
