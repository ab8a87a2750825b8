package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// providers are the names that nothing but the table of providers may ask for, and
// the fields of an inventory, a plan or a spec that tell one by being nil.
var (
	providers      = []string{"local", "hosts", "ec2", "ccm", "containers", "attached"}
	providerFields = []string{"Local", "EC2", "Remote", "CCM", "Containers", "Attached"}
)

// Asks lists where the source tree asks which provider a cluster is of: a comparison
// with a provider's name, a case of one, or a comparison of a provider's field with
// nil. Packages in allowed, and what is below them, may. Tests may, too.
func Asks(tree fs.FS, allowed []string) ([]string, error) {
	packages, err := load(tree)
	if err != nil {
		return nil, err
	}
	var bad []string
	for name, files := range packages {
		if slices.ContainsFunc(allowed, func(a string) bool { return within(a, name) }) {
			continue
		}
		for _, s := range files {
			if !s.test {
				bad = append(bad, asks(s)...)
			}
		}
	}
	slices.Sort(bad)
	return bad, nil
}

func asks(s source) []string {
	var bad []string
	note := func(what string) {
		bad = append(bad, fmt.Sprintf("%s asks which provider it is: %s", s.name, what))
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if n.Op != token.EQL && n.Op != token.NEQ {
				return true
			}
			for _, side := range [][2]ast.Expr{{n.X, n.Y}, {n.Y, n.X}} {
				if field := selected(side[0]); slices.Contains(providerFields, field) && isNil(side[1]) {
					note(field + " held against nil")
				} else if name, ok := providerName(side[1]); ok && strings.EqualFold(field, "provider") {
					note("held against " + name)
				}
			}
		case *ast.SwitchStmt:
			if n.Tag == nil || !strings.EqualFold(selected(n.Tag), "provider") {
				return true
			}
			for _, c := range n.Body.List {
				for _, e := range c.(*ast.CaseClause).List {
					if name, ok := providerName(e); ok {
						note("case " + name)
					}
				}
			}
		}
		return true
	})
	return bad
}

// selected is the last name of an expression: of x.y.Z it is Z.
func selected(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return ""
}

func isNil(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "nil"
}

func providerName(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	name, err := strconv.Unquote(lit.Value)
	return name, err == nil && slices.Contains(providers, name)
}
