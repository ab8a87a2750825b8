package draw

import (
	"fmt"
	"math"

	"crossring/internal/plain"
)

// Node is one on a ring.
type Node struct {
	Name   string
	Down   bool
	Places []float64 // of its tokens: from 0 at the top, clockwise, up to 1
}

// Ring is a datacenter: a circle, with a dot for each token of each node, in a colour of the
// node's own.
func Ring(name string, nodes []Node) string {
	const size, radius = 160.0, 62.0
	f := &frame{}
	fmt.Fprintf(&f.b, `<svg class="ring" viewBox="0 0 %s %s" role="img" aria-label="%s">`, at(size), at(size), escape("the ring of "+name))
	fmt.Fprintf(&f.b, `<circle class="circle" cx="%s" cy="%s" r="%s"/>`, at(size/2), at(size/2), at(radius))
	f.text("tick mid", size/2, size/2-2, name)
	f.text("tick mid", size/2, size/2+14, plain.Count(len(nodes), "node"))
	for i, n := range nodes {
		class := fmt.Sprintf("node n%d", i%8)
		if n.Down {
			class = "node down"
		}
		dot := 7.0
		if len(n.Places) > 4 {
			dot = 2.5
		}
		for _, p := range n.Places {
			x, y := size/2+radius*math.Sin(2*math.Pi*p), size/2-radius*math.Cos(2*math.Pi*p)
			fmt.Fprintf(&f.b, `<circle class="%s" cx="%s" cy="%s" r="%s"><title>%s</title></circle>`, class, at(x), at(y), at(dot), escape(n.Name))
		}
	}
	return f.close()
}
