package report

import (
	"fmt"
	"time"

	"crossring/internal/meanwhile"
)

// faults lists the faults of the network that were in force during the run.
func (t *text) faults(d Document) {
	if len(d.Faults) == 0 {
		return // none, or not known: the network is not crossring's
	}
	t.heading("Faults of the network")
	rows := [][]string{{"what", "since", "until"}}
	for _, f := range d.Faults {
		until := "in force when the run ended"
		if f.Until != nil {
			until = clock(*f.Until)
		}
		rows = append(rows, []string{f.String(), clock(f.Since), until})
	}
	t.table(len(rows[0]), rows...)
}

// wire lists what passed between the regions.
func (t *text) wire(d Document) {
	if len(d.Wire) == 0 {
		return // one region, or not known
	}
	t.heading("Between the regions, as counted")
	for _, line := range meanwhile.Text(d.Wire) {
		t.wrapped(line)
	}
}

// servers says what the servers did.
func (t *text) servers(d Document) {
	rows, missing := meanwhile.Table(d.Servers)
	if d.ServersMissing != "" {
		missing = append(missing, d.ServersMissing)
	}
	if rows == nil && missing == nil {
		return // not looked at
	}
	t.heading("The servers meanwhile")
	t.table(1, rows...)
	for _, why := range missing {
		t.wrapped("not known: " + why)
	}
}

func clock(at time.Time) string {
	return fmt.Sprintf("%s UTC", at.UTC().Format("2006-01-02 15:04:05.0"))
}
