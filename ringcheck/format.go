package ringcheck

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"crossring/internal/release"
)

// noKeyspace is nodetool's note where ownership is not a keyspace's.
const noKeyspace = "Note: Ownership information does not include topology; for complete information, specify a keyspace"

// legend stands above every table of WriteStatus.
const legend = "Status=Up/Down\n|/ State=Normal/Leaving/Joining/Moving\n"

// WriteRing prints the ring as that version's "nodetool ring" does: one line per
// token, in token order, a table per datacenter, the datacenters by name. Loads
// are those that the nodes themselves tell, or else as last gossiped. A version
// that crossring does not know is printed like the newest.
func WriteRing(w io.Writer, r Ring) error {
	layout := layoutOf(r.Version)
	effective := isEffective(r)
	width, vnodes := 0, false
	for _, dc := range r.Datacenters {
		for _, n := range dc.Nodes {
			long := n.Address
			if layout.AddressPort {
				long = withPort(long)
			}
			width = max(width, len(long))
			vnodes = vnodes || len(n.Tokens) > 1
		}
	}
	var b bytes.Buffer
	if layout.PlainOwns && !effective {
		b.WriteString(noKeyspace + "\n")
	}
	b.WriteString("\n")
	for _, dc := range byName(r.Datacenters) {
		ringTable(&b, dc, layout, width, effective)
	}
	if vnodes {
		b.WriteString("  Warning: \"nodetool ring\" is used to output all the tokens of a node.\n" +
			"  To view status related info of a node use \"nodetool status\" instead.\n\n")
	}
	if !layout.PlainOwns {
		b.WriteString("\n")
		if !effective {
			b.WriteString("  " + noKeyspace + "\n")
		}
	}
	return flush(w, &b, "ring")
}

// tokenRow is a line of the ring table: a token and its node.
type tokenRow struct {
	token string
	node  Node
}

func ringTable(b *bytes.Buffer, dc Datacenter, layout release.NodetoolLayout, width int, effective bool) {
	var rows []tokenRow
	replicas := 0.0
	for _, n := range dc.Nodes {
		for _, t := range n.Tokens {
			rows = append(rows, tokenRow{t, n})
			if n.OwnsEffective != nil {
				replicas += *n.OwnsEffective // of every token, as nodetool does
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b tokenRow) int { return compareTokens(a.token, b.token) })
	// A cell that fills its column has a blank behind it, where nodetool would run it into
	// the next one.
	line := func(cells ...string) {
		for i, at := range []int{width + 2, 12, 7, 8, 16, 20, 44} {
			fmt.Fprintf(b, "%-*s", at, cells[i])
			if i < len(cells)-1 && utf8.RuneCountInString(cells[i]) >= at {
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}

	fmt.Fprintf(b, "Datacenter: %s\n==========\n", dc.Name)
	if layout.Replicas && effective {
		fmt.Fprintf(b, "Replicas: %d\n\n", int(replicas+ownershipSlack))
	}
	line("Address", "Rack", "Status", "State", "Load", "Owns", "Token")
	if len(rows) > 1 {
		line("", "", "", "", "", "", rows[len(rows)-1].token)
	} else {
		b.WriteString("\n")
	}
	for _, row := range rows {
		n := row.node
		line(n.Address, n.Rack, said(n.Status), said(n.State), loadText(n, layout), ownsText(n, layout, effective, 2), row.token)
	}
	b.WriteString("\n")
}

// WriteStatus prints the ring as that version's "nodetool status" does: one line
// per node, a table per datacenter, the datacenters by name, nodes in token order.
func WriteStatus(w io.Writer, r Ring) error {
	layout := layoutOf(r.Version)
	effective := isEffective(r)
	tokens := 0
	for _, dc := range r.Datacenters {
		for _, n := range dc.Nodes {
			tokens += len(n.Tokens)
		}
	}
	// nodetool shows the token itself where a node has one, and how many it has where
	// it has several. What it compares in order to find out are tokens and datacenters.
	single := tokens <= len(r.Datacenters)
	dcs := byName(r.Datacenters)
	tables := make([][][]string, len(dcs))
	for i, dc := range dcs {
		tables[i] = statusTable(dc, layout, effective, single)
	}
	widths := statusWidths(tables, layout, effective, single)

	var b bytes.Buffer
	if layout.PlainOwns && !effective {
		b.WriteString(noKeyspace + "\n")
	}
	for i, dc := range dcs {
		if layout.StatusTable && i > 0 {
			b.WriteString("\n")
		}
		title := "Datacenter: " + dc.Name
		b.WriteString(title + "\n" + strings.Repeat("=", len(title)) + "\n" + legend)
		for _, row := range tables[i] {
			for col, cell := range row {
				fmt.Fprintf(&b, "%-*s", widths[col], cell)
				if col < len(row)-1 {
					b.WriteString("  ")
				}
			}
			b.WriteString("\n")
		}
	}
	if !layout.PlainOwns {
		b.WriteString("\n")
		if !effective {
			b.WriteString(noKeyspace + "\n")
		}
	}
	return flush(w, &b, "status")
}

// statusTable is the header and a row per node.
func statusTable(dc Datacenter, layout release.NodetoolLayout, effective, single bool) [][]string {
	owns := "Owns"
	if effective {
		owns = "Owns (effective)"
	}
	header := []string{"--", "Address", "Load", "Tokens", owns, "Host ID", "Rack"}
	if single {
		header = []string{"--", "Address", "Load", owns, "Host ID", "Token", "Rack"}
	}
	rows := [][]string{header}
	for _, n := range dc.Nodes {
		state := said(n.Status)[:1] + said(n.State)[:1]
		load, share := loadText(n, layout), ownsText(n, layout, effective, 1)
		row := []string{state, n.Address, load, strconv.Itoa(len(n.Tokens)), share, n.HostID, n.Rack}
		if single {
			row = []string{state, n.Address, load, share, n.HostID, firstToken(n), n.Rack}
		}
		rows = append(rows, row)
	}
	return rows
}

// statusWidths are the widths of the columns, the same in all tables: fixed in
// the older series, as wide as the widest cell in the newer ones.
func statusWidths(tables [][][]string, layout release.NodetoolLayout, effective, single bool) []int {
	widest := make([]int, 7)
	for _, rows := range tables {
		for i, row := range rows {
			for col, cell := range row {
				if i > 0 || layout.StatusTable {
					widest[col] = max(widest[col], len(cell))
				}
			}
		}
	}
	if layout.StatusTable {
		return widest
	}
	owns := layout.OwnsColumn
	if effective {
		owns = len("Owns (effective)")
	}
	if single {
		return []int{2, widest[1], 9, owns, 36, 39, 0}
	}
	return []int{2, widest[1], 9, layout.TokensColumn, owns, 36, 0}
}

// layoutOf finds a version's layout: its own, or the newest series'.
func layoutOf(version string) release.NodetoolLayout {
	all := release.All()
	for _, r := range all {
		if version == r.Series || strings.HasPrefix(version, r.Series+".") {
			return r.Layout
		}
	}
	return all[len(all)-1].Layout
}

// withPort is an address with the port that nodetool makes room for.
func withPort(addr string) string {
	if strings.Contains(addr, ":") {
		addr = "[" + addr + "]"
	}
	return addr + ":7000"
}

func byName(dcs []Datacenter) []Datacenter {
	sorted := slices.Clone(dcs)
	slices.SortStableFunc(sorted, func(a, b Datacenter) int { return strings.Compare(a.Name, b.Name) })
	return sorted
}

// said is a word of a node's, "?" for none.
func said(s Said) string { return cmp.Or(string(s), "?") }

func loadText(n Node, layout release.NodetoolLayout) string {
	if n.LoadBytes != nil {
		return Size(*n.LoadBytes, layout.BinaryUnits)
	}
	if n.LoadGossiped != "" {
		return n.LoadGossiped
	}
	return "?"
}

// isEffective says whether the ring has an effective ownership to show.
func isEffective(r Ring) bool {
	for _, dc := range r.Datacenters {
		for _, n := range dc.Nodes {
			if n.OwnsSystem != nil {
				return true
			}
		}
	}
	return r.Keyspace != ""
}

// ownsText is a share in percent with some decimals, "?" where there is none to show.
func ownsText(n Node, layout release.NodetoolLayout, effective bool, decimals int) string {
	share := cmp.Or(n.OwnsEffective, n.OwnsSystem)
	if !effective {
		share = nil
		if layout.PlainOwns {
			share = n.Owns
		}
	}
	if share == nil {
		return "?"
	}
	// nodetool has single precision; rounding what it rounds gives what it prints.
	return strconv.FormatFloat(float64(float32(*share))*100, 'f', decimals, 64) + "%"
}

// Size prints bytes as nodetool does: steps of 1024, at most two decimals, with
// the units' binary names (KiB) or the older ones (KB).
func Size(bytes int64, binary bool) string {
	units := []string{"bytes", "KB", "MB", "GB", "TB"}
	if binary {
		units = []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	}
	value, unit := float64(bytes), 0
	for value >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	text := strconv.FormatFloat(value, 'f', 2, 64)
	text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	return text + " " + units[unit]
}

func flush(w io.Writer, b *bytes.Buffer, what string) error {
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing %s: %w", what, err)
	}
	return nil
}
