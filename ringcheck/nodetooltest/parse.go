// Package nodetooltest reads what nodetool's ring and status print, 1.2 to 5.0,
// so that tests can hold it against what crossring says, field by field.
package nodetooltest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// RingRow is one line of "nodetool ring": a token and its node.
type RingRow struct {
	Datacenter string
	Address    string
	Rack       string
	Status     string // Up, Down or ?
	State      string // Normal, Joining, Leaving, Moving
	Load       string // "35.66 KB", or ?
	Owns       string // "100.00%", or ?
	Token      string
}

// StatusRow is one line of "nodetool status": a node.
type StatusRow struct {
	Datacenter string
	Status     string // U, D or ?
	State      string // N, L, J or M
	Address    string
	Load       string
	Tokens     string // how many; "" where the token itself is shown
	Owns       string
	Effective  bool // Owns is a keyspace's
	HostID     string
	Token      string // "" where the number of tokens is shown
	Rack       string
}

// errNoTable says that a text has no datacenter in it.
var errNoTable = errors.New("no datacenter in it")

// datacenter takes the name out of a line that opens a table.
func datacenter(line string) (string, bool) { return strings.CutPrefix(line, "Datacenter: ") }

// ParseRing reads the output of "nodetool ring". Notes and warnings are passed over.
func ParseRing(out []byte) ([]RingRow, error) {
	var rows []RingRow
	dc, tables, inTable := "", 0, false
	for i, line := range strings.Split(string(out), "\n") {
		line = strings.TrimRight(line, " \r")
		if name, ok := datacenter(strings.TrimLeft(line, " ")); ok {
			dc, inTable = name, false
			tables++
			continue
		}
		fields := strings.Fields(line)
		switch {
		case tables == 0 || len(fields) == 0:
			continue
		case fields[0] == "Address":
			inTable = true
			continue
		case !inTable || len(fields) == 1: // the last token, above its table
			continue
		case strings.HasPrefix(line, " "): // a note or a warning
			inTable = false
			continue
		}
		row, err := ringRow(fields)
		if err != nil {
			return nil, fmt.Errorf("reading nodetool ring, line %d: %w", i+1, err)
		}
		row.Datacenter = dc
		rows = append(rows, row)
	}
	if tables == 0 {
		return nil, fmt.Errorf("reading nodetool ring: %w", errNoTable)
	}
	return rows, nil
}

func ringRow(fields []string) (RingRow, error) {
	// Racks may have spaces and may be empty: status and state are the fixed point.
	for i := 1; i+4 < len(fields); i++ {
		if !slices.Contains([]string{"Up", "Down", "?"}, fields[i]) ||
			!slices.Contains([]string{"Normal", "Joining", "Leaving", "Moving"}, fields[i+1]) {
			continue
		}
		last := len(fields) - 1
		return RingRow{
			Address: fields[0], Rack: strings.Join(fields[1:i], " "), Status: fields[i], State: fields[i+1],
			Load: strings.Join(fields[i+2:last-1], " "), Owns: fields[last-1], Token: fields[last],
		}, nil
	}
	return RingRow{}, fmt.Errorf("no node in %q", strings.Join(fields, " "))
}

// ParseStatus reads the output of "nodetool status". Notes are passed over.
func ParseStatus(out []byte) ([]StatusRow, error) {
	var rows []StatusRow
	dc, tables := "", 0
	effective, counted, inTable := false, false, false
	for i, line := range strings.Split(string(out), "\n") {
		// nodetool ring ends without a line break, so a table may start indented.
		if name, ok := datacenter(strings.TrimSpace(line)); ok {
			dc, inTable = name, false
			tables++
			continue
		}
		fields := strings.Fields(line)
		switch {
		case tables == 0 || len(fields) == 0:
			continue
		case fields[0] == "--":
			inTable = true
			effective = strings.Contains(line, "Owns (effective)")
			counted = slices.Contains(fields, "Tokens")
			continue
		case !inTable:
			continue
		case strings.HasPrefix(line, "Note:"):
			inTable = false
			continue
		}
		row, err := statusRow(fields, counted)
		if err != nil {
			return nil, fmt.Errorf("reading nodetool status, line %d: %w", i+1, err)
		}
		row.Datacenter, row.Effective = dc, effective
		rows = append(rows, row)
	}
	if tables == 0 {
		return nil, fmt.Errorf("reading nodetool status: %w", errNoTable)
	}
	return rows, nil
}

func statusRow(fields []string, counted bool) (StatusRow, error) {
	bad := fmt.Errorf("no node in %q", strings.Join(fields, " "))
	state := fields[0]
	if len(state) != 2 || !strings.Contains("UD?", state[:1]) || !strings.Contains("NLJM", state[1:]) || len(fields) < 3 {
		return StatusRow{}, bad
	}
	row := StatusRow{Status: state[:1], State: state[1:], Address: fields[1], Load: fields[2]}
	rest := fields[3:]
	if row.Load != "?" && len(rest) > 0 {
		row.Load += " " + rest[0]
		rest = rest[1:]
	}
	columns := []*string{&row.Owns, &row.HostID, &row.Token}
	if counted {
		columns = []*string{&row.Tokens, &row.Owns, &row.HostID}
	}
	if len(rest) < len(columns) {
		return StatusRow{}, bad
	}
	for i, c := range columns {
		*c = rest[i]
	}
	row.Rack = strings.Join(rest[len(columns):], " ")
	return row, nil
}
