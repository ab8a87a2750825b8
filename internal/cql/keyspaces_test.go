package cql

import (
	"maps"
	"testing"
)

func TestFactors(t *testing.T) {
	for name, tt := range map[string]struct {
		options map[string]string
		want    map[string]int
	}{
		"by datacenter": {map[string]string{"class": "NetworkTopologyStrategy", "us-east": "2", "us-west-2": "1"}, map[string]int{"us-east": 2, "us-west-2": 1}},
		"over the ring": {map[string]string{"class": "SimpleStrategy", "replication_factor": "3"}, map[string]int{"": 3}},
		"transient":     {map[string]string{"class": "NetworkTopologyStrategy", "us-east": "3/1"}, map[string]int{"us-east": 3}},
		"everywhere":    {map[string]string{"class": "EverywhereStrategy"}, map[string]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := factors("k", tt.options)
			if got.Keyspace != "k" || got.Class != tt.options["class"] || !maps.Equal(got.ByDatacenter, tt.want) {
				t.Errorf("got %+v, want %v", got, tt.want)
			}
		})
	}
}
