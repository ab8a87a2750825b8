package report

import (
	"fmt"
	"html/template"
	"math"
	"time"

	"crossring/internal/report/draw"
	"crossring/internal/topology"
	"crossring/stress/results"
)

// Course is how a run went over time, second by second, as stress.Seconds tells
// it. Either may be empty.
type Course struct {
	Write []results.Second
	Read  []results.Second
	// WriteSince and ReadSince are when the phases began; nil where that is not known.
	WriteSince, ReadSince *time.Time
}

// maxPoints is how many points a line is drawn with. Longer courses are put
// together into equal stretches.
const maxPoints = 240

// course is a phase as it is drawn: for each stretch of time, from the start of
// its phase.
type course struct {
	step  int64     // seconds in a stretch
	speed []float64 // rows per second; 0 in a stretch without answers
	p99   []float64 // the worst second's p99 in ms; NaN without answers
	bad   []float64 // rows per second that did not come to what they should
}

// drawn puts seconds together, so that both phases fit into maxPoints. The last stretch, if it
// is not the only one, is left out where it is not a whole one: it would look as if the
// load had stopped.
func drawn(secs []results.Second, step int64, whole float64) course {
	c := course{step: step}
	if len(secs) == 0 {
		return c
	}
	n := secs[len(secs)-1].At/step + 1
	c.speed, c.p99, c.bad = make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range c.p99 {
		c.p99[i] = math.NaN()
	}
	for _, s := range secs {
		i := s.At / step
		c.speed[i] += float64(s.Ops) / float64(step)
		c.bad[i] += float64(s.Missing+s.Bad) / float64(step)
		if math.IsNaN(c.p99[i]) || s.Latency.P99 > c.p99[i] {
			c.p99[i] = s.Latency.P99
		}
	}
	if n > 2 && whole < float64(n*step) {
		n--
		c.speed, c.p99, c.bad = c.speed[:n], c.p99[:n], c.bad[:n]
	}
	return c
}

// points are values over the middles of their stretches, so much later.
func (c course) points(values []float64, offset float64) []draw.Point {
	var list []draw.Point
	for i, v := range values {
		list = append(list, draw.Point{X: offset + (float64(i)+0.5)*float64(c.step), Y: v})
	}
	return list
}

// sections are the charts that there is something to show in.
func (d Document) sections(c Course) []section {
	longest := int64(0)
	for _, secs := range [][]results.Second{c.Write, c.Read} {
		if n := len(secs); n > 0 {
			longest = max(longest, secs[n-1].At)
		}
	}
	step := longest/maxPoints + 1
	frame := func(f *results.Frame) float64 {
		if f == nil {
			return 0
		}
		return f.Seconds
	}
	var wf, rf *results.Frame
	if d.Write != nil {
		wf = &d.Write.Frame
	}
	if d.Read != nil {
		rf = &d.Read.Frame
	}
	write, read := drawn(c.Write, step, frame(wf)), drawn(c.Read, step, frame(rf))
	axis, offset := "seconds since the phase began", 0.0
	if c.WriteSince != nil && c.ReadSince != nil {
		axis, offset = "seconds since the run began", max(0, c.ReadSince.Sub(*c.WriteSince).Seconds())
	}
	each := "each second"
	if step > 1 {
		each = fmt.Sprintf("every %d seconds", step)
	}
	marks := marksOf(d.Faults, c.WriteSince)
	end := max(float64(int64(len(write.speed))*step), offset+float64(int64(len(read.speed))*step), 1)
	over := section{Title: "Over time"}
	add := func(title, y, caption string, w, r []float64, wClass, rClass string) {
		p := draw.Plot{X: axis, Y: y, XMax: end, Marks: marks}
		f := figure{Title: title, Caption: caption}
		for _, s := range []struct {
			name, class string
			points      []draw.Point
		}{{"write", wClass, write.points(w, 0)}, {"read", rClass, read.points(r, offset)}} {
			if len(s.points) > 0 {
				p.Lines = append(p.Lines, draw.Line{Name: s.name, Class: s.class, Points: s.points})
				f.Key = append(f.Key, key{s.class, s.name})
			}
		}
		over.add(f, p)
	}
	add("Rows per second", "rows/s", "First attempts answered or given up, "+each+".", write.speed, read.speed, "write", "read")
	add("99th percentile, ms", "ms", "Service time: the worst second's 99th percentile, "+each+"; a gap where nothing was answered.", write.p99, read.p99, "write", "read")
	if anyOf(write.bad) || anyOf(read.bad) {
		add("Not as they should be, rows per second", "rows/s", "Writes that were not acknowledged, and first reads that did not find their row, "+each+".", write.bad, read.bad, "write", "read")
	}
	var list []section
	if len(over.Charts) > 0 {
		list = append(list, over)
	}
	if s, any := serversSection(d.Record, axis, c.WriteSince, end, marks); any {
		list = append(list, s)
	}
	if s := d.distribution(); len(s.Charts) > 0 {
		list = append(list, s)
	}
	return list
}

func anyOf(values []float64) bool {
	for _, v := range values {
		if v > 0 {
			return true
		}
	}
	return false
}

// add draws a plot into a section, unless there is nothing to see.
func (s *section) add(f figure, p draw.Plot) {
	if f.SVG = template.HTML(p.SVG()); f.SVG == "" {
		return
	}
	for _, m := range p.Marks {
		if m.From <= p.XMax && m.To >= 0 {
			f.Key = append(f.Key, key{"fault", "fault of the network"})
			break
		}
	}
	s.Charts = append(s.Charts, f)
}

// marksOf are faults on an axis of seconds that begins at start; none where that is not known.
func marksOf(faults []topology.NetworkFault, start *time.Time) []draw.Mark {
	if start == nil {
		return nil
	}
	var marks []draw.Mark
	for _, f := range faults {
		m := draw.Mark{Name: f.String(), From: f.Since.Sub(*start).Seconds(), To: math.MaxFloat64}
		if f.Until != nil {
			m.To = f.Until.Sub(*start).Seconds()
		}
		marks = append(marks, m)
	}
	return marks
}

// distribution is the percentiles of the phases side by side, and how many rows were readable
// how soon. The maximum and the lag are left to the tables: they would flatten the rest.
func (d Document) distribution() section {
	s := section{Title: "How long it took"}
	b := draw.Bars{Y: "ms", Groups: []string{"p50", "p95", "p99", "p99.9"}}
	f := figure{Title: "Percentiles, ms", Caption: "Service time runs from sending to answer, response time from when the request was due."}
	add := func(name, class string, p results.Percentiles) {
		b.Series = append(b.Series, draw.Series{Name: name, Class: class, Values: []float64{p.P50, p.P95, p.P99, p.P999}})
		f.Key = append(f.Key, key{class, name})
	}
	phase := func(f results.Frame) {
		add(f.Op+", service", f.Op, f.Latency)
		if f.Response != nil {
			add(f.Op+", response", f.Op+" response", *f.Response)
		}
	}
	if d.Write != nil {
		phase(d.Write.Frame)
	}
	if d.Read != nil {
		phase(d.Read.Frame)
	}
	if f.SVG = template.HTML(b.SVG()); f.SVG != "" {
		s.Charts = append(s.Charts, f)
	}
	if d.Read != nil && len(d.Read.Within) > 1 {
		p := draw.Plot{X: "ms since the acknowledgement", Y: "%", YMax: 100}
		var seen, least []draw.Point
		for _, w := range d.Read.Within {
			p.XMax = float64(w.Millis)
			seen, least = append(seen, draw.Point{X: p.XMax, Y: 100 * w.Share}), append(least, draw.Point{X: p.XMax, Y: 100 * w.AtLeast95})
			if w.Share == 1 {
				break
			}
		}
		p.Lines = []draw.Line{{Class: "seen", Points: seen}, {Class: "seen low", Points: least}}
		s.add(figure{Title: "Rows readable so soon, %", Key: []key{{"seen", "share of these rows"}, {"seen low", "of all such rows at least, 95 %"}},
			Caption: "By the time of the answer that showed a row."}, p)
	}
	return s
}
