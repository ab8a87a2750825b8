package report

import (
	"fmt"
	"math"
	"strconv"

	"crossring/stress/results"

	"github.com/go-analyze/charts"
)

// Course is how a run went over time, second by second, as stress.Seconds tells
// it. Either may be empty.
type Course struct {
	Write []results.Second
	Read  []results.Second
}

const (
	chartWidth  = 960
	chartHeight = 300
	// maxPoints is how many points a line is drawn with. Longer courses are put
	// together into equal stretches.
	maxPoints = 240
)

// course is a phase as it is drawn: for each stretch of time, from the start of
// its phase.
type course struct {
	step  int64     // seconds in a stretch
	speed []float64 // rows per second; 0 in a stretch without answers
	p99   []float64 // the worst second's p99 in ms; null without answers
}

// drawn puts seconds together, so that both phases fit into maxPoints.
func drawn(secs []results.Second, step int64) course {
	c := course{step: step}
	if len(secs) == 0 {
		return c
	}
	n := secs[len(secs)-1].At/step + 1
	c.speed, c.p99 = make([]float64, n), make([]float64, n)
	for i := range c.p99 {
		c.p99[i] = charts.GetNullValue()
	}
	for _, s := range secs {
		i := s.At / step
		c.speed[i] += float64(s.Ops) / float64(step)
		if c.p99[i] == charts.GetNullValue() || s.Latency.P99 > c.p99[i] {
			c.p99[i] = s.Latency.P99
		}
	}
	return c
}

// lines is one chart over time, as SVG; "" when there is nothing to draw.
func lines(title string, write, read []float64, step int64) (string, error) {
	n := max(len(write), len(read))
	if n < 2 {
		return "", nil
	}
	var data [][]float64
	var names []string
	for _, s := range []struct {
		name   string
		values []float64
	}{{"write", write}, {"read", read}} {
		if len(s.values) == 0 {
			continue
		}
		for len(s.values) < n {
			s.values = append(s.values, charts.GetNullValue())
		}
		data, names = append(data, s.values), append(names, s.name)
	}
	opt := charts.NewLineChartOptionWithData(data)
	opt.Title.Text = title
	opt.Title.FontStyle.FontSize = 13
	opt.Legend.SeriesNames = names
	opt.Symbol = charts.Symbol{Shape: charts.SymbolNone}
	opt.LineStrokeWidth = 1.5
	opt.XAxis.Title = "seconds since the phase began"
	opt.XAxis.TitleFontStyle.FontSize = 10
	opt.XAxis.BoundaryGap = charts.Ptr(false)
	opt.XAxis.LabelCount = 10
	opt.XAxis.LabelFontStyle.FontSize = 10
	opt.XAxis.Labels = make([]string, n)
	for i := range n {
		opt.XAxis.Labels[i] = strconv.FormatInt(int64(i)*step, 10)
	}
	opt.YAxis[0].Min = charts.Ptr(0.0)
	opt.YAxis[0].LabelFontStyle.FontSize = 10
	opt.ValueFormatter = axisNumber
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: chartWidth, Height: chartHeight})
	if err := p.LineChart(opt); err != nil {
		return "", fmt.Errorf("drawing %s: %w", title, err)
	}
	svg, err := p.Bytes()
	return string(svg), err
}

// bars is the percentiles of the phases side by side, as SVG; "" when there are
// none. The maximum and the lag are left to the tables: they would flatten the
// rest.
func bars(d Document) (string, error) {
	var data [][]float64
	var names []string
	add := func(name string, p results.Percentiles) {
		data = append(data, []float64{p.P50, p.P95, p.P99, p.P999})
		names = append(names, name)
	}
	phase := func(f results.Frame) {
		add(f.Op+", service", f.Latency)
		if f.Response != nil {
			add(f.Op+", response", *f.Response)
		}
	}
	if d.Write != nil {
		phase(d.Write.Frame)
	}
	if d.Read != nil {
		phase(d.Read.Frame)
	}
	if len(data) == 0 {
		return "", nil
	}
	opt := charts.NewBarChartOptionWithData(data)
	opt.Title.Text = "milliseconds by percentile"
	opt.Title.FontStyle.FontSize = 13
	opt.Legend.SeriesNames = names
	opt.CategoryAxis.Labels = []string{"p50", "p95", "p99", "p99.9"}
	opt.ValueAxis[0].Min = charts.Ptr(0.0)
	opt.ValueAxis[0].LabelFontStyle.FontSize = 10
	opt.ValueFormatter = axisNumber
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: chartWidth, Height: chartHeight})
	if err := p.BarChart(opt); err != nil {
		return "", fmt.Errorf("drawing the percentiles: %w", err)
	}
	svg, err := p.Bytes()
	return string(svg), err
}

func axisNumber(v float64) string {
	if v == math.Trunc(v) {
		return Count(int64(v))
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
