package lag

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"crossring/internal/meanwhile"
	"crossring/internal/plain"
)

// headline is the threshold of Netflix's experiment: the other region was read 500 ms later.
const headline = 500

// Text writes the result for people.
func (r Result) Text(out io.Writer) error {
	if len(r.Writes) == 0 {
		return nil
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "Cluster %s, Cassandra %s: written at %s, read at %s\n\n", r.Cluster, r.Version, r.WriteConsistency, r.ReadConsistency)
	if r.Interrupted {
		fmt.Fprintf(tw, "Stopped before its end: what follows is what was seen until then.\n\n")
	}
	fmt.Fprintln(tw, "WRITTEN IN\tROWS\tACKNOWLEDGED\tFAILED\tUNKNOWN")
	for _, w := range r.Writes {
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\n", w.Datacenter, w.Rows, w.Acknowledged, w.Failed, w.Unknown)
	}
	fmt.Fprintln(tw, "\nFROM\tTO\tROWS\tSEEN\tNEVER\tSTILL LOOKED FOR\tP50\tP99\tP99.9\tMAX")
	for _, p := range r.Pairs {
		low, high := p.Lag.Low, p.Lag.High
		fmt.Fprintf(tw, "%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n", p.From, p.To, p.Rows, p.Seen, p.Never, p.Pending,
			bounds(low.P50, high.P50), bounds(low.P99, high.P99), bounds(low.P999, high.P999), bounds(low.Max, high.Max))
	}
	fmt.Fprintf(tw, "\nms from a row's acknowledgement to when the other datacenter shows it: not before the first figure, not after the second\n")
	for _, p := range r.Pairs {
		fmt.Fprintln(tw)
		fmt.Fprintln(tw, p.Headline())
		p.slow(tw)
		if p.Offset != nil {
			fmt.Fprintf(tw, "  the clock in %s is %s to %s ms before that in %s; so much wider is each lag\n", p.To, number(p.Offset.Low), number(p.Offset.High), p.From)
		}
		if p.Interval.P99 != nil {
			fmt.Fprintf(tw, "  each lag is known to %s ms (median), %s ms (99 of 100 rows)\n", number(*p.Interval.P50), number(*p.Interval.P99))
		}
		if d := p.ModelDifference; d != nil {
			fmt.Fprintf(tw, "  the model predicts from the line and the writes alone what was seen, to %.1f percentage points\n", 100**d)
		}
		if d := p.OwnDifference; d != nil {
			fmt.Fprintf(tw, "  Cassandra's own predictor is off it by up to %.1f percentage points: at once it sees %s %% of the rows\n", 100**d, Percent(*p.Staleness[0].Own))
		}
		if p.Looks.Failed > 0 {
			fmt.Fprintf(tw, "  %d of %d looks failed, and say nothing of any row\n", p.Looks.Failed, p.Looks.Made)
		}
	}
	fmt.Fprintf(tw, "\n%.1f rows a second in each datacenter of the %g asked for, for %.1f s", r.Rate, r.RateAsked, r.Seconds)
	if r.ClientCPU != nil {
		fmt.Fprintf(tw, "; this program took %.0f %% of one core", 100**r.ClientCPU)
	}
	fmt.Fprintln(tw)
	for _, w := range r.Writes {
		if w.Late > 0 {
			fmt.Fprintf(tw, "%d of %d rows were sent in %s more than 10 ms after they were due\n", w.Late, w.Rows, w.Datacenter)
		}
	}
	if r.Background != nil {
		fmt.Fprintln(tw, r.Background)
	}
	for _, line := range meanwhile.Text(r.Wire) {
		fmt.Fprintln(tw, line)
	}
	r.servers(tw)
	for _, f := range r.Faults {
		fmt.Fprintf(tw, "Fault of the network: %s\n", f)
	}
	return tw.Flush()
}

// Headline is Netflix's claim, as this run saw it.
func (p Pair) Headline() string {
	i := slices.IndexFunc(p.Within, func(w Within) bool { return w.Millis == headline })
	if i < 0 {
		return fmt.Sprintf("%s to %s: of no row it is known whether it was readable within %d ms", p.From, p.To, headline)
	}
	w := p.Within[i]
	return fmt.Sprintf("%s to %s: %s %% of %d rows were readable within %d ms; of all rows at least %s %% are, at 95 %% confidence",
		p.From, p.To, Percent(w.Share), w.Rows, w.Millis, Percent(w.AtLeast95))
}

// Percent prints a share as percent, rounded down, with as many digits as tell it from 100.
func Percent(s float64) string {
	if s >= 1 {
		return "100"
	}
	const least, most = 2, 6
	digits := min(max(int(math.Ceil(-math.Log10(1-s)-1e-9))-2, least), most)
	return strconv.FormatFloat(math.Floor(s*math.Pow10(digits+2))/math.Pow10(digits), 'f', digits, 64)
}

// slow says which seconds were far slower than most: those whose slowest row is.
func (p Pair) slow(out io.Writer) {
	var usual []float64
	for _, s := range p.Seconds {
		if s.Rows > 0 {
			usual = append(usual, orInfinite(s.Max))
		}
	}
	if len(usual) == 0 {
		return
	}
	slices.Sort(usual)
	limit := max(5*usual[len(usual)/2], 10)
	const most = 10 // stretches
	said := 0
	for i := 0; i < len(p.Seconds); {
		from, rows, worst := i, int64(0), 0.0
		for ; i < len(p.Seconds) && orInfinite(p.Seconds[i].Max) > limit; i++ {
			rows += p.Seconds[i].Rows
			worst = max(worst, orInfinite(p.Seconds[i].Max))
		}
		if i == from {
			i++
			continue
		}
		if said++; said > most {
			fmt.Fprintln(out, "  … and more such seconds")
			return
		}
		what := "up to " + number(worst) + " ms late"
		if math.IsInf(worst, 1) {
			what = "some of them not seen"
		}
		fmt.Fprintf(out, "  second %d to %d: %s, %s\n", p.Seconds[from].T, p.Seconds[i-1].T+1, plain.Count(rows, "row"), what)
	}
}

func orInfinite(ms *float64) float64 {
	if ms == nil {
		return math.Inf(1)
	}
	return *ms
}

// bounds prints where a percentile lies.
func bounds(low, high *float64) string {
	switch {
	case low == nil:
		return "-"
	case high == nil:
		return "over " + number(*low)
	}
	return number(*low) + "-" + number(*high)
}

func number(ms float64) string {
	if ms >= 100 {
		return strconv.FormatFloat(ms, 'f', 0, 64)
	}
	return strconv.FormatFloat(ms, 'f', 1, 64)
}

// String says in a line what ran.
func (b Background) String() string {
	return fmt.Sprintf("Meanwhile in the background: %.0f of the %.0f reads and writes a second asked for in each datacenter; %d reads, %d writes, %d failed",
		b.Rate, b.RateAsked, b.Reads, b.Writes, b.Failed)
}

// servers says what the servers did meanwhile.
func (r Result) servers(out io.Writer) {
	rows, missing := meanwhile.Table(r.Servers)
	if len(rows) > 0 {
		fmt.Fprintln(out)
	}
	for _, row := range rows {
		fmt.Fprintln(out, strings.Join(row, "\t"))
	}
	if r.ServersMissing != "" {
		missing = append(missing, r.ServersMissing)
	}
	for _, why := range missing {
		fmt.Fprintln(out, "what the servers did is not known:", why)
	}
}
