package meanwhile

import (
	"reflect"
	"testing"

	"crossring/internal/topology"
)

func TestPassed(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after Count
		want          []topology.Wire
	}{
		{"both ways", Count{1, map[string]int64{"a -> b": 10, "b -> a": 5}}, Count{1, map[string]int64{"b -> a": 6, "a -> b": 30}},
			[]topology.Wire{{From: "a", To: "b", Bytes: 20}, {From: "b", To: "a", Bytes: 1}}},
		{"nothing", Count{1, map[string]int64{"a -> b": 10}}, Count{1, map[string]int64{"a -> b": 10}}, []topology.Wire{{From: "a", To: "b"}}},
		{"a region that came", Count{1, map[string]int64{}}, Count{1, map[string]int64{"a -> b": 10}}, []topology.Wire{{From: "a", To: "b", Bytes: 10}}},
		{"one region", Count{1, map[string]int64{}}, Count{1, map[string]int64{}}, []topology.Wire{}},
		{"another keeper", Count{1, map[string]int64{"a -> b": 10}}, Count{2, map[string]int64{"a -> b": 30}}, nil},
		{"a keeper that does not count", Count{1, nil}, Count{1, nil}, nil},
		{"no keeper any more", Count{1, map[string]int64{"a -> b": 10}}, Count{}, nil},
	} {
		if got := Passed(tt.before, tt.after); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %#v, want %#v", tt.name, got, tt.want)
		}
	}
}
