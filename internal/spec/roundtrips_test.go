package spec

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestRoundTrips(t *testing.T) {
	const head = "version: crossring/v1\nname: a\nregions:\n- region: us-east-1\n- region: us-west-2\n- region: eu-west-1\n"
	for _, tt := range []struct {
		name, yaml string
		want       RoundTrips
		problem    string
	}{
		{"none", "", nil, ""},
		{"one for all", "rtt_ms: 12.5", RoundTrips{AllPairs: 12.5}, ""},
		{"pairs, in any order", "rtt_ms: {us-east-1:us-west-2: 64, us-west-2:eu-west-1: 118}", RoundTrips{"us-east-1:us-west-2": 64, "eu-west-1:us-west-2": 118}, ""},
		{"named twice", "rtt_ms:\n  us-east-1:us-west-2: 64\n  us-east-1:us-west-2: 64", nil, "occurs twice"},
		{"the other way round", "rtt_ms:\n  us-east-1:us-west-2: 64\n  us-west-2:us-east-1: 70", nil, "a round trip has no direction"},
		{"no such region", "rtt_ms: {us-east-1:us-west-1: 64}", nil, "there is no region us-west-1"},
		{"no pair", "rtt_ms: {us-east-1: 64}", nil, "is no pair of regions"},
		{"with itself", "rtt_ms: {us-east-1:us-east-1: 64}", nil, "is no pair of regions"},
		{"negative", "rtt_ms: {us-east-1:us-west-2: -1}", nil, "must not be negative"},
		{"too long", "rtt_ms: {us-east-1:us-west-2: 60001}", nil, "must be between 0 and 60000"},
		{"all too long", "rtt_ms: 60001", nil, "must be between 0 and 60000"},
		{"no number", "rtt_ms: {us-east-1:us-west-2: far}", nil, "must be a number"},
		{"a list", "rtt_ms: [64]", nil, "must be a number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse("cluster.yaml", []byte(head+tt.yaml+"\n"))
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Errorf("got %v, want %q", err, tt.problem)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got.RTT, tt.want) {
				t.Errorf("got %v, %v, want %v", got.RTT, err, tt.want)
			}
			data, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			var again Spec
			if err := json.Unmarshal(data, &again); err != nil || !reflect.DeepEqual(again.RTT, tt.want) {
				t.Errorf("from JSON %v, %v, want %v", again.RTT, err, tt.want)
			}
		})
	}
}

// What an earlier crossring has written down is read.
func TestRoundTripsOfBefore(t *testing.T) {
	var s Spec
	if err := json.Unmarshal([]byte(`{"rtt_ms": 80}`), &s); err != nil || !reflect.DeepEqual(s.RTT, RoundTrips{AllPairs: 80}) {
		t.Errorf("%v, %v", s.RTT, err)
	}
}
