package cli

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"crossring/internal/cli/app"
)

// unknown stands for a part of a text that is known only when it is printed: in a command,
// a name.
const unknown = "X"

// verbOf is one of fmt's, with its flags.
var verbOf = regexp.MustCompile(`%[-+# 0]*[0-9.]*[a-zA-Z]`)

// textOf is what an expression comes to when it is printed. ok is false for one that has no
// text of the program's own.
func textOf(e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return unknown, false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.ParenExpr:
		return textOf(e.X)
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return unknown, false
		}
		a, okA := textOf(e.X)
		b, okB := textOf(e.Y)
		return a + b, okA || okB
	case *ast.CallExpr:
		fun, isSelector := e.Fun.(*ast.SelectorExpr)
		if !isSelector {
			return unknown, false
		}
		switch fun.Sel.Name {
		case "Sprintf", "Errorf":
			if len(e.Args) > 0 {
				format, ok := textOf(e.Args[0])
				return verbOf.ReplaceAllString(strings.ReplaceAll(format, "%%", " "), unknown), ok
			}
		case "Command":
			words := wordsOf(e.Args)
			if len(words) > 0 && words[0] != "crossring" {
				words = slices.Insert(words, 0, "crossring") // World.Command
			}
			return strings.Join(words, " "), len(words) > 0
		}
	}
	return unknown, false
}

// several stands for words whose number is known only when they are printed.
const several = "X..."

// wordsOf are the words of a command that is put together from a list.
func wordsOf(args []ast.Expr) []string {
	var words []string
	for _, a := range args {
		switch a := a.(type) {
		case *ast.CompositeLit:
			words = append(words, wordsOf(a.Elts)...)
		case *ast.CallExpr:
			if f, ok := a.Fun.(*ast.Ident); ok && f.Name == "append" {
				words = append(words, wordsOf(a.Args)...)
				continue
			}
			words = append(words, several)
		default:
			text, _ := textOf(a)
			words = append(words, text)
		}
	}
	return words
}

// shownCommand is a command in a text, up to where the text goes on. "by crossring fault"
// names a verb, and is no command to type.
var shownCommand = regexp.MustCompile(`(?:^|[^a-z-])(by |as )?crossring ([a-z][^#;&,()\n]*)`)

// commandsIn finds the commands in a text that begin with a verb of the program's.
func commandsIn(text string, verbs []string) (all [][]string) {
	for _, m := range shownCommand.FindAllStringSubmatch(text, -1) {
		shown, err := commandLines("crossring " + strings.TrimRight(m[2], ". "))
		if err == nil && m[1] != "by " && len(shown) == 1 && slices.Contains(verbs, shown[0][0]) {
			all = append(all, shown[0])
		}
	}
	return all
}

// Every command that the program prints for somebody to type, in a hint, a line or what is to
// be done, is one that it takes: the verb is there, its flags are, and no argument is missing.
func TestPrintedCommandsAreTaken(t *testing.T) {
	var verbs []string
	for _, c := range commands(&app.Env{}) {
		verbs = append(verbs, c.Name)
	}
	help := []string{"Usage", "ArgsUsage", "Description", "UsageText", "Category", "Name"}
	found := 0
	sources(t, func(path string, files *token.FileSet, f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			if kv, ok := n.(*ast.KeyValueExpr); ok {
				if key, ok := kv.Key.(*ast.Ident); ok && slices.Contains(help, key.Name) && strings.Contains(path, "/cli/") {
					return false // help is read before there is a cluster
				}
			}
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			text, ok := textOf(e)
			if !ok {
				return true
			}
			for _, args := range commandsIn(text, verbs) {
				found++
				err := parsed(args)
				for n := 2; err != nil && n < 5 && slices.Contains(args, several); n++ {
					at := slices.Index(args, several)
					err = parsed(slices.Replace(slices.Clone(args), at, at+1, slices.Repeat([]string{unknown}, n)...))
				}
				if err != nil {
					t.Errorf("%s: crossring %s: %v", files.Position(e.Pos()), strings.Join(args, " "), err)
				}
			}
			return false
		})
	})
	if found < 100 {
		t.Errorf("%d commands in all of the program: the test looks for them in vain", found)
	}
}

// A path in a hint may have a blank in it, or a quote: it is there as one word of the shell.
func TestPathsInHintsAreWords(t *testing.T) {
	isPath := regexp.MustCompile(`(?i)(dir|path|file|home)$`)
	found := 0
	sources(t, func(path string, files *token.FileSet, f *ast.File) {
		check := func(n ast.Node) {
			ast.Inspect(n, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if s, ok := n.Fun.(*ast.SelectorExpr); ok && (s.Sel.Name == "Word" || s.Sel.Name == "Command") {
						found++
						return false
					}
					if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Sprintf" {
						for _, a := range n.Args[1:] {
							if s, ok := a.(*ast.SelectorExpr); ok && isPath.MatchString(s.Sel.Name) {
								t.Errorf("%s: %s stands in a hint as it is: plain.Word quotes", files.Position(a.Pos()), s.Sel.Name)
							}
						}
					}
				case *ast.BinaryExpr:
					if n.Op != token.ADD {
						return true
					}
					for _, e := range []ast.Expr{n.X, n.Y} {
						name := ""
						switch e := e.(type) {
						case *ast.Ident:
							name = e.Name
						case *ast.SelectorExpr:
							name = e.Sel.Name
						}
						if isPath.MatchString(name) {
							t.Errorf("%s: %s stands in a hint as it is: plain.Word quotes", files.Position(e.Pos()), name)
						}
					}
				}
				return true
			})
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if strings.HasSuffix(n.Name.Name, "Hint") && n.Body != nil {
					check(n.Body)
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && (key.Name == "Hint" || key.Name == "Fix") {
					check(n.Value)
				}
			}
			return true
		})
	})
	if found < 10 {
		t.Errorf("%d quoted words in all of the program's hints: the test looks for them in vain", found)
	}
}
