package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"crossring/internal/cli/app"
	"crossring/internal/cli/line"
	"crossring/internal/spec"

	"github.com/urfave/cli/v2"
)

const top = "../.."

// pages reads the documentation, by path below the top of the source tree.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names := []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md"}
	docs, err := filepath.Glob(filepath.Join(top, "docs", "*.md"))
	if err != nil || len(docs) == 0 {
		t.Fatalf("no pages in docs: %v", err)
	}
	for _, d := range docs {
		names = append(names, filepath.Join("docs", filepath.Base(d)))
	}
	text := map[string]string{}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(top, name))
		if err != nil {
			t.Fatal(err)
		}
		text[name] = string(data)
	}
	return text
}

// codeBlock is the code of a page: fenced or indented by four spaces.
type codeBlock struct {
	line  int // of its first line of code, from 1
	lines []string
}

func codeBlocks(page string) []codeBlock {
	var all []codeBlock
	var now *codeBlock
	fenced := false
	for i, line := range strings.Split(page, "\n") {
		code := fenced
		switch {
		case strings.HasPrefix(line, "```"):
			fenced, code = !fenced, false
		case !fenced && strings.HasPrefix(line, "    "):
			code, line = true, line[4:]
		}
		switch {
		case !code:
			now = nil
		case now == nil:
			all = append(all, codeBlock{line: i + 1})
			now = &all[len(all)-1]
			fallthrough
		default:
			now.lines = append(now.lines, line)
		}
	}
	return all
}

// commandLines finds what is typed to crossring in a line of a shell, and takes it
// apart into arguments: enough of the shell's grammar for documentation.
func commandLines(line string) ([][]string, error) {
	var all [][]string
	var words []string
	var word strings.Builder
	inWord := false
	endWord := func() {
		if inWord {
			words = append(words, word.String())
		}
		word.Reset()
		inWord = false
	}
	endCommand := func() {
		endWord()
		for len(words) > 0 && (words[0] == "$" || strings.Contains(words[0], "=")) { // a prompt, or a variable for this command
			words = words[1:]
		}
		if len(words) > 0 && (words[0] == "crossring" || words[0] == "bin/crossring") {
			all = append(all, words[1:])
		}
		words = nil
	}
	runes := []rune(line)
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case r == '\'' || r == '"':
			end := slices.Index(runes[i+1:], r)
			if end < 0 {
				return nil, fmt.Errorf("a quote is not closed in %q", line)
			}
			word.WriteString(string(runes[i+1 : i+1+end]))
			inWord, i = true, i+1+end
		case r == '#' && !inWord:
			i = len(runes)
		case r == ' ':
			endWord()
		case strings.ContainsRune("|&;", r):
			endCommand()
		case r == '>' || r == '<':
			if s := word.String(); s == "2" || s == "1" {
				inWord = false
				word.Reset()
			}
			endCommand()
			words = []string{"into"} // a file's name, no command's
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	endCommand()
	return all, nil
}

func TestCommandLines(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"crossring ls", `[["ls"]]`},
		{"$ crossring ls -o json | jq . && crossring down lab &", `[["ls" "-o" "json"] ["down" "lab"]]`},
		{`CROSSRING_STATE=/s crossring cql lab:1 "SELECT a; b" > out.txt  # all`, `[["cql" "lab:1" "SELECT a; b"]]`},
		{"crossring ls 2> err", `[["ls"]]`},
		{"crossring: error: no", `[]`},
		{"cat crossring ls", `[]`},
	} {
		got, err := commandLines(tt.line)
		if err != nil || fmt.Sprintf("%q", got) != tt.want {
			t.Errorf("%s: got %q, %v, want %s", tt.line, got, err, tt.want)
		}
	}
	if _, err := commandLines(`crossring cql lab "SELECT`); err == nil {
		t.Error("a quote that is not closed is taken")
	}
}

// parsed reads a command line as Main does, and does nothing.
func parsed(args []string) error {
	e := &app.Env{Stderr: app.NewScreen(os.Stderr, false, nil)}
	commands := commands(e)
	var disarm func([]*cli.Command)
	disarm = func(commands []*cli.Command) {
		for _, c := range commands {
			if c.Action != nil {
				c.Action = func(*cli.Context) error { return nil }
			}
			disarm(c.Subcommands)
		}
	}
	disarm(commands)
	tree := e.App(commands)
	ordered, err := line.Reorder(line.Grammar(tree), args)
	if err != nil {
		return err
	}
	return tree.Run(append([]string{tree.Name}, ordered...))
}

func TestDocumentedCommandsParse(t *testing.T) {
	if parsed([]string{"up", "-f", "x", "--rows", "5"}) == nil || parsed([]string{"demo", "--rows", "many"}) == nil || parsed([]string{"down"}) == nil {
		t.Fatal("anything parses")
	}
	for name, page := range pages(t) {
		found := 0
		for _, b := range codeBlocks(page) {
			for i, line := range b.lines {
				commands, err := commandLines(strings.TrimSpace(line))
				if err != nil && strings.Contains(line, "crossring ") {
					t.Errorf("%s:%d: %v", name, b.line+i, err)
				}
				for _, args := range commands {
					found++
					if err := parsed(args); err != nil {
						t.Errorf("%s:%d: crossring %s: %v", name, b.line+i, strings.Join(args, " "), err)
					}
				}
			}
		}
		if found == 0 && (name == "README.md" || name == filepath.Join("docs", "tutorial.md")) {
			t.Errorf("%s: no commands found", name)
		}
	}
}

func isName(line string) bool { return strings.HasPrefix(line, "name:") }

// TestDocumentedSpecs reads every cluster.yaml that a page shows whole.
func TestDocumentedSpecs(t *testing.T) {
	found := 0
	for name, page := range pages(t) {
		for _, b := range codeBlocks(page) {
			lines := b.lines
			if strings.HasPrefix(lines[0], "cat > ") { // a here-document
				lines = lines[1:]
				if end := slices.Index(lines, "EOF"); end >= 0 {
					lines = lines[:end]
				}
			}
			// An inventory file has a version, too, and names no cluster.
			if len(lines) == 0 || !strings.HasPrefix(lines[0], "version:") || !slices.ContainsFunc(lines, isName) {
				continue
			}
			found++
			if _, err := spec.Parse(fmt.Sprintf("%s:%d", name, b.line), []byte(strings.Join(lines, "\n"))); err != nil {
				t.Error(err)
			}
		}
	}
	if found < 2 {
		t.Errorf("%d specs found", found)
	}
}

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	notInTag = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// anchors are the fragments that a page's headings can be linked by.
func anchors(page string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		tag := notInTag.ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(tag, " ", "-"))
	}
	return all
}

func TestDocumentedLinks(t *testing.T) {
	found := 0
	for name, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			found++
			file, fragment, _ := strings.Cut(m[1], "#")
			path := filepath.Join(filepath.Dir(name), file)
			if file == "" {
				path = name
			}
			data, err := os.ReadFile(filepath.Join(top, path))
			if info, statErr := os.Stat(filepath.Join(top, path)); statErr == nil && info.IsDir() {
				err = nil
			}
			if err != nil {
				t.Errorf("%s: link %s: %v", name, m[1], err)
			} else if fragment != "" && !slices.Contains(anchors(string(data)), fragment) {
				t.Errorf("%s: link %s: no such heading; there are %q", name, m[1], anchors(string(data)))
			}
		}
	}
	if found == 0 {
		t.Error("no links found")
	}
}

// TestReadmeIsShort: it is what a newcomer reads in two minutes; details have pages of their own.
func TestReadmeIsShort(t *testing.T) {
	const most = 150
	if n := strings.Count(pages(t)["README.md"], "\n"); n > most {
		t.Errorf("README.md has %d lines, more than %d: what is a detail has a page in docs", n, most)
	}
}

// TestDocumentedExitCodes holds the table of docs/using.md against the one that
// decides.
func TestDocumentedExitCodes(t *testing.T) {
	var want []string
	for _, row := range app.ExitRows() {
		want = append(want, fmt.Sprintf("| %d | %s | %s |", row.Code, row.Name, row.Meaning))
	}
	if page := pages(t)[filepath.Join("docs", "using.md")]; !strings.Contains(page, strings.Join(want, "\n")+"\n") {
		t.Errorf("docs/using.md has another table of exit codes than:\n%s", strings.Join(want, "\n"))
	}
}
