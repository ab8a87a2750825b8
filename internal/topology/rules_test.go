package topology

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"testing"
)

func TestSourceText(t *testing.T) {
	for text, want := range map[string]Source{
		"": {}, "node us-east-1-1": FromNode("us-east-1-1"), "every other node": FromOthers(), "group": FromGroup(), "operator": FromOperator(),
		"192.0.2.0/24": FromNetwork("192.0.2.0/24"), "pl-12": FromNetwork("pl-12"),
	} {
		var got Source
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want || got.String() != text {
			t.Errorf("%q: %#v (%q), %v", text, got, got.String(), err)
		}
	}
}

// olderPlan is what an older crossring wrote, which named each node. Its rules have no
// purpose.
func olderPlan(t *testing.T) Plan {
	t.Helper()
	data, err := os.ReadFile("testdata/plan-with-each-node.json")
	if err != nil {
		t.Fatal(err)
	}
	var p Plan
	if err := json.Unmarshal(data, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// once is a plan with all rules that name a node said once per node instead.
func once(p Plan) Plan {
	var list []Rule
	for _, r := range p.Rules {
		if r.Source.Node() != "" {
			r.Source = FromOthers()
			if slices.ContainsFunc(list, func(have Rule) bool { return have.Node == r.Node && have.Port == r.Port && have.Source == r.Source }) {
				continue
			}
		}
		list = append(list, r)
	}
	p.Rules = list
	return p
}

// Rules of an older crossring mean what they meant: their purposes are read from their
// reasons, and they open the same ports to the same nodes as the rules of today.
func TestOlderRules(t *testing.T) {
	older := olderPlan(t)
	if len(older.Rules) != 18 {
		t.Fatalf("%d rules", len(older.Rules))
	}
	purposes := map[string]Purpose{}
	for _, r := range older.Rules {
		purposes[fmt.Sprint(r.Port)] += r.Purpose + " "
	}
	want := map[string]Purpose{"22": "ssh ssh ssh ", "9042": "cql cql cql cql cql cql ", "7000": "internode internode internode internode internode internode internode internode internode "}
	if !reflect.DeepEqual(purposes, want) {
		t.Errorf("purposes by port: %q", purposes)
	}
	now := once(older)
	for _, from := range older.Nodes {
		for _, to := range older.Nodes {
			for name, p := range map[string]Plan{"older": older, "now": now} {
				admitted := slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.Node == to.Name && r.Port == 7000 && r.Admits(from.Name) })
				if admitted != (from.Name != to.Name) {
					t.Errorf("%s: %s to %s: %t", name, from.Name, to.Name, admitted)
				}
			}
		}
		if got := older.RuledInternodePort(from.Name); got != 7000 {
			t.Errorf("internode port of %s: %d", from.Name, got)
		}
	}
	if p := (Plan{Rules: []Rule{{Node: "a", Port: 9042, Purpose: ForCQL}, {Node: "a", Port: 7001, Purpose: ForInternode}}}); p.RuledInternodePort("a") != 7001 {
		t.Errorf("port %d", p.RuledInternodePort("a"))
	}
	if older.RuledInternodePort("other") != 0 {
		t.Error("a node without rules has a port")
	}
}

func openings(rules []Rule) []string {
	var list []string
	for _, r := range rules {
		list = append(list, fmt.Sprintf("%d %s", r.Port, r.Source))
	}
	return list
}

// Rules said once per node open, in a region's firewall, what rules that name each node
// do, in the same order.
func TestShared(t *testing.T) {
	older := olderPlan(t)
	for region, want := range map[string][]string{
		"us-east-1": {"7000 group", "7000 node us-east-1-2", "7000 node us-west-2-1", "9042 group", "9042 operator", "22 operator", "7000 node us-east-1-1"},
		"us-west-2": {"7000 group", "7000 node us-east-1-1", "7000 node us-east-1-2", "9042 group", "9042 operator", "22 operator"},
		"elsewhere": nil,
	} {
		for name, p := range map[string]Plan{"older": older, "now": once(older)} {
			if got := openings(p.Shared(region)); !slices.Equal(got, want) {
				t.Errorf("%s, %s: %q, want %q", name, region, got, want)
			}
		}
	}
	// A port of its own for each node's peers.
	p := Plan{Nodes: []Node{{Name: "a", Region: "r"}, {Name: "b", Region: "r"}}, Rules: []Rule{{Node: "a", Port: 1, Source: FromOthers()}, {Node: "b", Port: 2, Source: FromOthers()}}}
	if got := openings(p.Shared("r")); !slices.Equal(got, []string{"1 node b", "2 node a"}) {
		t.Errorf("%q", got)
	}
}
