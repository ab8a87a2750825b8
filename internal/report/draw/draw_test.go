package draw

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		most float64
		want []float64
	}{
		{18, []float64{0, 5, 10, 15, 20}}, {13, []float64{0, 5, 10, 15}}, {1, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}}, {9999, []float64{0, 2000, 4000, 6000, 8000, 10000}},
		{5700, []float64{0, 2000, 4000, 6000}}, {0, []float64{0, 1}}, {math.NaN(), []float64{0, 1}},
	} {
		got := Ticks(tt.most)
		for i := range got {
			got[i] = math.Round(got[i]*1e9) / 1e9
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%g: %v, want %v", tt.most, got, tt.want)
		}
	}
}

// FuzzTicks: never too many, never short of the value, even steps.
func FuzzTicks(f *testing.F) {
	f.Add(18.0)
	f.Add(1e-7)
	f.Add(5700.0)
	f.Add(123456789.0)
	f.Fuzz(func(t *testing.T, v float64) {
		if !(v > 1e-9 && v < 1e15) {
			t.Skip("no such axis")
		}
		list := Ticks(v)
		if n := len(list); n < 2 || n > most+1 || list[n-1] < v*0.999 || list[n-2] > v*1.001 {
			t.Errorf("%g: %v", v, list)
		}
	})
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1000: "1,000", 0.2: "0.2", 1234567: "1,234,567", 0.1 + 0.2: "0.3"} {
		if got := number(v); got != want {
			t.Errorf("%g is %s, want %s", v, got, want)
		}
	}
}

func plot() Plot {
	var a, b []Point
	for i := range 20 {
		a = append(a, Point{float64(i), float64(100 + i)})
		b = append(b, Point{float64(i), float64(90 + i)})
	}
	a[7].Y = math.NaN()
	return Plot{
		X: "seconds", Y: "rows <a second>", XMax: 19, Lines: []Line{{"write", "write", a}}, Bands: []Band{{"", "band", b, b}}, Marks: []Mark{{"partition & more", 5, 9}},
	}
}

// What is drawn is XML whatever the names are, and stays inside its frame.
func TestSVG(t *testing.T) {
	log := plot()
	log.Log = true
	for _, svg := range []string{
		plot().SVG(), log.SVG(), Bars{"ms", []string{"p50", "p99"}, []Series{{"a<b", "write", []float64{1, 2}}}}.SVG(),
		Ring("us-east", []Node{{"a", false, []float64{0, 0.5}}, {"b&c", true, []float64{0.25}}}),
	} {
		dec := xml.NewDecoder(strings.NewReader(svg))
		for {
			_, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v in %s", err, svg)
			}
		}
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Error(svg)
		}
	}
	svg := plot().SVG()
	widest := 0.0
	for _, m := range regexp.MustCompile(`[ML]([0-9.]+) ([0-9.]+)`).FindAllStringSubmatch(svg, -1) {
		x, _ := strconv.ParseFloat(m[1], 64)
		y, _ := strconv.ParseFloat(m[2], 64)
		widest = math.Max(widest, x)
		if x < left-0.1 || x > width-right+0.1 || y < top-0.1 || y > height-bottom+0.1 {
			t.Errorf("%g, %g is outside", x, y)
		}
	}
	if widest < width-right-0.2 {
		t.Errorf("the line ends at %g of %g", widest, width-right)
	}
	if n := strings.Count(svg, "M"); n != 3 { // a line in two parts, and a band
		t.Errorf("%d beginnings in %s", n, svg)
	}
	for _, p := range []Plot{{}, {XMax: 1, Lines: []Line{{"", "", []Point{{0, 1}}}}}, {Lines: plot().Lines}} {
		if got := p.SVG(); got != "" {
			t.Errorf("a chart of nothing: %s", got)
		}
	}
}

func TestDecades(t *testing.T) {
	for _, tt := range []struct {
		values    []float64
		low, high float64
	}{{[]float64{38, 42}, 10, 100}, {[]float64{0, 25_000, 40}, 10, 100_000}, {[]float64{0}, 1, 10}, {[]float64{0.5, 1}, 0.1, 1}} {
		low, high, _ := decades(tt.values)
		if math.Abs(low-tt.low) > 1e-9 || math.Abs(high-tt.high) > 1e-9 {
			t.Errorf("%v: %g to %g", tt.values, low, high)
		}
	}
}
