package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var page string

// HTML writes the report as one page that needs nothing else: no script runs,
// nothing is fetched. It has the verdict, charts, the text report, and the
// document itself as JSON.
func HTML(w io.Writer, d Document, c Course) error {
	data, err := pageOf(d, c)
	if err != nil {
		return fmt.Errorf("making the page: %w", err)
	}
	t, err := template.New("page").Option("missingkey=error").Parse(page)
	if err != nil {
		return fmt.Errorf("reading the page's template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return fmt.Errorf("making the page: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

// pageData is what page.html is filled with.
type pageData struct {
	Title   string
	Verdict []string
	Cards   []card
	Charts  []figure
	Text    string
	JSON    template.JS // made by encoding/json, which escapes < > and &
}

// card is one count, set large. Bad ones stand out.
type card struct {
	Name, Value string
	Bad         bool
}

type figure struct {
	SVG     template.HTML // made by the chart library of numbers and our own words
	Caption string
}

func pageOf(d Document, c Course) (pageData, error) {
	p := pageData{Title: "Cross-region write and read: " + d.Cluster, Verdict: Verdict(d)}
	if d.Write != nil {
		p.Cards = append(p.Cards,
			card{"written per second", rate(d.Write.OpsPerSec), false},
			card{"acknowledged", Count(d.Write.Acknowledged), false},
			card{"writes failed", Count(d.Write.Failed), d.Write.Failed > 0},
			card{"writes unknown", Count(d.Write.Unknown), d.Write.Unknown > 0})
	}
	if d.Read != nil {
		p.Cards = append(p.Cards,
			card{"read per second", rate(d.Read.OpsPerSec), false},
			card{"found", Count(d.Read.Found), false},
			card{"missing at first", Count(d.Read.MissingAtFirstRead), d.Read.MissingAtFirstRead > 0},
			card{"missing for good", Count(d.Read.Missing), d.Read.Missing > 0},
			card{"wrong", Count(d.Read.Wrong), d.Read.Wrong > 0},
			card{"reads failed", Count(d.Read.Failed), d.Read.Failed > 0})
	}
	if d.Read != nil && d.Outcomes != nil {
		lost := card{"lost, of those acknowledged", "not known", true}
		if d.Lost != nil {
			lost.Value, lost.Bad = Count(*d.Lost), *d.Lost > 0
		}
		p.Cards = append(p.Cards, lost)
	}
	if err := p.draw(d, c); err != nil {
		return p, err
	}
	var text bytes.Buffer
	if err := Text(&text, d); err != nil {
		return p, err
	}
	p.Text = text.String()
	doc, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return p, err
	}
	p.JSON = template.JS(doc)
	return p, nil
}

// draw makes the charts that there is something to show in.
func (p *pageData) draw(d Document, c Course) error {
	longest := int64(0)
	if n := len(c.Write); n > 0 {
		longest = c.Write[n-1].At
	}
	if n := len(c.Read); n > 0 {
		longest = max(longest, c.Read[n-1].At)
	}
	step := longest/maxPoints + 1
	write, read := drawn(c.Write, step), drawn(c.Read, step)
	each := "each second"
	if step > 1 {
		each = fmt.Sprintf("every %d seconds", step)
	}
	add := func(svg string, err error, caption string) error {
		if err == nil && svg != "" {
			p.Charts = append(p.Charts, figure{template.HTML(svg), caption})
		}
		return err
	}
	svg, err := lines("rows per second", write.speed, read.speed, step)
	if err := add(svg, err, "First attempts answered or given up, "+each+". The last point is not a whole one."); err != nil {
		return err
	}
	svg, err = lines("99th percentile, milliseconds", write.p99, read.p99, step)
	if err := add(svg, err, "Service time: the worst second's 99th percentile, "+each+"; a gap where nothing was answered."); err != nil {
		return err
	}
	svg, err = bars(d)
	return add(svg, err, "Service time runs from sending to answer, response time from when the request was due.")
}
