package report

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"crossring/internal/lag"
	"crossring/internal/topology"
	"crossring/ringcheck"
	"crossring/stress/results"
)

// Text writes the report for a terminal or a file: what was run, the ring, the
// write and the read beside the experiment's own figures, and last what can be
// said of it. Every count of the document is in it.
func Text(w io.Writer, d Document) error {
	t := &text{}
	t.header(d)
	if err := t.rings(d); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if d.Write != nil {
		t.write(d)
	}
	if d.Read != nil {
		t.read(d)
	}
	t.outcomes(d)
	t.pairs(d)
	t.faults(d)
	t.wire(d)
	t.servers(d)
	t.keys(d)
	t.stages(d)
	t.warnings(d)
	t.heading("In short")
	for _, s := range Verdict(d) {
		t.wrapped(s)
	}
	if _, err := w.Write(t.b.Bytes()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// width is where running text is broken.
const width = 96

// text is a report under way, in memory: writing to it cannot fail.
type text struct{ b bytes.Buffer }

func (t *text) heading(s string) {
	if t.b.Len() > 0 {
		t.b.WriteString("\n")
	}
	fmt.Fprintf(&t.b, "%s\n", s)
}

// wrapped writes a paragraph, two spaces in.
func (t *text) wrapped(s string) {
	at := 0
	for i, word := range strings.Fields(s) {
		switch {
		case i == 0:
			t.b.WriteString("  ")
			at = 2
		case at+1+len(word) > width:
			t.b.WriteString("\n  ")
			at = 2
		default:
			t.b.WriteString(" ")
			at++
		}
		t.b.WriteString(word)
		at += len(word)
	}
	t.b.WriteString("\n")
}

// table writes rows of cells, two spaces in. The columns from right on are
// numbers and stand flush right. Empty cells at the end of a row leave no blanks.
func (t *text) table(right int, rows ...[]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		line := " "
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-len([]rune(cell)))
			if i >= right {
				line += " " + pad + cell + " "
			} else {
				line += " " + cell + pad + " "
			}
		}
		t.b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// headerRows says what was run.
func headerRows(d Document) [][]string {
	rows := [][]string{}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	cluster := d.Cluster
	if d.Provider != "" {
		cluster += " (" + d.Provider + ")"
	}
	add("cluster", cluster)
	add("cassandra", strings.Trim(d.Version+", "+d.Partitioner, ", "))
	if r := d.ring(); r != nil {
		var dcs []string
		for _, dc := range r.Datacenters {
			dcs = append(dcs, fmt.Sprintf("%s (%s)", dc.Name, counted(int64(len(dc.Nodes)), "node", "nodes")))
		}
		add("datacenters", strings.Join(dcs, ", "))
	}
	var trips []string
	all := d.roundTrips()
	for _, pair := range sortedKeys(all) {
		trips = append(trips, pair+" "+span(all[pair]))
	}
	add("round trip", strings.Join(trips, ", "))
	if d.Write != nil {
		add("write", phase(d.Write.Frame, d.ValueBytes))
	}
	if d.Read != nil {
		add("read", phase(d.Read.Frame, d.ValueBytes))
	}
	if d.Started != nil {
		add("started", d.Started.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if d.Host != nil {
		add("computer", Computer(*d.Host))
	}
	add("crossring", d.Crossring)
	add("command", d.Command)
	add("run directory", d.RunDir)
	return rows
}

func (t *text) header(d Document) {
	t.heading("Cross-region write and read")
	t.table(2, headerRows(d)...)
	if d.Background != nil {
		t.wrapped(d.Background.String() + ".")
	}
}

// Computer is what a run was made from, in words.
func Computer(c topology.Computer) string {
	s := strings.TrimSpace(fmt.Sprintf("%s %s/%s, %s", c.Name, c.OS, c.Arch, counted(int64(c.CPUs), "processor", "processors")))
	if c.MemoryBytes != nil {
		s += fmt.Sprintf(", %.0f GB", float64(*c.MemoryBytes)/1e9)
	}
	if b := c.Load.Busy; b != nil {
		s += fmt.Sprintf("; %.0f %% busy before", 100**b)
	}
	return s
}

// phase says how a write or read was asked for.
func phase(f results.Frame, valueBytes int) string {
	asked := max(f.RowsAsked, f.Rows)
	s := counted(asked, "row", "rows")
	if valueBytes > 0 {
		s += " of " + counted(int64(valueBytes), "byte", "bytes")
	}
	s += " in " + f.Datacenter
	if f.Consistency != "" {
		s += " at " + f.Consistency
	}
	return s + ", " + counted(int64(f.InFlight), "request", "requests") + " in flight, " + load(f)
}

func load(f results.Frame) string {
	if f.Rate > 0 {
		return "open loop at " + rate(f.Rate) + "/s"
	}
	return "closed loop"
}

func (t *text) rings(d Document) error {
	for _, look := range []struct {
		title string
		ring  *ringcheck.Ring
	}{{"The ring before", d.RingBefore}, {"The ring after", d.RingAfter}} {
		if look.ring == nil {
			continue
		}
		t.heading(look.title)
		var table bytes.Buffer
		if err := ringcheck.WriteStatus(&table, *look.ring); err != nil {
			return err
		}
		for line := range strings.Lines(strings.TrimSpace(table.String())) {
			t.b.WriteString(strings.TrimRight("  "+strings.TrimRight(line, "\n"), " ") + "\n")
		}
		if open := look.ring.Unsaid(); len(open) > 0 {
			t.wrapped("Read by CQL, which does not tell " + strings.Join(open, "; ") + ".")
		}
		switch r := look.ring; {
		case !r.OK():
			t.wrapped(counted(int64(len(r.Mismatches)), "mismatch", "mismatches") + " with the plan:")
			for _, m := range r.Mismatches {
				t.wrapped("- " + m.Message)
			}
		case !r.AgreedSchema:
			t.wrapped(counted(int64(len(r.SchemaVersions)), "schema version", "schema versions") + ": the nodes do not agree.")
		default:
			t.wrapped("As planned; all nodes have the same schema.")
		}
	}
	return nil
}

func (t *text) write(d Document) {
	w := d.Write
	t.heading("Write in " + w.Datacenter)
	t.pace(w.Frame, d.ValueBytes, experimentWriteSeconds)
	t.wrapped(fmt.Sprintf("acknowledged %s + failed %s + unknown %s = %s",
		Count(w.Acknowledged), Count(w.Failed), Count(w.Unknown), sum(w.Acknowledged+w.Failed+w.Unknown, w.Rows)))
	t.frame(d, w.Frame)
}

func (t *text) read(d Document) {
	r := d.Read
	t.heading("Read in " + r.Datacenter)
	t.pace(r.Frame, d.ValueBytes, experimentReadSeconds)
	t.wrapped(fmt.Sprintf("found %s + missing %s + wrong %s + failed %s = %s",
		Count(r.Found), Count(r.Missing), Count(r.Wrong), Count(r.Failed), sum(r.Found+r.Missing+r.Wrong+r.Failed, r.Rows)))
	first := fmt.Sprintf("missing at the first read %s: found later %s, never seen %s", Count(r.MissingAtFirstRead), Count(r.FoundLater), Count(r.Missing))
	if r.StaleAtFirstRead > 0 {
		first += fmt.Sprintf("; stale at the first read, with another run's row, %s", Count(r.StaleAtFirstRead))
	}
	if other := r.MissingAtFirstRead + r.StaleAtFirstRead - r.FoundLater - r.Missing; other != 0 {
		first += "; still other bytes at the deadline " + Count(other)
	}
	if n := r.MissingAcknowledged; n != nil && *n > 0 {
		first += fmt.Sprintf("; of those not there had been acknowledged %s", Count(*n))
	}
	t.wrapped(first)
	t.after(r.After)
	t.frame(d, r.Frame)
	if r.Lag.Count > 0 {
		t.wrapped(fmt.Sprintf("lag from acknowledgement to first sight, ms, over %s:", counted(r.Lag.Count, "row", "rows")))
		t.table(1, percentileHead, percentileRow("lag", r.Lag.Percentiles))
	}
}

// after says of a read that ran beside its write how old rows were when they were read, and
// how many were there.
func (t *text) after(a results.After) {
	if a.ReadAfter == nil {
		return
	}
	said := fmt.Sprintf("each row was read %s ms after its own acknowledgement, while others were written: first reads began at an age of %s ms (median), %s ms at the most",
		millis(a.ReadAfter.Asked), millis(a.ReadAfter.P50), millis(a.ReadAfter.Max))
	if n := a.LateStarts; n != nil && *n > 0 {
		said += fmt.Sprintf("; %s began more than 10 ms later than asked", Count(*n))
	}
	t.wrapped(said)
	for i, w := range a.Within {
		what := "were readable within " + strconv.FormatInt(w.Millis, 10) + " ms"
		if i == 0 && float64(w.Millis) == math.Floor(a.ReadAfter.Asked) {
			what = "read at that age were there"
		}
		t.wrapped(fmt.Sprintf("%s %% of %s %s; of all such rows at least %s %% are, at 95 %% confidence",
			lag.Percent(w.Share), counted(w.Rows, "row", "rows"), what, lag.Percent(w.AtLeast95)))
		if w.Share == 1 {
			break
		}
	}
}

// sum is the total of the outcomes as it comes out, and a complaint when it is
// not the number of rows.
func sum(got, rows int64) string {
	if got == rows {
		return counted(rows, "row", "rows")
	}
	return fmt.Sprintf("%s, NOT the %s attempted", Count(got), counted(rows, "row", "rows"))
}

// pace is the speed, beside the experiment's where the run is that experiment.
func (t *text) pace(f results.Frame, valueBytes, experimentSeconds int) {
	if f.Rows != experimentRows || (valueBytes > 0 && valueBytes != experimentValueBytes) {
		t.wrapped(fmt.Sprintf("%s in %s s: %s rows/s", counted(f.Rows, "row", "rows"), seconds(f.Seconds), rate(f.OpsPerSec)))
		return
	}
	theirs := float64(experimentRows) / float64(experimentSeconds)
	ratio := ""
	if f.OpsPerSec > 0 {
		ratio = strconv.FormatFloat(f.OpsPerSec/theirs, 'f', 2, 64) + " x"
	}
	t.table(1,
		[]string{"", "this run", "the experiment", ""},
		[]string{"rows", Count(f.Rows), Count(experimentRows), ""},
		[]string{"seconds", seconds(f.Seconds), strconv.Itoa(experimentSeconds), ""},
		[]string{"rows/s", rate(f.OpsPerSec), rate(theirs), ratio})
	t.wrapped("The experiment ran on Cassandra 1.2 and two hi1.4xlarge.")
}

var percentileHead = []string{"", "p50", "p95", "p99", "p99.9", "max"}

func percentileRow(name string, p results.Percentiles) []string {
	return []string{name, millis(p.P50), millis(p.P95), millis(p.P99), millis(p.P999), millis(p.Max)}
}

// frame writes what a write and a read have in common: who answered, how fast,
// and what went wrong.
func (t *text) frame(d Document, f results.Frame) {
	at := d.places()
	var coordinated int64
	for _, address := range sortedKeys(f.Coordinators) {
		where := "datacenter not known"
		if p, ok := at[address]; ok {
			where = p.datacenter
			if p.datacenter != f.Datacenter {
				where += ", OUTSIDE " + f.Datacenter
			}
		}
		t.wrapped(fmt.Sprintf("coordinator %s (%s): %s", address, where, counted(f.Coordinators[address], "attempt", "attempts")))
		coordinated += f.Coordinators[address]
	}
	attempts := counted(f.Attempts, "attempt", "attempts") + " in all"
	if lost := f.Attempts - coordinated; lost > 0 {
		attempts += ", " + Count(lost) + " of them with no answer from a coordinator"
	}
	t.wrapped(attempts + fmt.Sprintf("; client CPU %s µs per row", rate(f.ClientCPUMicros)))
	if c := f.Connections; c != nil && (c.Policy != "shared" || c.FullHandshakes+c.ResumedHandshakes > 0) {
		t.wrapped(fmt.Sprintf("connections %s: %s, %s; TLS handshakes: %s full, %s resumed", c.Policy, counted(c.Sessions, "session", "sessions"),
			counted(c.Flows, "TCP flow", "TCP flows"), Count(c.FullHandshakes), Count(c.ResumedHandshakes)))
	}
	rows := [][]string{percentileHead, percentileRow("service, ms", f.Latency)}
	if f.Response != nil {
		rows = append(rows, percentileRow("response, ms", *f.Response))
	}
	t.table(1, rows...)
	if f.Response == nil {
		t.wrapped("Closed loop: service time only, from sending to answer. Waiting before sending is not in it.")
	} else {
		t.wrapped("Response time counts from the moment the request was due.")
	}
	if f.Overflow > 0 {
		t.wrapped(counted(f.Overflow, "latency", "latencies") + " above ten minutes not in the percentiles")
	}
	for _, e := range f.Errors {
		s := fmt.Sprintf("error %s: %s", e.Class, counted(e.Count, "time", "times"))
		if e.Example != "" {
			s += ", for example: " + e.Example
		}
		t.wrapped(s)
	}
	for _, s := range f.Warnings {
		t.wrapped("warning: " + s)
	}
	if f.Interrupted {
		t.wrapped(fmt.Sprintf("interrupted after %s of %s rows", Count(f.Rows), Count(f.RowsAsked)))
	}
}

func (t *text) stages(d Document) {
	if len(d.Stages) == 0 {
		return
	}
	t.heading("Time taken, in seconds")
	var rows [][]string
	for _, s := range d.Stages {
		rows = append(rows, []string{s.Name, seconds(s.Seconds)})
	}
	t.table(1, rows...)
}

func (t *text) warnings(d Document) {
	if len(d.Warnings) == 0 {
		return
	}
	t.heading("Warnings")
	for _, s := range d.Warnings {
		t.wrapped("- " + s)
	}
}
