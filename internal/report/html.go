package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math/big"
	"strings"

	"crossring/internal/report/draw"
	"crossring/ringcheck"
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
	return data.write(w)
}

func (p pageData) write(w io.Writer) error {
	t, err := template.New("page").Option("missingkey=error").Parse(page)
	if err != nil {
		return fmt.Errorf("reading the page's template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return fmt.Errorf("making the page: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

// pageData is what page.html is filled with.
type pageData struct {
	Title    string
	State    string // stateGood, stateBad, or "" where neither can be said
	Verdict  []string
	Cards    []card
	Facts    []fact
	Rings    []ring
	Sections []section
	Text     string
	JSON     template.JS // made by encoding/json, which escapes < > and &
}

// The states of a run.
const (
	stateGood = "good"
	stateBad  = "bad"
)

// card is one count, set large. Bad ones stand out.
type card struct {
	Name, Value string
	Bad         bool
}

// fact is a thing about the run, and what it was.
type fact struct{ Name, Value string }

// ring is a datacenter as it is drawn.
type ring struct {
	SVG   template.HTML // made by draw, which escapes names
	Nodes []legend
}

type legend struct{ Class, Text string }

// section is some charts under a heading.
type section struct {
	Title  string
	Said   []string
	Table  [][]string // the first row is its head
	Charts []figure
}

type figure struct {
	Title   string
	Key     []key
	SVG     template.HTML // made by draw, which escapes names
	Caption string
}

// key says what a colour means.
type key struct{ Class, Name string }

func pageOf(d Document, c Course) (pageData, error) {
	p := pageData{Title: "Cross-region write and read: " + d.Cluster, Verdict: Verdict(d), State: state(d), Facts: d.facts()}
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
	p.Rings = rings(d.ring())
	p.Sections = d.sections(c)
	var text bytes.Buffer
	if err := Text(&text, d); err != nil {
		return p, err
	}
	p.Text = text.String()
	return p, p.carry(d)
}

// carry puts the document itself into the page.
func (p *pageData) carry(doc any) error {
	data, err := json.MarshalIndent(doc, "", "  ")
	p.JSON = template.JS(data)
	return err
}

// state is good where every row that was asked for is there, bad where one is not.
func state(d Document) string {
	w, r := d.Write, d.Read
	switch {
	case w != nil && (w.Failed+w.Unknown > 0 || w.Interrupted || w.Damaged),
		r != nil && (r.Missing+r.Wrong+r.Failed > 0 || r.Interrupted || r.Damaged),
		d.Lost != nil && *d.Lost > 0, d.RingAfter != nil && !d.RingAfter.OK():
		return stateBad
	case w != nil && r != nil:
		return stateGood
	}
	return ""
}

// facts are what a run was, apart from what came of it.
func (d Document) facts() []fact {
	var list []fact
	for _, row := range headerRows(d) {
		list = append(list, fact{row[0], row[1]})
	}
	return list
}

// rings draws each datacenter.
func rings(r *ringcheck.Ring) []ring {
	if r == nil {
		return nil
	}
	var all []ring
	for _, dc := range r.Datacenters {
		var nodes []draw.Node
		var one ring
		for i, n := range dc.Nodes {
			down := n.Status == ringcheck.Down
			nodes = append(nodes, draw.Node{Name: n.Name, Down: down, Places: places(n.Tokens, r.Partitioner)})
			text, class := strings.TrimSpace(n.Name+" "+n.Address), nodeClass(i)
			if n.OwnsEffective != nil {
				text += fmt.Sprintf(", %.0f %% of the rows", 100**n.OwnsEffective)
			}
			if down {
				text, class = text+", DOWN", "down"
			}
			one.Nodes = append(one.Nodes, legend{class, text})
		}
		one.SVG = template.HTML(draw.Ring(dc.Name, nodes))
		all = append(all, one)
	}
	return all
}

// nodeClass is the colour of the i-th node.
func nodeClass(i int) string { return fmt.Sprintf("n%d", i%8) }

// maxPlaces bounds the dots of a node.
const maxPlaces = 64

// places are where tokens stand on their ring, 0 to 1; none where they are no numbers.
func places(tokens []string, partitioner string) []float64 {
	low, size := new(big.Int), new(big.Int).Lsh(big.NewInt(1), 127)
	if partitioner == "Murmur3Partitioner" {
		low, size = new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), 63)), new(big.Int).Lsh(big.NewInt(1), 64)
	}
	var list []float64
	for _, text := range tokens {
		token, ok := new(big.Int).SetString(text, 10)
		if !ok || len(list) == maxPlaces {
			break
		}
		share, _ := new(big.Rat).SetFrac(token.Sub(token, low), size).Float64()
		list = append(list, share)
	}
	return list
}
