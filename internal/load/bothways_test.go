package load

import (
	"reflect"
	"testing"

	"crossring/internal/topology"
)

func TestWays(t *testing.T) {
	p := topology.Plan{Keyspace: topology.Keyspace{Replication: map[string]int{"a": 1, "b": 2, "c": 1}}}
	for _, dc := range []string{"a", "b", "none", "c", "a"} {
		p.Nodes = append(p.Nodes, topology.Node{Datacenter: dc})
	}
	s := topology.Stress{}
	s.WriteDC, s.ReadDC, s.Rows = "b", "a", 7
	var got [][2]string
	for _, one := range ways(p, s) {
		got = append(got, [2]string{one.WriteDC, one.ReadDC})
		if one.Rows != 7 {
			t.Errorf("%+v", one)
		}
	}
	if want := [][2]string{{"b", "a"}, {"a", "b"}, {"a", "c"}, {"b", "c"}, {"c", "a"}, {"c", "b"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
