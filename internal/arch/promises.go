package arch

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Promise is a sentence of a page of promises, or a few that belong together, with the
// tests that hold it.
type Promise struct {
	Line  int // of its beginning, from 1
	Text  string
	Tests []TestName
}

// TestName is a test and the package that has it.
type TestName struct {
	Package string // path below the module
	Name    string
}

func (n TestName) String() string { return n.Package + ": " + n.Name }

// NotPromised is the heading of the section whose sentences need no test: they say what
// is not to be expected.
const NotPromised = "## Not promised"

var (
	// A promise ends with a dash and its tests, separated by commas.
	heldBy = regexp.MustCompile("(?s)^(.*\\S)\\s+— ((?:`[^`]*`(?:,\\s+)?)+)$")
	// A row of a table has them in its last cell.
	testCell = regexp.MustCompile("^(?:`[^`]*`(?:,\\s+)?)+$")
	oneTest  = regexp.MustCompile("`([a-z0-9_/]+): ((?:Test|Fuzz)[A-Za-z0-9_]*)`")
	tick     = regexp.MustCompile("`[^`]*`")
	ruler    = regexp.MustCompile(`^\|[-| ]+\|$`)
)

// ParsePromises reads a page of promises. What stands before the first section, and in
// the section NotPromised, says how to read the others. In every other section each
// paragraph, each item of a list and each row of a table is a promise; code is part of
// what it follows. What has no test, or a name that is none, comes as sentences.
func ParsePromises(page string) (promises []Promise, bad []string) {
	seen := map[string]int{}
	for _, b := range blocks(page) {
		text, tests := b.text, ""
		if b.row {
			cells := strings.Split(strings.Trim(text, "| "), "|")
			if last := strings.TrimSpace(cells[len(cells)-1]); testCell.MatchString(last) {
				text, tests = strings.TrimSpace(strings.Join(cells[:len(cells)-1], "|")), last
			}
		} else if m := heldBy.FindStringSubmatch(text); m != nil {
			text, tests = m[1], m[2]
		}
		p := Promise{Line: b.line, Text: text}
		for _, name := range tick.FindAllString(tests, -1) {
			m := oneTest.FindStringSubmatch(name)
			if m == nil {
				bad = append(bad, fmt.Sprintf("line %d: %s is not the name of a test, such as `stress: TestFold`", b.line, name))
				continue
			}
			p.Tests = append(p.Tests, TestName{m[1], m[2]})
		}
		if tests == "" {
			bad = append(bad, fmt.Sprintf("line %d: no test holds %q", b.line, short(text)))
		}
		if before, twice := seen[text]; twice {
			bad = append(bad, fmt.Sprintf("line %d: %q stands in line %d, too", b.line, short(text), before))
		}
		seen[text] = b.line
		promises = append(promises, p)
	}
	if len(promises) == 0 {
		bad = append(bad, "no promise is found on the page")
	}
	return promises, bad
}

func short(text string) string {
	const most = 70
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// block is a paragraph, an item of a list or a row of a table.
type block struct {
	line int
	text string
	row  bool
}

// blocks takes the promising sections of a page apart.
func blocks(page string) []block {
	var all []block
	var now *block
	end := func() {
		if now != nil {
			all = append(all, *now)
		}
		now = nil
	}
	promising, fenced, head := false, false, true
	for i, line := range strings.Split(page, "\n") {
		text := strings.TrimSpace(line)
		if strings.HasPrefix(text, "```") {
			fenced = !fenced
			continue
		}
		isRow := strings.HasPrefix(line, "|")
		switch {
		case fenced, strings.HasPrefix(line, "    "):
			continue // code
		case strings.HasPrefix(line, "## "):
			end()
			promising = line != NotPromised
			continue
		case text == "", strings.HasPrefix(line, "#"):
			end()
			head = true
			continue
		case !promising:
			continue
		case isRow && (head || ruler.MatchString(text)):
			head = false // the names of the columns, or the line below them
			continue
		case isRow:
			end()
			all = append(all, block{line: i + 1, text: text, row: true})
			continue
		case strings.HasPrefix(line, "- "):
			end()
			text = strings.TrimPrefix(text, "- ")
		}
		head = false
		if now == nil {
			now = &block{line: i + 1, text: text}
		} else {
			now.text += " " + text
		}
	}
	end()
	return all
}

// CheckPromises finds the tests of promises in a source tree, and returns what does not
// fit, one sentence each: a test that is not there, that is not built, or that is never
// run. Tests run on Linux, with the build tags named and with the environment variables
// named, whichever of make's targets sets them.
func CheckPromises(tree fs.FS, promises []Promise, tags, variables []string) ([]string, error) {
	packages, err := load(tree)
	if err != nil {
		return nil, err
	}
	var bad []string
	for _, p := range promises {
		for _, test := range p.Tests {
			if why := held(packages[test.Package], test.Name, tags, variables); why != "" {
				bad = append(bad, fmt.Sprintf("line %d: %s %s", p.Line, test, why))
			}
		}
	}
	return bad, nil
}

// held says why a test holds nothing; "" is a test that runs.
func held(files []source, name string, tags, variables []string) string {
	functions := map[string]*ast.FuncDecl{}
	var in source
	for _, s := range files {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				functions[f.Name.Name] = f
				if f.Name.Name == name {
					in = s
				}
			}
		}
	}
	f := functions[name]
	switch {
	case f == nil || !in.test || len(f.Type.Params.List) != 1:
		return "is no test of this tree"
	case !builds(in.file, tags):
		return "is in a file that the tests are not built with"
	}
	return (&runs{functions: functions, variables: variables, seen: map[string]bool{}}).never(f.Body)
}

// builds says whether the constraint of a file, if it has one, holds where tests run.
func builds(file *ast.File, tags []string) bool {
	for _, group := range file.Comments {
		if group.Pos() > file.Package {
			break
		}
		for _, c := range group.List {
			if !constraint.IsGoBuild(c.Text) {
				continue
			}
			x, err := constraint.Parse(c.Text)
			if err != nil || !x.Eval(func(tag string) bool {
				return tag == "linux" || tag == "unix" || strings.HasPrefix(tag, "go1.") || slices.Contains(tags, tag)
			}) {
				return false
			}
		}
	}
	return true
}

// runs looks for tests that are skipped wherever they are run.
type runs struct {
	functions map[string]*ast.FuncDecl
	variables []string
	seen      map[string]bool
}

// never says why what stands in a function's body is never reached. It looks at skips
// that stand there, and in the functions of the package that are called there first.
func (r *runs) never(body *ast.BlockStmt) string {
	for _, stmt := range body.List {
		switch s := stmt.(type) {
		case *ast.ExprStmt, *ast.AssignStmt:
			if isSkip(s) {
				return "is always skipped"
			}
			for _, f := range r.called(s) {
				if why := r.never(f.Body); why != "" {
					return why
				}
			}
		case *ast.IfStmt:
			if !slices.ContainsFunc(s.Body.List, isSkip) {
				continue
			}
			if id, ok := s.Cond.(*ast.Ident); ok && id.Name == "true" {
				return "is always skipped"
			}
			asked := r.asked(s.Cond)
			if s.Init != nil {
				asked = append(asked, r.asked(s.Init)...)
			}
			missing := slices.DeleteFunc(asked, func(name string) bool { return slices.Contains(r.variables, name) })
			if len(missing) > 0 {
				return "runs only with " + strings.Join(missing, ", ") + " set"
			}
		}
	}
	return ""
}

// called lists functions of the package that a statement calls, which were not looked
// at before. What a function without a name calls is not called yet.
func (r *runs) called(n ast.Node) (all []*ast.FuncDecl) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && r.functions[id.Name] != nil && !r.seen[id.Name] {
				r.seen[id.Name] = true
				all = append(all, r.functions[id.Name])
			}
		}
		return true
	})
	return all
}

func isSkip(stmt ast.Stmt) bool {
	s, ok := stmt.(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := s.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	return ok && (f.Sel.Name == "Skip" || f.Sel.Name == "Skipf" || f.Sel.Name == "SkipNow")
}

// asked lists the environment variables that an expression depends on, directly or in
// the functions of the package that it calls.
func (r *runs) asked(n ast.Node) (names []string) {
	for _, f := range r.called(n) {
		names = append(names, r.asked(f.Body)...)
	}
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			return true
		}
		if f, ok := call.Fun.(*ast.SelectorExpr); !ok || f.Sel.Name != "Getenv" && f.Sel.Name != "LookupEnv" {
			return true
		}
		switch arg := call.Args[0].(type) {
		case *ast.BasicLit:
			if name, err := strconv.Unquote(arg.Value); err == nil {
				names = append(names, name)
			}
		case *ast.Ident:
			names = append(names, arg.Name)
		}
		return true
	})
	return names
}
