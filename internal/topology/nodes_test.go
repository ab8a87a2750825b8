package topology

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func names(nodes []Node) string {
	var list []string
	for _, n := range nodes {
		list = append(list, n.Name)
	}
	return strings.Join(list, " ")
}

func TestInsertNode(t *testing.T) {
	have := []Node{{Name: "a1", Region: "a", Zone: "aa"}, {Name: "a2", Region: "a", Zone: "ab"}, {Name: "a3", Region: "a", Zone: "aa"}, {Name: "b1", Region: "b", Zone: "ba"}}
	for zone, want := range map[string]string{
		"aa": "a1 a2 a3 new b1", "ab": "a1 a2 new a3 b1",
		"ac": "a1 a2 a3 new b1", // the first in its zone, behind its region
		"ba": "a1 a2 a3 b1 new", "ca": "a1 a2 a3 b1 new",
	} {
		before := slices.Clone(have)
		if got := names(InsertNode(have, Node{Name: "new", Region: zone[:1], Zone: zone})); got != want || !reflect.DeepEqual(have, before) {
			t.Errorf("in %s: %s, want %s", zone, got, want)
		}
	}
	if got := names(WithoutNode(have, "a2")); got != "a1 a3 b1" || len(have) != 4 {
		t.Errorf("without one: %s", got)
	}
}

func TestWithNodes(t *testing.T) {
	p := Plan{Nodes: []Node{{Name: "a1", Zone: "aa", Datacenter: "a", Rack: "ra", Tokens: []string{"0"}, Ports: Ports{Native: 9042}}}}
	moved := Node{Name: "a1", Zone: "ab", Datacenter: "a", Rack: "rb", Tokens: []string{"7"}, Seed: true, PublicAddress: "192.0.2.1", PrivateAddress: "10.0.0.1",
		Layout: Layout{Root: "/"}, Host: &Host{}, Ports: Ports{Native: 1}}
	fresh := Node{Name: "a2", Zone: "aa", Rack: "ra", Host: &Host{}}
	got := p.WithNodes([]Node{moved, fresh})
	want := []Node{
		{Name: "a1", Zone: "aa", Datacenter: "a", Rack: "ra", Tokens: []string{"7"}, Seed: true, Ports: Ports{Native: 9042}},
		{Name: "a2", Zone: "aa", Rack: "ra"},
	}
	if !reflect.DeepEqual(got.Nodes, want) || p.Nodes[0].Tokens[0] != "0" {
		t.Errorf("%+v, want %+v", got.Nodes, want)
	}
}
