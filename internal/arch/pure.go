package arch

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strconv"
)

// impureImports reach out of the process, or answer differently each time; a
// whole tree of packages each.
var impureImports = []string{"os", "net", "syscall", "io/ioutil", "crypto/rand", "math/rand", "log", "plugin", "unsafe", "C"}

// harmless are the exceptions: names only.
var harmless = []string{"net/netip", "net/url"}

// impureNames are what a pure package may not use of packages that are mostly
// harmless: the clock, the time zone of the machine, the file system.
var impureNames = map[string][]string{
	"time":          {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Local", "LoadLocation"},
	"path/filepath": {"Abs", "Glob", "Walk", "WalkDir", "EvalSymlinks"},
	"text/template": {"ParseFiles", "ParseGlob"},
	"html/template": {"ParseFiles", "ParseGlob"},
}

// impure lists what a file of a pure package does that it may not.
func impure(s source) []string {
	var bad []string
	names := map[string]string{} // local name of an import: its path
	for _, spec := range s.file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // said by the import check
		}
		if !slices.Contains(harmless, imported) && slices.ContainsFunc(impureImports, func(p string) bool { return within(p, imported) }) {
			bad = append(bad, fmt.Sprintf("%s is in a pure package and imports %s", s.name, imported))
		}
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == "." {
			bad = append(bad, fmt.Sprintf("%s is in a pure package and imports %s with a dot, so its use can't be seen", s.name, imported))
		}
		names[name] = imported
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(impureNames[names[x.Name]], sel.Sel.Name) {
			bad = append(bad, fmt.Sprintf("%s is in a pure package and uses %s.%s", s.name, x.Name, sel.Sel.Name))
		}
		return true
	})
	return bad
}
