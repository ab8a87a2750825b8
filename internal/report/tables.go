package report

import (
	"fmt"
	"maps"
	"slices"

	"crossring/stress/results"
)

// outcomes shows each row once, by what became of its write and of its read.
func (t *text) outcomes(d Document) {
	o := d.Outcomes
	if o == nil || d.Read == nil {
		return
	}
	t.heading("Each row, by its write and its read")
	row := func(name string, r results.Reads) []string {
		return []string{name, Count(r.Found), Count(r.Late), Count(r.Missing), Count(r.Wrong), Count(r.Failed), Count(r.Unread), Count(r.Rows())}
	}
	t.table(1,
		[]string{"", "found", "late", "missing", "wrong", "not readable", "not read", "rows"},
		row("acknowledged", o.Acknowledged), row("failed", o.Failed), row("unknown", o.Unknown))
	if d.Lost == nil {
		t.wrapped("lost: not known, since results are damaged")
		return
	}
	t.wrapped(fmt.Sprintf("lost %s: acknowledged, and missing or another run's at the deadline", Count(*d.Lost)))
}

// written is how many rows were acknowledged, and how many have no known outcome, of all pairs
// of a run that goes every way.
func (d Document) written() (acknowledged, unknown int64) {
	if len(d.Pairs) == 0 && d.Write != nil {
		return d.Write.Acknowledged, d.Write.Unknown
	}
	for _, p := range d.Pairs {
		if p.Write != nil {
			acknowledged, unknown = acknowledged+p.Write.Acknowledged, unknown+p.Write.Unknown
		}
	}
	return acknowledged, unknown
}

// keys sets each node's own estimate beside the rows that it should hold: those
// that it had before, by the same estimate, and those of this run that it has a
// replica of.
func (t *text) keys(d Document) {
	est := d.KeysEstimate
	if len(est.AfterWrite)+len(est.AfterRead) == 0 {
		return
	}
	t.heading("Keys per node: Cassandra's own estimate, after a flush")
	at := d.places()
	acknowledged, open := d.written()
	addresses := slices.Sorted(maps.Keys(est.AfterWrite))
	for a := range est.AfterRead {
		if _, both := est.AfterWrite[a]; !both {
			addresses = append(addresses, a)
		}
	}
	slices.Sort(addresses)
	rows := [][]string{{"node", "datacenter", "before", "after write", "after read", "should hold", "off by"}}
	partial, unknown, others := false, false, false
	for _, a := range addresses {
		p := at[a]
		row := []string{a, p.datacenter, "-", "-", "-", "-", ""}
		before, known := est.Before[a]
		if known {
			row[2] = Count(before)
		}
		unknown, others = unknown || !known, others || before > 0
		latest := int64(0)
		if n, ok := est.AfterWrite[a]; ok {
			row[3], latest = Count(n), n
		}
		if n, ok := est.AfterRead[a]; ok {
			row[4], latest = Count(n), n
		}
		if owns := p.node.OwnsEffective; owns != nil && d.Write != nil {
			held := float64(before) + float64(acknowledged)**owns
			mark := ""
			if *owns != 1 {
				partial, mark = true, "~"
			}
			row[5] = mark + Count(int64(held+0.5))
			row[6] = percentOff(float64(latest), held)
		}
		rows = append(rows, row)
	}
	t.table(2, rows...)
	if d.Write == nil {
		return
	}
	s := "should hold: the acknowledged rows that the node has a replica of"
	if len(d.Pairs) > 0 {
		s += ", of all pairs"
	}
	if others {
		s += ", on top of what it estimated before, which is rows of other runs"
	}
	if partial {
		s += "; ~ where it owns a part of them, by the size of the part"
	}
	if unknown {
		s += "; what there was before was not asked, so rows of other runs come on top"
	}
	if open > 0 {
		s += "; up to " + counted(open, "row", "rows") + " of unknown outcome may come on top"
	}
	t.wrapped(s)
}
