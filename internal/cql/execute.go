package cql

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/gocql/gocql"
)

// Table is the answer to a statement: its columns, and its rows as text.
type Table struct {
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

// Execute runs one statement, as it is, on any coordinator of the session.
func Execute(ctx context.Context, s *gocql.Session, statement string) (Table, error) {
	t := Table{Columns: []string{}, Rows: [][]string{}}
	iter := s.Query(statement).WithContext(ctx).Iter()
	columns := iter.Columns()
	for _, c := range columns {
		t.Columns = append(t.Columns, c.Name)
	}
	for {
		row := map[string]any{}
		if !iter.MapScan(row) {
			break
		}
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = cell(row[c.Name])
		}
		t.Rows = append(t.Rows, cells)
	}
	if err := iter.Close(); err != nil {
		return t, fmt.Errorf("executing %q: %w", statement, err)
	}
	return t, nil
}

// cell is a value as cqlsh shows it, near enough.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case []byte:
		return "0x" + hex.EncodeToString(v)
	case fmt.Stringer:
		return v.String()
	}
	return fmt.Sprint(v)
}

// Split takes statements apart at their semicolons, those inside quotes and
// comments excepted. Empty statements are left out.
func Split(text string) []string {
	var all []string
	start, i := 0, 0
	flush := func(end int) {
		if s := strings.TrimSpace(text[start:end]); s != "" {
			all = append(all, s)
		}
	}
	skipTo := func(end string, from int) int {
		if j := strings.Index(text[from:], end); j >= 0 {
			return from + j + len(end)
		}
		return len(text)
	}
	for i < len(text) {
		rest := text[i:]
		switch {
		case rest[0] == '\'' || rest[0] == '"':
			i = skipTo(rest[:1], i+1)
		case strings.HasPrefix(rest, "$$"):
			i = skipTo("$$", i+2)
		case strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "//"):
			i = skipTo("\n", i)
		case strings.HasPrefix(rest, "/*"):
			i = skipTo("*/", i+2)
		case rest[0] == ';':
			flush(i)
			i++
			start = i
		default:
			i++
		}
	}
	flush(len(text))
	return all
}
