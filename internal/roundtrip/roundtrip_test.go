package roundtrip

import (
	"fmt"
	"strings"
	"testing"
)

func TestBetween(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		ms   float64 // 0 is not known
	}{
		{"us-east-1", "us-west-2", 64}, {"us-west-2", "us-east-1", 64}, {"eu-west-1", "us-east-1", 70},
		{"us-west-2", "eu-west-1", 118}, {"us-east-1", "us-east-1", 0}, {"us-east-1", "mars-1", 0}, {"", "", 0},
		{"us-east", "us-west-2", 0}, {"east-1", "us-west-2", 0},
	} {
		if ms, ok := Between(tt.a, tt.b); ms != tt.ms || ok != (tt.ms > 0) {
			t.Errorf("%s to %s: %v, %v, want %v", tt.a, tt.b, ms, ok, tt.ms)
		}
	}
}

// Each line is a pair in order, once, and each region has one with every other.
func TestTable(t *testing.T) {
	seen, regions := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(aws) {
		var a, b string
		var ms int
		if n, err := fmt.Sscanf(line, "%s %s %d\n", &a, &b, &ms); n != 3 || err != nil || a >= b || ms < 5 || ms > 500 || seen[a+b] {
			t.Errorf("line %q: %v", line, err)
		}
		seen[a+b], regions[a], regions[b] = true, true, true
	}
	if n := len(regions); n < 30 || len(seen) != n*(n-1)/2 {
		t.Errorf("%d pairs of %d regions", len(seen), n)
	}
}
