package report

import (
	"bytes"
	"fmt"
	"io"
	"math"

	"crossring/internal/lag"
	"crossring/internal/report/draw"
)

// LagHTML writes a measurement of lag as one page that needs nothing else, as HTML does a run.
func LagHTML(w io.Writer, r lag.Result) error {
	data, err := lagPage(r)
	if err != nil {
		return fmt.Errorf("making the page: %w", err)
	}
	return data.write(w)
}

func lagPage(r lag.Result) (pageData, error) {
	p := pageData{Title: "How late is the other region? " + r.Cluster, State: lagState(r), Facts: lagFacts(r)}
	for _, pair := range r.Pairs {
		p.Verdict = append(p.Verdict, pair.Headline())
		p.Sections = append(p.Sections, lagSection(r, pair))
	}
	if s, any := serversSection(r.Record, "seconds", r.Began, r.Seconds, marksOf(r.Faults, r.Began)); any {
		p.Sections = append(p.Sections, s)
	}
	if len(p.Verdict) == 0 {
		p.Verdict = []string{"Nothing was measured."}
	}
	for _, pair := range r.Pairs {
		name := pair.From + " to " + pair.To
		p.Cards = append(p.Cards, card{name + ", median, ms", between(pair.Lag.Low.P50, pair.Lag.High.P50), false},
			card{name + ", never seen", Count(pair.Never), pair.Never > 0})
	}
	var text bytes.Buffer
	if err := r.Text(&text); err != nil {
		return p, err
	}
	p.Text = text.String()
	return p, p.carry(r)
}

func lagState(r lag.Result) string {
	bad := r.Interrupted || len(r.Pairs) == 0
	for _, w := range r.Writes {
		bad = bad || w.Failed+w.Unknown > 0
	}
	for _, p := range r.Pairs {
		bad = bad || p.Never+p.Pending > 0
	}
	if bad {
		return stateBad
	}
	return stateGood
}

func lagFacts(r lag.Result) []fact {
	var list []fact
	add := func(name, value string) {
		if value != "" {
			list = append(list, fact{name, value})
		}
	}
	add("cluster", r.Cluster)
	add("cassandra", r.Version)
	add("write", fmt.Sprintf("%g rows a second in each datacenter at %s, for %.0f s", r.RateAsked, r.WriteConsistency, r.Seconds))
	add("look", fmt.Sprintf("at %s, for each row up to %g s", r.ReadConsistency, r.DeadlineSeconds))
	add("clock", map[string]string{lag.ClockOne: "one, of the computer that wrote and looked", lag.ClockEcho: "each datacenter's own, bounded by echoes"}[r.Clock])
	if r.Background != nil {
		add("background", r.Background.String())
	}
	if r.Started != nil {
		add("started", r.Started.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if r.Host != nil {
		add("computer", Computer(*r.Host))
	}
	if r.ClientCPU != nil {
		add("this program", fmt.Sprintf("took %.0f %% of one core", 100**r.ClientCPU))
	}
	add("crossring", r.Crossring)
	add("command", r.Command)
	add("run directory", r.RunDir)
	return list
}

// between is where a percentile lies, in ms.
func between(low, high *float64) string {
	switch {
	case low == nil:
		return "–"
	case high == nil:
		return "over " + millis(*low)
	}
	return millis(*low) + " – " + millis(*high)
}

func lagSection(r lag.Result, p lag.Pair) section {
	s := section{Title: "From " + p.From + " to " + p.To}
	s.Said = []string{fmt.Sprintf("%s acknowledged: %s seen, %s never, %s still looked for when the run ended.", counted(p.Rows, "row", "rows"), Count(p.Seen), Count(p.Never), Count(p.Pending))}
	low, high := p.Lag.Low, p.Lag.High
	s.Table = [][]string{{"ms, not before and not after", "p50", "p95", "p99", "p99.9", "max"}, {
		"lag", between(low.P50, high.P50), between(low.P95, high.P95), between(low.P99, high.P99), between(low.P999, high.P999), between(low.Max, high.Max),
	}}
	s.add(curve(p))
	s.add(bySecond(r, p))
	return s
}

// curve is the share of rows that were there, by their age: what was measured is a band, for
// each row's lag is an interval.
func curve(p lag.Pair) (figure, draw.Plot) {
	f := figure{Title: "Rows that are there, %", Key: []key{{"seen", "measured: at least, at most"}}, Caption: "By the upper ends of the rows' intervals at least, by the lower ones at most."}
	plot := draw.Plot{X: "ms since the acknowledgement", Y: "%", YMax: 100}
	var least, most, model, own []draw.Point
	for _, at := range p.Staleness {
		x := float64(at.Millis)
		plot.XMax = math.Max(plot.XMax, x)
		least, most = append(least, draw.Point{X: x, Y: 100 * at.AtLeast}), append(most, draw.Point{X: x, Y: 100 * at.AtMost})
		if at.Predicted != nil {
			model = append(model, draw.Point{X: x, Y: 100 * *at.Predicted})
		}
		if at.Own != nil {
			own = append(own, draw.Point{X: x, Y: 100 * *at.Own})
		}
	}
	plot.Bands = []draw.Band{{Class: "seen", Low: least, High: most}}
	plot.Lines = []draw.Line{{Class: "seen", Points: least}, {Class: "seen", Points: most}}
	if len(model) > 0 {
		plot.Lines, f.Key = append(plot.Lines, draw.Line{Class: "model", Points: model}), append(f.Key, key{"model", "predicted (WARS)"})
	}
	if len(own) > 0 {
		plot.Lines, f.Key = append(plot.Lines, draw.Line{Class: "own", Points: own}), append(f.Key, key{"own", "predicted by Cassandra itself"})
	}
	return f, plot
}

// bySecond is the lag over time, by when rows were acknowledged. Rows that were never seen have
// no upper end, and break the line.
func bySecond(r lag.Result, p lag.Pair) (figure, draw.Plot) {
	f := figure{Title: "Lag second by second, ms", Key: []key{{"seen", "median"}, {"worst", "slowest row"}},
		Caption: "Upper ends of the intervals, of the rows acknowledged in each second, on a scale by powers of ten. The line breaks where a row was not seen."}
	plot := draw.Plot{X: "seconds", Y: "ms", Log: true, XMax: float64(len(p.Seconds)), Marks: marksOf(r.Faults, r.Began)}
	var median, worst []draw.Point
	for _, s := range p.Seconds {
		x := float64(s.T) + 0.5
		median, worst = append(median, draw.Point{X: x, Y: orNaN(s.P50)}), append(worst, draw.Point{X: x, Y: orNaN(s.Max)})
	}
	plot.Lines = []draw.Line{{Class: "seen", Points: median}, {Class: "worst", Points: worst}}
	return f, plot
}

func orNaN(ms *float64) float64 {
	if ms == nil {
		return math.NaN()
	}
	return *ms
}
