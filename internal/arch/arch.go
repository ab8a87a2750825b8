// Package arch holds the source tree to its own description: the import table
// in docs/architecture.md, and what a pure package may not touch. Its test is
// what runs it.
package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Row is one line of the import table.
type Row struct {
	Package string // path below the module, "." for the top
	Pure    bool
	Open    bool     // every package may import it
	All     bool     // may import every package of ours, but
	But     []string // these
	Ours    []string
	Outside []string // import path prefixes, on top of the standard library
	OneFile []string // those of Outside that only one file may import
}

// tableHead is the line that the table begins with.
const tableHead = "| package | may import of ours | may import from outside |"

var quoted = regexp.MustCompile("`([^`]+)`( \\(one file\\))?")

// ParseTable reads the import table out of a markdown page. Cells hold names in
// backticks; "all" or "all but" before them stands for everything of ours. "open"
// beside a package's name says that every package may import it.
func ParseTable(page string) ([]Row, error) {
	_, table, found := strings.Cut(page, tableHead+"\n")
	if !found {
		return nil, fmt.Errorf("no table that begins with %q", tableHead)
	}
	var rows []Row
	seen := map[string]bool{}
	for _, line := range strings.Split(table, "\n")[1:] { // after the ruler
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(line, "| "), "|")
		if len(cells) != 3 {
			return nil, fmt.Errorf("import table: %d cells in %q", len(cells), line)
		}
		name := quoted.FindStringSubmatch(cells[0])
		if name == nil {
			return nil, fmt.Errorf("import table: no package in %q", line)
		}
		row := Row{Package: name[1], Pure: strings.Contains(cells[0], ", pure"), Open: strings.Contains(cells[0], ", open")}
		if row.Package == "main.go" {
			row.Package = "."
		}
		if seen[row.Package] {
			return nil, fmt.Errorf("import table: two rows for %s", row.Package)
		}
		seen[row.Package] = true
		ours := strings.TrimSpace(cells[1])
		row.All = strings.HasPrefix(ours, "all")
		for _, m := range quoted.FindAllStringSubmatch(ours, -1) {
			if row.All {
				row.But = append(row.But, m[1])
			} else {
				row.Ours = append(row.Ours, m[1])
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[2], -1) {
			row.Outside = append(row.Outside, m[1])
			if m[2] != "" {
				row.OneFile = append(row.OneFile, m[1])
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// source is one Go file of a package.
type source struct {
	name string // path below the module
	test bool
	file *ast.File
}

// Check compares a source tree with its table and returns what does not fit,
// one sentence each, sorted. What tests import from outside is their own
// affair; what they import of ours is not, but for the packages made for tests,
// whose names end in test. A package of tests alone needs no row. A grant that
// nothing uses is one too many: it would let something in that nobody decided.
func Check(tree fs.FS, module string, rows []Row) ([]string, error) {
	packages, err := load(tree)
	if err != nil {
		return nil, err
	}
	var bad []string
	byName := map[string]Row{}
	var open []string
	for _, row := range rows {
		byName[row.Package] = row
		if row.Open {
			open = append(open, row.Package)
		}
		if packages[row.Package] == nil {
			bad = append(bad, fmt.Sprintf("%s has a row in the table and no Go files", row.Package))
		}
	}
	for name, files := range packages {
		row, ok := byName[name]
		if !ok {
			if slices.ContainsFunc(files, func(s source) bool { return !s.test }) {
				bad = append(bad, fmt.Sprintf("%s has no row in the table", name))
			}
			continue
		}
		bad = append(bad, row.check(module, open, files)...)
	}
	slices.Sort(bad)
	return bad, nil
}

// load parses every Go file below the top, by package directory.
func load(tree fs.FS) (map[string][]source, error) {
	packages := map[string][]source{}
	err := fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(p)
		if d.IsDir() {
			if p != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") {
			return nil
		}
		text, err := fs.ReadFile(tree, p)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), p, text, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		dir := path.Dir(p)
		packages[dir] = append(packages[dir], source{name: p, test: strings.HasSuffix(base, "_test.go"), file: file})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the source tree: %w", err)
	}
	return packages, nil
}

func (row Row) check(module string, open []string, files []source) []string {
	var bad []string
	users := map[string][]string{} // by prefix of OneFile
	used := map[string]bool{}      // grants
	for _, s := range files {
		for _, spec := range s.file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				bad = append(bad, fmt.Sprintf("%s: import %s: %v", s.name, spec.Path.Value, err))
				continue
			}
			if ours, ok := below(module, imported); ok {
				helper := s.test && strings.HasSuffix(ours, "test")
				used[ours] = true
				if !helper && !slices.Contains(open, ours) && !row.mayImport(ours) {
					bad = append(bad, fmt.Sprintf("%s imports our %s, and its row does not say so", s.name, ours))
				}
				continue
			}
			// The standard library has no dot in its first element.
			first, _, _ := strings.Cut(imported, "/")
			if !strings.Contains(first, ".") {
				continue
			}
			i := slices.IndexFunc(row.Outside, func(prefix string) bool { return within(prefix, imported) })
			if i >= 0 {
				used[row.Outside[i]] = true
			}
			if s.test {
				continue
			}
			if i < 0 {
				bad = append(bad, fmt.Sprintf("%s imports %s, and its row does not say so", s.name, imported))
			} else if prefix := row.Outside[i]; slices.Contains(row.OneFile, prefix) {
				users[prefix] = append(users[prefix], s.name)
			}
		}
		if row.Pure && !s.test {
			bad = append(bad, impure(s)...)
		}
	}
	for _, grant := range slices.Concat(row.Ours, row.Outside) {
		if !used[grant] {
			bad = append(bad, fmt.Sprintf("%s may import %s by its row, and does not", row.Package, grant))
		}
	}
	for prefix, names := range users {
		if len(names) > 1 {
			bad = append(bad, fmt.Sprintf("%s is for one file of %s; imported by %s", prefix, row.Package, strings.Join(names, ", ")))
		}
	}
	return bad
}

// mayImport: a package's own tests may import it, whatever its row says.
func (row Row) mayImport(ours string) bool {
	if ours == row.Package {
		return true
	}
	if row.All {
		return !slices.Contains(row.But, ours)
	}
	return slices.Contains(row.Ours, ours)
}

// below turns an import path into a path below the module.
func below(module, imported string) (string, bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

func within(prefix, imported string) bool {
	return imported == prefix || strings.HasPrefix(imported, prefix+"/")
}
