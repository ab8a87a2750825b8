package clustercli

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"crossring/internal/cli/app"
	"crossring/internal/cql"
	"crossring/internal/plain"
	"crossring/internal/topology"
)

// jsonRows writes the document of cql while the rows come.
type jsonRows struct {
	out     *bufio.Writer
	begun   bool // the node is written
	tables  int
	rows    int // of the table at hand
	current bool
}

// Started says whether anything has been written; until then there may be another document.
func (j *jsonRows) Started() bool { return j.begun }

// Node begins the document.
func (j *jsonRows) Node(name string) error {
	node, err := app.Marshal(name)
	if err != nil {
		return err
	}
	j.begun = true
	_, err = fmt.Fprintf(j.out, "{\n  \"schema\": %q,\n  \"node\": %s,\n  \"results\": [", topology.Schema, node)
	return err
}

// Columns begins a table.
func (j *jsonRows) Columns(names []string) error {
	if names == nil {
		names = []string{}
	}
	columns, err := app.Marshal(names)
	if err != nil {
		return err
	}
	before := ""
	if j.endTable(); j.tables > 0 {
		before = ","
	}
	j.tables, j.rows, j.current = j.tables+1, 0, true
	_, err = fmt.Fprintf(j.out, "%s\n    {\n      \"columns\": %s,\n      \"rows\": [", before, columns)
	return err
}

// Row adds a row.
func (j *jsonRows) Row(values []any) error {
	row, err := app.Marshal(values)
	if err != nil {
		return err
	}
	before := "\n        "
	if j.rows > 0 {
		before = ",\n        "
	}
	j.rows++
	j.out.WriteString(before)
	_, err = j.out.Write(row)
	return err
}

func (j *jsonRows) endTable() {
	if j.current {
		j.end(j.rows, "      ]\n    }")
	}
	j.current = false
}

// end closes a list of n things: an empty one on the line that it began on.
func (j *jsonRows) end(n int, closing string) {
	if n > 0 {
		j.out.WriteString("\n")
	} else {
		closing = strings.TrimLeft(closing, " ")
	}
	j.out.WriteString(closing)
}

// Finish ends the document, with the error if there was one.
func (j *jsonRows) Finish(err error) error {
	j.endTable()
	j.end(j.tables, "  ]")
	if err != nil {
		object, mErr := app.ErrorJSON(err)
		if mErr != nil {
			return mErr
		}
		fmt.Fprintf(j.out, ",\n  \"error\": %s", object)
	}
	j.out.WriteString("\n}\n")
	return j.out.Flush() // what could not be written before is said here
}

// textRows prints tables while the rows come. Columns are as wide as the widest cell of the
// rows so far, a block at a time.
type textRows struct {
	out    io.Writer
	names  []string
	widths []int
	block  [][]string
	rows   int
}

const rowsOfABlock = 100

// Node begins the document.
func (t *textRows) Node(string) error { return nil }

// Columns begins a table.
func (t *textRows) Columns(names []string) error {
	if err := t.flush(); err != nil {
		return err
	}
	t.names, t.rows, t.widths, t.block = names, 0, make([]int, len(names)), nil
	if len(names) > 0 {
		t.add(names)
	}
	return nil
}

// Row adds a row.
func (t *textRows) Row(values []any) error {
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = cql.Text(v)
	}
	t.rows++
	if t.add(cells); len(t.block) < rowsOfABlock {
		return nil
	}
	return t.print()
}

func (t *textRows) add(cells []string) {
	line := make([]string, len(cells))
	for i, c := range cells {
		line[i] = plain.Line(c)
		t.widths[i] = max(t.widths[i], utf8.RuneCountInString(line[i]))
	}
	t.block = append(t.block, line)
}

func (t *textRows) print() error {
	var b strings.Builder
	for _, cells := range t.block {
		for i, c := range cells {
			if i > 0 {
				b.WriteString(" | ")
			}
			b.WriteString(c)
			if i < len(cells)-1 {
				b.WriteString(strings.Repeat(" ", t.widths[i]-utf8.RuneCountInString(c)))
			}
		}
		b.WriteByte('\n')
	}
	t.block = t.block[:0]
	_, err := io.WriteString(t.out, b.String())
	return err
}

// flush prints what is left of a table, and how many rows it had.
func (t *textRows) flush() error {
	if len(t.names) == 0 {
		return nil
	}
	t.names = nil
	if err := t.print(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.out, "(%s)\n", plain.Count(t.rows, "row"))
	return err
}
