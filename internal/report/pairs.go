package report

// pairs writes what became of the rows of each pair, where all were asked for.
func (t *text) pairs(d Document) {
	if len(d.Pairs) == 0 {
		return
	}
	t.heading("Every pair of datacenters")
	rows := [][]string{{"from", "to", "acknowledged", "failed", "unknown", "found", "late", "missing", "wrong", "not read", "lost"}}
	for _, p := range d.Pairs {
		row := []string{p.From, p.To}
		if p.Outcomes == nil {
			rows = append(rows, append(row, "not known"))
			continue
		}
		o := p.Outcomes.Acknowledged
		lost := "not known"
		if p.Lost != nil {
			lost = Count(*p.Lost)
		}
		for _, n := range []int64{o.Rows(), p.Outcomes.Failed.Rows(), p.Outcomes.Unknown.Rows(), o.Found, o.Late, o.Missing, o.Wrong, o.Failed + o.Unread} {
			row = append(row, Count(n))
		}
		rows = append(rows, append(row, lost))
	}
	t.table(2, rows...)
	t.wrapped("Found, late, missing, wrong and not read are of the acknowledged rows. All pairs ran at the same time, each with rows of its own; what is above is of the first.")
	for _, p := range d.Pairs {
		t.wrapped(p.From + " to " + p.To + ": " + p.RunDir)
	}
}
