package draw

import (
	"fmt"
	"math"
)

// Bars is a chart of several values in each of several groups.
type Bars struct {
	Y      string
	Groups []string
	Series []Series
}

// Series has a value for each group.
type Series struct {
	Name, Class string
	Values      []float64
}

// SVG is the chart; "" without values.
func (b Bars) SVG() string {
	largest := 0.0
	for _, s := range b.Series {
		for _, v := range s.Values {
			largest = math.Max(largest, v)
		}
	}
	if len(b.Series) == 0 || len(b.Groups) == 0 {
		return ""
	}
	f := &frame{xMax: float64(len(b.Groups))}
	ticks := Ticks(largest)
	f.yMax = ticks[len(ticks)-1]
	f.open(b.Y)
	for _, v := range ticks {
		f.line("grid", left, f.y(v), width-right, f.y(v))
		f.text("tick end", left-5, f.y(v)+4, number(v))
	}
	group := (width - left - right) / float64(len(b.Groups))
	wide := group * 0.8 / float64(len(b.Series))
	for i, name := range b.Groups {
		f.text("tick mid", f.x(float64(i)+0.5), height-bottom+17, name)
		for k, s := range b.Series {
			y := f.y(s.Values[i])
			fmt.Fprintf(&f.b, `<rect class="bar %s" x="%s" y="%s" width="%s" height="%s"><title>%s, %s: %s</title></rect>`, s.Class,
				at(f.x(float64(i))+group*0.1+float64(k)*wide), at(y), at(wide*0.9), at(height-bottom-y), escape(s.Name), escape(name), number(s.Values[i]))
		}
	}
	return f.close()
}
