package plain

import "strings"

// Cell is a text that others wrote as a cell of a table in Markdown, or in a line of it: on one
// line, and without what would be markup there.
func Cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "`", "'").Replace(Line(strings.ReplaceAll(s, "\n", "; ")))
}
