package plan

import (
	"fmt"
	"testing"

	"crossring/internal/spec"
)

// A node more in one of 20 datacenters of 50: nearly all of that one move.
func BenchmarkBetween(b *testing.B) {
	s := spec.Spec{Name: "big"}
	for i := range 20 {
		s.Regions = append(s.Regions, spec.Region{Region: fmt.Sprintf("%cx-east-%d", 'a'+i, 1+i%9), Nodes: 50})
	}
	have, err := Build(s)
	if err != nil {
		b.Fatal(err)
	}
	want := s
	want.Regions = append([]spec.Region(nil), s.Regions...)
	want.Regions[3].Nodes = 51
	for b.Loop() {
		p, err := Between(ChangeRequest{Have: have, Want: want})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(p.Change.Steps)), "steps")
	}
}
