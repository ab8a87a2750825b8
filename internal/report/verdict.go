package report

import (
	"fmt"
	"strings"

	"crossring/stress"
)

// fewRows is the least number of rows that the rule of three is good for.
const fewRows = 30

// Verdict says in whole sentences what the run showed, and what it did not. No
// count in it is rounded, and what went wrong is never left out.
func Verdict(d Document) []string {
	var said []string
	say := func(s string) {
		if s != "" {
			said = append(said, s)
		}
	}
	if d.Write == nil && d.Read == nil {
		return []string{"Nothing was written and nothing was read."}
	}
	say(readVerdict(d))
	say(missingVerdict(d.Read))
	say(writeVerdict(d))
	say(whereVerdict(d))
	say(interruptedVerdict(d))
	say(ringVerdict(d))
	say(sumsVerdict(d))
	return said
}

func ringVerdict(d Document) string {
	if d.RingAfter == nil || d.RingAfter.OK() {
		return ""
	}
	return fmt.Sprintf("The ring afterwards is not as planned: %s.", counted(int64(len(d.RingAfter.Mismatches)), "mismatch", "mismatches"))
}

// sumsVerdict says when the counts themselves are not to be trusted.
func sumsVerdict(d Document) string {
	var problems []string
	if d.Write != nil {
		if err := d.Write.Check(); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if d.Read != nil {
		if err := d.Read.Check(); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if len(problems) == 0 {
		return ""
	}
	return "Do not trust these counts: " + sentence(problems...)
}

// readVerdict is the main sentence: how many rows arrived, and when.
func readVerdict(d Document) string {
	r := d.Read
	if r == nil {
		return "Nothing was read, so nothing is known of what arrived."
	}
	rows := "rows"
	if d.Write != nil && d.Write.Acknowledged == d.Write.Rows && d.Write.Rows == r.Rows {
		rows = "acknowledged rows"
	}
	clauses := []string{fmt.Sprintf("%s of %s %s were read in %s with the right bytes", Count(r.Found), Count(r.Rows), rows, r.Datacenter)}
	switch {
	case r.MissingAtFirstRead == 0:
		clauses = append(clauses, "none was missing at the first read")
	case r.FoundLater > 0 && r.Lag.Count > 0:
		clauses = append(clauses, wereWas(r.MissingAtFirstRead)+" not there at the first read, the last to come came "+span(r.Lag.Max)+" after its acknowledgement")
	default:
		clauses = append(clauses, wereWas(r.MissingAtFirstRead)+" not there at the first read")
	}
	if r.StaleAtFirstRead > 0 {
		clauses = append(clauses, wereWas(r.StaleAtFirstRead)+" still of an earlier run at the first read")
	}
	if r.Wrong > 0 {
		clauses = append(clauses, Count(r.Wrong)+" came back with other bytes")
	}
	if r.Failed > 0 {
		clauses = append(clauses, Count(r.Failed)+" could not be read")
	}
	return sentence(clauses...)
}

func wereWas(n int64) string {
	if n == 1 {
		return "1 was"
	}
	return Count(n) + " were"
}

// missingVerdict says what never came or, when all came, how far that carries:
// with none of n rows missing, fewer than 3 in n are missing at 95 % confidence
// (the rule of three: (1-3/n)^n is about 0.05).
func missingVerdict(r *stress.ReadSummary) string {
	if r == nil {
		return ""
	}
	told := r.Found + r.Missing // a wrong row says nothing of this run's
	switch {
	case r.Missing > 0 && r.MissingAcknowledged != nil && *r.MissingAcknowledged > 0:
		return fmt.Sprintf("%s never came before the deadline; %s of them had been acknowledged when they were written.",
			Count(r.Missing), Count(*r.MissingAcknowledged))
	case r.Missing > 0 && r.MissingAcknowledged != nil:
		return fmt.Sprintf("%s never came before the deadline; 0 of them had been acknowledged.", Count(r.Missing))
	case r.Missing > 0:
		return fmt.Sprintf("%s never came before the deadline.", Count(r.Missing))
	case told == 0:
		return "No read was answered, so nothing is known of missing rows."
	case told < fewRows:
		return fmt.Sprintf("0 of %s missing for good: too few rows to say more.", Count(told))
	}
	return fmt.Sprintf("0 of %s missing for good: under the same conditions fewer than 3 in %s rows would be, at 95 %% confidence.", Count(told), Count(told))
}

// writeVerdict says how the writes ended that were not acknowledged.
func writeVerdict(d Document) string {
	w := d.Write
	if w == nil && d.Read != nil && d.Read.MissingAcknowledged != nil {
		return "" // its results are at hand, and not what was asked for
	}
	if w == nil {
		return "Nothing was written in this run."
	}
	var clauses []string
	if w.Failed > 0 {
		clauses = append(clauses, counted(w.Failed, "write was", "writes were")+" refused or never sent")
	}
	if w.Unknown > 0 {
		clauses = append(clauses, counted(w.Unknown, "write has", "writes have")+" no known outcome: the rows may be there or not")
	}
	if len(clauses) == 0 {
		return ""
	}
	return sentence(append([]string{fmt.Sprintf("%s of %s writes were acknowledged in %s", Count(w.Acknowledged), Count(w.Rows), w.Datacenter)}, clauses...)...)
}

// whereVerdict says whether the reads were answered where they were asked: by
// the coordinators, and by being faster than a round trip between regions.
func whereVerdict(d Document) string {
	if d.Read == nil {
		return ""
	}
	r := d.Read
	if n := outside(d, r.Frame); n > 0 {
		return fmt.Sprintf("%s coordinated by nodes outside %s: this was not a reading there alone.", counted(n, "attempt was", "attempts were"), r.Datacenter)
	}
	rtt, known := d.roundTrip()
	share := ""
	if known {
		share = below(r.Frame, rtt)
	}
	switch {
	case share != "":
		return fmt.Sprintf("%s of the first reads took less than the round trip of %s between regions, so they were answered within %s.", capital(share), span(rtt), r.Datacenter)
	case len(r.Coordinators) > 0 && !strings.HasPrefix(r.Consistency, "LOCAL_"):
		return fmt.Sprintf("At %s a coordinator in %s may have asked a replica of another region; LOCAL_ONE would rule that out.", r.Consistency, r.Datacenter)
	}
	return ""
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// outside counts the attempts that nodes of another datacenter coordinated.
func outside(d Document, f stress.Frame) int64 {
	at := d.places()
	var n int64
	for address, attempts := range f.Coordinators {
		if p, ok := at[address]; ok && p.datacenter != f.Datacenter {
			n += attempts
		}
	}
	return n
}

func interruptedVerdict(d Document) string {
	var parts []string
	if d.Write != nil && d.Write.Interrupted {
		parts = append(parts, fmt.Sprintf("the write after %s of %s rows", Count(d.Write.Rows), Count(d.Write.RowsAsked)))
	}
	if d.Read != nil && d.Read.Interrupted {
		parts = append(parts, fmt.Sprintf("the read after %s of %s rows", Count(d.Read.Rows), Count(d.Read.RowsAsked)))
	}
	if len(parts) == 0 {
		return ""
	}
	return "Interrupted: " + strings.Join(parts, ", ") + "."
}
