// Package verify is what came of reading again all rows that a run had acknowledged. It is
// pure.
package verify

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"crossring/internal/plain"
	"crossring/internal/topology"
)

// What a replica has of a row.
const (
	Present     = "present"     // the row, byte for byte
	Absent      = "absent"      // no such row
	Other       = "other"       // other bytes
	Unreachable = "unreachable" // it did not answer, or not for itself alone
)

// What came of a row that was not found.
const (
	Lost   = "lost"   // missing at the deadline, or another run's
	Wrong  = "wrong"  // other bytes
	Failed = "failed" // the read had no answer
)

// MostWhere is how many rows are looked for on their replicas.
const MostWhere = 1000

// Result is the answer of verify. Found + Lost + Wrong + Failed are Rows, and Rows with Unread
// those that the run has on record as acknowledged.
type Result struct {
	Schema      string `json:"schema"`
	Cluster     string `json:"cluster"`
	RunDir      string `json:"run_dir"`
	Datacenter  string `json:"datacenter"` // read in
	Consistency string `json:"consistency"`
	Rows        int64  `json:"rows"` // read
	Found       int64  `json:"found"`
	FoundLater  int64  `json:"found_later"` // of Found: missing at first, and there before the deadline
	Lost        int64  `json:"lost"`
	Wrong       int64  `json:"wrong"`
	Failed      int64  `json:"failed"`
	Unread      int64  `json:"unread"` // not read, since the command was stopped
	// Damaged says that the results of the write are damaged: what was acknowledged after that
	// place is not known.
	Damaged bool  `json:"damaged"`
	Where   []Row `json:"where"`
	// Faults were in force meanwhile; nil where that is not known.
	Faults []topology.NetworkFault `json:"network_faults"`
}

// Row is a row that was not found, and what each of its replicas has of it by itself.
type Row struct {
	Key      int64             `json:"key"`
	Outcome  string            `json:"outcome"`  // lost, wrong or failed
	Replicas map[string]string `json:"replicas"` // by broadcast address; nil where they are not known
}

// Bad are rows that were not found, while they are gathered.
type Bad struct{ lost, failed []Row }

// Add notes a row. Rows come by key.
func (b *Bad) Add(key int64, outcome string) {
	to := &b.lost
	if outcome == Failed {
		to = &b.failed
	}
	if len(*to) < MostWhere {
		*to = append(*to, Row{Key: key, Outcome: outcome})
	}
}

// Rows are the first of them: those that are lost or wrong, and then those that could not be read.
func (b *Bad) Rows() []Row {
	all := append(append([]Row{}, b.lost...), b.failed...)
	return all[:min(len(all), MostWhere)]
}

// Problem says what was not as it should be; "" is nothing.
func (r Result) Problem() string {
	var parts []string
	for _, p := range []struct {
		n    int64
		what string
	}{{r.Lost, "lost"}, {r.Wrong, "wrong"}, {r.Failed, "not readable"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if parts == nil {
		return ""
	}
	return fmt.Sprintf("of %d acknowledged rows: %s", r.Rows, strings.Join(parts, ", "))
}

// mostLines is how many rows the text has.
const mostLines = 20

// Text writes the result for people.
func (r Result) Text(out io.Writer) error {
	if r.Datacenter == "" {
		return nil
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "Cluster %s: what the run acknowledged, read again in %s at %s\n\n", r.Cluster, r.Datacenter, r.Consistency)
	fmt.Fprintf(tw, "ROWS\tFOUND\tLOST\tWRONG\tFAILED\n%d\t%d\t%d\t%d\t%d\n", r.Rows, r.Found, r.Lost, r.Wrong, r.Failed)
	if r.FoundLater > 0 {
		fmt.Fprintf(tw, "\nMissing at first, and there before the deadline: %s\n", plain.Count(r.FoundLater, "row"))
	}
	if r.Unread > 0 {
		fmt.Fprintf(tw, "\nStopped before its end; not read: %s\n", plain.Count(r.Unread, "row"))
	}
	if r.Damaged {
		fmt.Fprintln(tw, "\nThe results of the write are damaged: what was acknowledged after that place is not known.")
	}
	if len(r.Where) > 0 {
		fmt.Fprintln(tw, "\nKEY\tOUTCOME\tON ITS REPLICAS")
	}
	for _, row := range r.Where[:min(len(r.Where), mostLines)] {
		fmt.Fprintf(tw, "%d\t%s\t%s\n", row.Key, row.Outcome, row.replicas())
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	all := r.Lost + r.Wrong + r.Failed
	if more := all - min(int64(len(r.Where)), mostLines); more > 0 && len(r.Where) > 0 {
		_, err := fmt.Fprintf(out, "and %d more; -o json has the first %d\n", more, MostWhere)
		return err
	}
	return nil
}

func (r Row) replicas() string {
	if r.Replicas == nil {
		return "not known"
	}
	var parts []string
	for address, has := range r.Replicas {
		parts = append(parts, address+" "+has)
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
