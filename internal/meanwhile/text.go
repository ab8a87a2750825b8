package meanwhile

import (
	"fmt"
	"strconv"

	"crossring/internal/topology"
)

// Text is a line for each of what passed, as people read it.
func Text(wire []topology.Wire) []string {
	var lines []string
	for _, w := range wire {
		lines = append(lines, w.String())
	}
	return lines
}

// unknown stands for what nobody told.
const unknown = "-"

// Table has a row for each server under a head, and the reasons why some tell nothing.
func Table(servers []Server) (rows [][]string, missing []string) {
	rows = [][]string{{"", "CPU mean", "CPU most", "GC ms/s", "heap most", "compactions", "writes queued", "reads queued", "hints stored", "delivered", "dropped", "write ms", "read ms"}}
	for _, s := range servers {
		if s.Missing != "" {
			missing = append(missing, s.Name+": "+s.Missing)
		}
		if len(s.Seconds) == 0 {
			continue
		}
		of := func(field func(Second) *float64) figures { return gather(s, field) }
		cpu := of(func(p Second) *float64 { return p.CPU })
		rows = append(rows, []string{
			s.Name, cpu.mean("%.2f"), cpu.most("%.2f"),
			of(func(p Second) *float64 { return p.GCMillis }).mean("%.1f"),
			of(func(p Second) *float64 { return p.HeapBytes }).megabytes(),
			of(func(p Second) *float64 { return p.Compactions }).most("%.0f"),
			of(func(p Second) *float64 { return p.PendingWrites }).most("%.0f"),
			of(func(p Second) *float64 { return p.PendingReads }).most("%.0f"),
			of(func(p Second) *float64 { return p.HintsStored }).sum(s.StepSeconds),
			of(func(p Second) *float64 { return p.HintsDelivered }).sum(s.StepSeconds),
			of(func(p Second) *float64 { return p.Dropped }).sum(s.StepSeconds),
			of(func(p Second) *float64 { return p.CoordinatorWrite }).mean("%.2f"),
			of(func(p Second) *float64 { return p.CoordinatorRead }).mean("%.2f"),
		})
	}
	if len(rows) == 1 {
		rows = nil
	}
	return rows, missing
}

// figures are those of a server over its time.
type figures struct {
	n          int
	all, worst float64
}

func gather(s Server, field func(Second) *float64) (f figures) {
	for _, p := range s.Seconds {
		if v := field(p); v != nil {
			f.n, f.all, f.worst = f.n+1, f.all+*v, max(f.worst, *v)
		}
	}
	return f
}

func (f figures) format(v float64, format string) string {
	if f.n == 0 {
		return unknown
	}
	return fmt.Sprintf(format, v)
}

func (f figures) mean(format string) string { return f.format(f.all/float64(max(f.n, 1)), format) }
func (f figures) most(format string) string { return f.format(f.worst, format) }
func (f figures) megabytes() string         { return f.format(f.worst/1e6, "%.0f MB") }

// sum is how many there were in all.
func (f figures) sum(step int) string {
	if f.n == 0 {
		return unknown
	}
	return strconv.FormatFloat(f.all*float64(step), 'f', 0, 64)
}
