package plan

import (
	"maps"
	"strings"
	"testing"

	"crossring/internal/spec"
	"crossring/internal/topology"
)

func TestWays(t *testing.T) {
	const head = "version: crossring/v1\nname: a\nregions:\n- region: us-east-1\n- region: us-west-2\n"
	const east, west = "us-east-1 -> us-west-2", "us-west-2 -> us-east-1"
	for _, tt := range []struct {
		name, yaml string
		rtt        float64
		want       map[string]topology.Way
		problem    string
	}{
		{"none", "", 64, nil, ""},
		{"of both", "lines: {us-east-1:us-west-2: {jitter_ms: 5, loss_percent: 1, mbit_per_s: 10}}", 64, map[string]topology.Way{
			east: {DelayMillis: 32, JitterMillis: 5, LossPercent: 1, Mbit: 10}, west: {DelayMillis: 32, JitterMillis: 5, LossPercent: 1, Mbit: 10}}, ""},
		{"of one more than of both", "lines: {us-east-1:us-west-2: {jitter_ms: 5}, us-west-2->us-east-1: {jitter_ms: 0}}", 64,
			map[string]topology.Way{east: {DelayMillis: 32, JitterMillis: 5}}, ""},
		{"one delay", "lines: {us-west-2->us-east-1: {delay_ms: 40}}", 64, map[string]topology.Way{east: {DelayMillis: 24}, west: {DelayMillis: 40}}, ""},
		{"one delay of a round trip", "rtt_ms: 100\nlines: {us-west-2->us-east-1: {delay_ms: 40}}", 100, map[string]topology.Way{east: {DelayMillis: 60}, west: {DelayMillis: 40}}, ""},
		{"both delays", "lines: {us-west-2->us-east-1: {delay_ms: 40}, us-east-1->us-west-2: {delay_ms: 80}}", 120,
			map[string]topology.Way{east: {DelayMillis: 80}, west: {DelayMillis: 40}}, ""},
		{"both delays, and half each", "lines: {us-west-2->us-east-1: {delay_ms: 40}, us-east-1->us-west-2: {delay_ms: 40}}", 80, nil, ""},
		{"both delays and a round trip", "rtt_ms: 120\nlines: {us-west-2->us-east-1: {delay_ms: 40}, us-east-1->us-west-2: {delay_ms: 80}}", 120,
			map[string]topology.Way{east: {DelayMillis: 80}, west: {DelayMillis: 40}}, ""},
		{"another round trip", "rtt_ms: {us-east-1:us-west-2: 100}\nlines: {us-west-2->us-east-1: {delay_ms: 40}, us-east-1->us-west-2: {delay_ms: 80}}", 0, nil,
			"c.yaml:7: lines.us-east-1 -> us-west-2.delay_ms: both directions together take 120 ms, and rtt_ms says 100"},
		{"longer than both", "lines:\n  us-west-2->us-east-1: {delay_ms: 65}", 0, nil, "c.yaml:7: lines.us-west-2 -> us-east-1.delay_ms: 65 ms is more than the round trip of 64 ms"},
		{"jitter longer than the delay", "lines:\n  us-west-2:us-east-1:\n    jitter_ms: 33", 0, nil, "c.yaml:8: lines.us-east-1:us-west-2.jitter_ms: from us-east-1 to us-west-2: 33 ms is more than the delay of 32 ms"},
		{"jitter longer than one delay", "lines:\n  us-west-2:us-east-1:\n    jitter_ms: 20\n  us-east-1->us-west-2: {delay_ms: 10}", 0, nil, "from us-east-1 to us-west-2: 20 ms is more than the delay of 10 ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := spec.Parse("c.yaml", []byte(head+tt.yaml+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			p, err := Build(s)
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Errorf("got %v, want %q", err, tt.problem)
				}
				return
			}
			if err != nil || !maps.Equal(p.Ways, tt.want) || p.RTT("us-east-1", "us-west-2") != tt.rtt {
				t.Errorf("got %v, %v, round trip %v", p.Ways, err, p.RTT("us-east-1", "us-west-2"))
			}
			for _, key := range []string{east, west} {
				from, to, _ := strings.Cut(key, " -> ")
				if way, named := tt.want[key]; named && p.Way(from, to) != way {
					t.Errorf("%s: %v", key, p.Way(from, to))
				}
			}
		})
	}
}
