package report

import (
	"fmt"
	"strings"

	"crossring/stress/results"
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
	say(lostVerdict(d))
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
	if o := d.Outcomes; o != nil && o.Acknowledged.Rows() == r.Rows && o.Failed.Rows()+o.Unknown.Rows() == 0 {
		rows = "acknowledged rows"
	}
	clauses := []string{fmt.Sprintf("%s of %s %s were read in %s with the right bytes", Count(r.Found), Count(r.Rows), rows, r.Datacenter)}
	late := wereWas(r.MissingAtFirstRead) + " not visible at first"
	switch {
	case r.MissingAtFirstRead == 0:
		late = "none was missing at the first read"
	case r.FoundLater > 0 && r.Lag.Count > 0:
		late += ", the slowest took " + span(r.Lag.Max)
	}
	if r.Rows > 0 {
		clauses = append(clauses, late)
	}
	if r.StaleAtFirstRead > 0 {
		clauses = append(clauses, Count(r.StaleAtFirstRead)+" showed another run's row at first")
	}
	if r.Missing > 0 {
		clauses = append(clauses, Count(r.Missing)+" never came before the deadline")
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

// isAre is wereWas for what is so now.
func isAre(n int64) string {
	if n == 1 {
		return "1 is"
	}
	return Count(n) + " are"
}

// lostVerdict says how many acknowledged rows were lost or, where none was, how
// far that carries: with none of n lost, the rate is below 3 in n at 95 %
// confidence (the rule of three: (1-3/n)^n is about 0.05). That holds where all
// of them have been judged, and for many of them.
func lostVerdict(d Document) string {
	r, o := d.Read, d.Outcomes
	switch {
	case r == nil:
		return ""
	case r.Rows == 0:
		return "No row was read, so nothing is known of lost ones."
	case r.Failed == r.Rows:
		return "No read was answered, so nothing is known of lost rows."
	case o == nil && r.Missing > 0:
		return "Whether the missing rows had been acknowledged is not known: the results of the write are not at hand."
	case o == nil:
		return ""
	}
	acked := o.Acknowledged
	all := counted(acked.Rows(), "acknowledged row", "acknowledged rows")
	switch unjudged := acked.Rows() - acked.There() - acked.Missing; {
	case acked.Rows() == 0:
		return "No row was acknowledged, so none can have been lost."
	case d.Lost == nil && acked.Missing > 0:
		return fmt.Sprintf("Of the %s on record %s missing; the results are damaged, so how many were lost in all can't be known.", all, isAre(acked.Missing))
	case d.Lost == nil:
		return "How many acknowledged rows were lost can't be known: the results are damaged."
	case *d.Lost > 0:
		return fmt.Sprintf("LOST: %s of %s, not there in %s by the deadline.", Count(*d.Lost), all, r.Datacenter)
	case unjudged > 0:
		return fmt.Sprintf("None of %s is known to be lost, but %s not judged: not read, not readable, or with other bytes.", all, isAre(unjudged))
	case acked.Rows() < fewRows:
		return fmt.Sprintf("No row was lost, of %s: too few to say more.", all)
	}
	none := "No row was lost"
	if o.Failed.Rows()+o.Unknown.Rows() > 0 {
		none = "No acknowledged row was lost"
	}
	return fmt.Sprintf("%s; with 95 %% confidence the loss rate is below 3 in %s.", none, Count(acked.Rows()))
}

// writeVerdict says how the writes ended that were not acknowledged, and what
// became of their rows.
func writeVerdict(d Document) string {
	o, w := d.Outcomes, d.Write
	switch {
	case o == nil && w == nil && d.Read != nil:
		// It read what somebody wrote; its file may be lost.
		return "No write is on record in this run, so nothing is known of what was acknowledged."
	case o == nil && w == nil:
		return "Nothing was written in this run."
	}
	var failed, unknown results.Reads
	var acknowledged, rows int64
	if o != nil {
		failed, unknown, acknowledged = o.Failed, o.Unknown, o.Acknowledged.Rows()
		rows = acknowledged + failed.Rows() + unknown.Rows()
	} else {
		failed.Unread, unknown.Unread, acknowledged, rows = w.Failed, w.Unknown, w.Acknowledged, w.Rows
	}
	var clauses []string
	if n := failed.Rows(); n > 0 {
		s := counted(n, "write was", "writes were") + " refused or never sent"
		switch {
		case failed.There() > 0:
			s += fmt.Sprintf(", yet %s there: an error of crossring's own, please report it", isAre(failed.There()))
		case failed.Missing == n:
			s += ", and none of those rows is there"
		}
		clauses = append(clauses, s)
	}
	if n := unknown.Rows(); n > 0 {
		s := counted(n, "write has", "writes have") + " no known outcome"
		if unknown.Unread == n {
			s += ": the rows may be there or not"
		} else {
			s += fmt.Sprintf(": %s there, %s not", isAre(unknown.There()), isAre(unknown.Missing))
			if other := n - unknown.There() - unknown.Missing; other > 0 {
				s += ", of " + Count(other) + " it is not known"
			}
		}
		clauses = append(clauses, s)
	}
	if len(clauses) == 0 {
		return ""
	}
	where := ""
	if w != nil {
		where = " in " + w.Datacenter
	}
	return sentence(append([]string{fmt.Sprintf("%s of %s writes were acknowledged%s", Count(acknowledged), Count(rows), where)}, clauses...)...)
}

// whereVerdict says whether the reads were answered where they were asked: by
// the coordinators, by what the consistency level asks for, and by being faster
// than a round trip between regions.
func whereVerdict(d Document) string {
	if d.Read == nil {
		return ""
	}
	r := d.Read
	if n := outside(d, r.Frame); n > 0 {
		return fmt.Sprintf("%s coordinated by nodes outside %s: this was not a reading there alone.", counted(n, "attempt was", "attempts were"), r.Datacenter)
	}
	needs, all, here := replicasAsked(r.Consistency, d.Replication, r.Datacenter)
	rtt, known := d.roundTrip()
	share := ""
	if known && r.Failed == 0 { // what failed may have been quick, too
		share = below(r.Frame, rtt)
	}
	switch {
	case r.Found+r.Missing+r.Wrong == 0:
		return "" // nothing was answered
	case needs > here:
		return fmt.Sprintf("At %s a read takes %d of %d replicas, and %s has %d: each answer waited for another region.", r.Consistency, needs, all, r.Datacenter, here)
	case share != "":
		return fmt.Sprintf("%s of the first reads took less than the round trip of %s between regions, so they were answered within %s.", capital(share), span(rtt), r.Datacenter)
	case len(r.Coordinators) > 0 && !strings.HasPrefix(r.Consistency, "LOCAL_"):
		return fmt.Sprintf("At %s a coordinator in %s may have asked a replica of another region; LOCAL_ONE would rule that out.", r.Consistency, r.Datacenter)
	}
	return ""
}

// replicasAsked is how many replicas a read at a level takes, how many there are,
// and how many of them in the datacenter; all 0 where that is not known, or where
// the level asks no other datacenter.
func replicasAsked(level string, replication map[string]int, dc string) (needs, all, here int) {
	for _, n := range replication {
		all += n
	}
	if all == 0 {
		return 0, 0, 0
	}
	here = replication[dc]
	switch level {
	case "ONE":
		needs = 1
	case "TWO":
		needs = 2
	case "THREE":
		needs = 3
	case "QUORUM":
		needs = all/2 + 1
	case "ALL":
		needs = all
	case "EACH_QUORUM":
		for _, n := range replication {
			needs += n/2 + 1
		}
	default:
		return 0, 0, 0
	}
	return needs, all, here
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// outside counts the attempts that nodes of another datacenter coordinated.
func outside(d Document, f results.Frame) int64 {
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
	part := func(f results.Frame) {
		if !f.Interrupted {
			return
		}
		s := fmt.Sprintf("the %s was cut short after %s of %s rows", f.Op, Count(f.Rows), Count(f.RowsAsked))
		if left := f.RowsAsked - f.Rows; left > 0 {
			s += fmt.Sprintf("; the other %s not on record", isAre(left))
		}
		parts = append(parts, capital(s)+".")
	}
	if d.Write != nil {
		part(d.Write.Frame)
	}
	if d.Read != nil {
		part(d.Read.Frame)
	}
	return strings.Join(parts, " ")
}
