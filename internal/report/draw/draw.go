// Package draw makes charts as SVG: shapes with classes, whose colours are the page's, for a dark
// one and a light one. What has one name has one class, and so one colour, in every chart. It is pure.
package draw

import (
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Plot is a chart of lines over numbers.
type Plot struct {
	X, Y  string // what the axes have, with their units; that of the y axis belongs into the chart's title
	XMax  float64
	YMax  float64 // 0 is as much as there is
	Log   bool    // the y axis goes by powers of ten
	Lines []Line
	Bands []Band
	Marks []Mark
}

// Point is one of a line; a Y that is no number breaks it.
type Point struct{ X, Y float64 }

// Line is drawn in the page's colour of its class.
type Line struct {
	Name, Class string
	Points      []Point
}

// Band is what lies between two lines.
type Band struct {
	Name, Class string
	Low, High   []Point
}

// Mark is a stretch of the x axis that something held.
type Mark struct {
	Name     string
	From, To float64
}

// The size of a chart, in units of its text: small enough to be read on a phone.
const (
	width, height            = 480.0, 260.0
	left, right, top, bottom = 52.0, 10.0, 14.0, 40.0
	most                     = 6 // labels on an axis
)

// frame maps numbers to places.
type frame struct {
	xMax, yMin, yMax float64
	log              bool
	b                strings.Builder
}

func (f *frame) x(v float64) float64 { return left + v/f.xMax*(width-left-right) }

func (f *frame) y(v float64) float64 {
	share := v / f.yMax
	if f.log {
		share = math.Log(math.Max(v, f.yMin)/f.yMin) / math.Log(f.yMax/f.yMin)
	}
	return height - bottom - math.Min(math.Max(share, 0), 1)*(height-top-bottom)
}

// SVG is the chart; "" where no line has two points.
func (p Plot) SVG() string {
	longest, all := 0, []float64{}
	for _, l := range p.Lines {
		longest = max(longest, len(l.Points))
		for _, at := range l.Points {
			if !math.IsNaN(at.Y) && !math.IsInf(at.Y, 0) {
				all = append(all, at.Y)
			}
		}
	}
	if longest < 2 || len(all) == 0 || !(p.XMax > 0) {
		return ""
	}
	f := &frame{xMax: p.XMax, log: p.Log}
	var ticks []float64
	if p.Log {
		f.yMin, f.yMax, ticks = decades(all)
	} else {
		f.yMax = p.YMax
		if f.yMax == 0 {
			for _, v := range all {
				f.yMax = math.Max(f.yMax, v)
			}
		}
		ticks = Ticks(f.yMax)
		if p.YMax == 0 {
			f.yMax = ticks[len(ticks)-1]
		}
	}
	f.open(p.Y + " by " + p.X)
	for _, v := range ticks {
		f.line("grid", left, f.y(v), width-right, f.y(v))
		f.text("tick end", left-5, f.y(v)+4, number(v))
	}
	for _, v := range Ticks(p.XMax) {
		if v <= p.XMax*1.0001 {
			f.line("grid", f.x(v), height-bottom, f.x(v), height-bottom+4)
			f.text("tick mid", f.x(v), height-bottom+17, number(v))
		}
	}
	f.text("tick end", width-right, height-5, p.X)
	for _, m := range p.Marks {
		a, b := math.Max(m.From, 0), math.Min(m.To, p.XMax)
		if b < a {
			continue
		}
		fmt.Fprintf(&f.b, `<rect class="fault" x="%s" y="%s" width="%s" height="%s"><title>%s</title></rect>`,
			at(f.x(a)), at(top), at(math.Max(f.x(b)-f.x(a), 2)), at(height-top-bottom), escape(m.Name))
	}
	for _, band := range p.Bands {
		var path strings.Builder
		for i, at := range band.Low {
			f.step(&path, i == 0, at)
		}
		for i := len(band.High) - 1; i >= 0; i-- {
			f.step(&path, false, band.High[i])
		}
		fmt.Fprintf(&f.b, `<path class="band %s" d="%sZ"/>`, band.Class, path.String())
	}
	for _, l := range p.Lines {
		var path strings.Builder
		begin := true
		for _, at := range l.Points {
			if math.IsNaN(at.Y) || math.IsInf(at.Y, 0) {
				begin = true
				continue
			}
			f.step(&path, begin, at)
			begin = false
		}
		fmt.Fprintf(&f.b, `<path class="line %s" d="%s"/>`, l.Class, strings.TrimSpace(path.String()))
	}
	return f.close()
}

func (f *frame) step(path *strings.Builder, begin bool, p Point) {
	verb := "L"
	if begin {
		verb = "M"
	}
	fmt.Fprintf(path, "%s%s %s ", verb, at(f.x(p.X)), at(f.y(p.Y)))
}

func (f *frame) open(label string) {
	fmt.Fprintf(&f.b, `<svg class="plot" viewBox="0 0 %s %s" role="img" aria-label="%s">`, at(width), at(height), escape(label))
}

func (f *frame) close() string { return f.b.String() + "</svg>" }

func (f *frame) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(&f.b, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, at(x1), at(y1), at(x2), at(y2))
}

func (f *frame) text(class string, x, y float64, s string) {
	fmt.Fprintf(&f.b, `<text class="%s" x="%s" y="%s">%s</text>`, class, at(x), at(y), escape(s))
}

// Ticks are round numbers from 0 on: 1, 2 or 5 times a power of ten apart, the last of them
// most or more.
func Ticks(largest float64) []float64 {
	if !(largest > 0) {
		return []float64{0, 1}
	}
	step := math.Pow(10, math.Floor(math.Log10(largest/most)))
	for _, times := range []float64{1, 2, 5, 10, 20} {
		if largest/(step*times) <= most-1 {
			step *= times
			break
		}
	}
	var list []float64
	for i := 0; ; i++ {
		v := float64(i) * step
		if list = append(list, v); v >= largest*0.9999 {
			return list
		}
	}
}

// decades are the powers of ten around values, those that are 0 left out.
func decades(values []float64) (least, largest float64, ticks []float64) {
	least, largest = math.Inf(1), 1.0
	for _, v := range values {
		if v > 0 {
			least = math.Min(least, v)
		}
		largest = math.Max(largest, v)
	}
	low := math.Floor(math.Log10(math.Max(math.Min(least, largest), 0.01)))
	high := math.Max(math.Ceil(math.Log10(largest)), low+1)
	for e := low; e <= high; e++ {
		ticks = append(ticks, math.Pow(10, e))
	}
	return ticks[0], ticks[len(ticks)-1], ticks
}

// number is a label: with a comma between thousands, and no more digits than it has.
func number(v float64) string {
	s := strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64)
	whole, rest, dot := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if dot {
		whole += "." + rest
	}
	return whole
}

// at is a place, to a tenth.
func at(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // into memory, which takes all
	return b.String()
}
