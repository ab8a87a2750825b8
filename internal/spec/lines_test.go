package spec

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	const head = "version: crossring/v1\nname: a\nregions:\n- region: us-east-1\n- region: us-west-2\n- region: eu-west-1\nlines:\n"
	n := func(v float64) *float64 { return &v }
	for _, tt := range []struct {
		name, yaml string
		want       map[string]Line
		problem    string
	}{
		{"of a pair, in any order", "  us-west-2:us-east-1: {jitter_ms: 5, loss_percent: 0.1, mbit_per_s: 100}",
			map[string]Line{"us-east-1:us-west-2": {JitterMillis: n(5), LossPercent: n(0.1), Mbit: n(100)}}, ""},
		{"of one direction", "  us-west-2 -> us-east-1: {delay_ms: 40}", map[string]Line{"us-west-2 -> us-east-1": {DelayMillis: n(40)}}, ""},
		{"without blanks", "  us-west-2->us-east-1: {jitter_ms: 0}", map[string]Line{"us-west-2 -> us-east-1": {JitterMillis: n(0)}}, ""},
		{"named twice", "  us-west-2:us-east-1: {jitter_ms: 5}\n  us-east-1:us-west-2: {jitter_ms: 5}", nil, "cluster.yaml:9: lines.us-east-1:us-west-2: is named already, as the same line"},
		{"no pair", "  us-east-1: {jitter_ms: 5}", nil, "cluster.yaml:8: lines.us-east-1: is no pair of regions"},
		{"with itself", "  us-east-1:us-east-1: {jitter_ms: 5}", nil, "is no pair of regions"},
		{"no such region", "  us-east-1:us-west-1: {jitter_ms: 5}", nil, "there is no region us-west-1"},
		{"delay of both", "  us-east-1:us-west-2: {delay_ms: 5}", nil, "cluster.yaml:8: lines.us-east-1:us-west-2.delay_ms: is of one direction"},
		{"negative", "  us-east-1:us-west-2: {jitter_ms: -5}", nil, "cluster.yaml:8: lines.us-east-1:us-west-2.jitter_ms: must not be negative"},
		{"negative loss", "  us-east-1:us-west-2:\n    loss_percent: -5", nil, "cluster.yaml:9: lines.us-east-1:us-west-2.loss_percent: must not be negative"},
		{"all lost", "  us-east-1:us-west-2: {loss_percent: 100}", nil, "`fault partition` makes"},
		{"more than all lost", "  us-east-1:us-west-2: {loss_percent: 101}", nil, "less than 100 %"},
		{"no bandwidth", "  us-east-1:us-west-2: {mbit_per_s: 0}", nil, "`fault partition` makes"},
		{"hardly any", "  us-east-1:us-west-2: {mbit_per_s: 0.01}", nil, "must be from 0.1"},
		{"part of a ms", "  us-east-1:us-west-2: {jitter_ms: 0.5}", nil, "whole ms"},
		{"not a number", "  us-east-1:us-west-2: {jitter_ms: .nan}", nil, "must be a number"},
		{"unknown key", "  us-east-1:us-west-2: {jitter: 5}", nil, "cluster.yaml:8: lines.us-east-1:us-west-2.jitter: unknown key"},
		{"a number", "  us-east-1:us-west-2: 5", nil, "must be a mapping"},
		{"elsewhere", "  us-east-1:us-west-2: {jitter_ms: 5}\nprovider: ccm", nil, "goes with provider local"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse("cluster.yaml", []byte(head+tt.yaml+"\n"))
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Errorf("got %v, want %q", err, tt.problem)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got.Lines, tt.want) {
				t.Errorf("got %v, %v, want %v", got.Lines, err, tt.want)
			}
			data, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			var again Spec
			if err := json.Unmarshal(data, &again); err != nil || !reflect.DeepEqual(again.Lines, tt.want) {
				t.Errorf("from JSON %v, %v, want %v", again.Lines, err, tt.want)
			}
		})
	}
}
