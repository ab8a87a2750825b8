package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"

	"crossring/internal/many"
	"crossring/internal/plain"
)

// Problem is one thing that is wrong with a spec.
type Problem struct {
	File    string // as given to Parse; empty when the spec is of no file
	Line    int    // from 1; 0 when it is not known
	Path    string // of the key: regions[1].nodes; empty for the file as a whole
	Message string
}

// Error is the problem in one line: file:line: path: message.
func (p *Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Hint is the command to type: whoever has the file open puts it right. Standard input
// is no file.
func (p *Problem) Hint() string {
	if p.File == "" || p.File == StandardInput {
		return ""
	}
	return "$EDITOR " + plain.Word(p.File)
}

// StandardInput is the name of the file that is none.
const StandardInput = "standard input"

// Problems lists the problems in an error that Parse, Validate or Join returned.
func Problems(err error) []*Problem {
	var several *multierror.Error
	if errors.As(err, &several) {
		var list []*Problem
		for _, e := range several.Errors {
			list = append(list, Problems(e)...)
		}
		return list
	}
	var one *Problem
	if errors.As(err, &one) {
		return []*Problem{one}
	}
	return nil
}

// Join makes one error of the problems, a line each, in the order of their lines;
// nil when there are none.
func Join(problems []*Problem) error {
	sorted := slices.Clone(problems)
	slices.SortStableFunc(sorted, func(a, b *Problem) int { return a.Line - b.Line })
	all := make([]error, len(sorted))
	for i, p := range sorted {
		all[i] = p
	}
	return many.Join(all...)
}

// source remembers where each key of a file stands.
type source struct {
	file  string
	lines map[string]int // by path; "" is the first line of content
}

// line is where path stands, or, when the file does not have it, the nearest
// thing around it.
func (src *source) line(path string) int {
	for {
		if n, ok := src.lines[path]; ok {
			return n
		}
		if path == "" {
			return 0
		}
		path = parent(path)
	}
}

// parent cuts the last key or index off a path.
func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

// Problem makes a problem of the key at path, with the line if the spec was read
// from a file.
func (s Spec) Problem(path, format string, args ...any) *Problem {
	p := &Problem{Path: path, Message: fmt.Sprintf(format, args...)}
	if s.source != nil {
		p.File, p.Line = s.source.file, s.source.line(path)
	}
	return p
}
