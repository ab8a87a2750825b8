package report

import (
	"time"

	"crossring/internal/meanwhile"
	"crossring/internal/report/draw"
)

// strips are what is shown of servers, where they said it.
var strips = []struct {
	title, unit, caption string
	of                   func(meanwhile.Second) *float64
	scale                float64
	always               bool // also where it is 0 all the time
}{
	{"Processors", "processors", "What each server's process took.", func(s meanwhile.Second) *float64 { return s.CPU }, 1, true},
	{"Garbage collection, ms per second", "ms/s", "What the collectors took.", func(s meanwhile.Second) *float64 { return s.GCMillis }, 1, true},
	{"Heap, MB", "MB", "In use, at most in each step.", func(s meanwhile.Second) *float64 { return s.HeapBytes }, 1e-6, true},
	{"Reads that it coordinated, ms", "ms", "Mean time.", func(s meanwhile.Second) *float64 { return s.CoordinatorRead }, 1, false},
	{"Writes that it coordinated, ms", "ms", "Mean time.", func(s meanwhile.Second) *float64 { return s.CoordinatorWrite }, 1, false},
	{"Pending compactions", "compactions", "At most in each step.", func(s meanwhile.Second) *float64 { return s.Compactions }, 1, false},
	{"Reads in the queue of their stage", "reads", "At most in each step.", func(s meanwhile.Second) *float64 { return s.PendingReads }, 1, false},
	{"Writes in the queue of their stage", "writes", "At most in each step.", func(s meanwhile.Second) *float64 { return s.PendingWrites }, 1, false},
	{"Hints stored per second", "hints/s", "For nodes that did not answer.", func(s meanwhile.Second) *float64 { return s.HintsStored }, 1, false},
	{"Hints delivered per second", "hints/s", "To nodes that answer again.", func(s meanwhile.Second) *float64 { return s.HintsDelivered }, 1, false},
	{"Dropped writes per second", "writes/s", "They came too late to be done.", func(s meanwhile.Second) *float64 { return s.Dropped }, 1, false},
}

// serversSection draws what the servers did on the axis of the load, which began at start and
// took so long; nil is not known, and then their own time is taken.
func serversSection(r meanwhile.Record, axis string, start *time.Time, end float64, marks []draw.Mark) (section, bool) {
	s := section{Title: "The servers meanwhile"}
	if r.ServersMissing != "" {
		s.Said = append(s.Said, "Of the servers nothing is known: "+r.ServersMissing+".")
	}
	offset := 0.0
	if start != nil && r.ServersSince != nil {
		offset = r.ServersSince.Sub(*start).Seconds()
	} else {
		axis, marks = "seconds since the load began", nil
	}
	for _, server := range r.Servers {
		if server.Missing != "" {
			s.Said = append(s.Said, "Of "+server.Name+" is not all known: "+server.Missing+".")
		}
		if n := len(server.Seconds); n > 0 {
			end = max(end, offset+float64(server.Seconds[n-1].T+server.StepSeconds))
		}
	}
	for _, strip := range strips {
		p := draw.Plot{X: axis, Y: strip.unit, XMax: end, Marks: marks}
		f := figure{Title: strip.title, Caption: strip.caption}
		seen := strip.always
		for i, server := range r.Servers {
			class := nodeClass(i)
			l := draw.Line{Name: server.Name, Class: class}
			for _, at := range server.Seconds {
				y := orNaN(strip.of(at)) * strip.scale
				seen = seen || y > 0
				l.Points = append(l.Points, draw.Point{X: max(0, offset+float64(at.T)+float64(server.StepSeconds)/2), Y: y})
			}
			p.Lines = append(p.Lines, l)
			f.Key = append(f.Key, key{class, server.Name})
		}
		if seen {
			s.add(f, p)
		}
	}
	return s, len(s.Charts)+len(s.Said) > 0
}
