package ringcheck

import (
	"errors"
	"strings"
	"testing"

	"crossring/internal/cql"
	"crossring/internal/topology"
)

// What each operation is called with, by series, and what comes of a refusal. That
// real servers have operations of these names is tested on real servers.
func TestOperations(t *testing.T) {
	for name, tt := range map[string]struct {
		version string
		do      func(*testing.T, Query) error
		table   answers
		calls   string // operation and arguments
		says    string // in the error; "" for none
	}{
		"leave, old": {"1.2", func(t *testing.T, q Query) error { return Decommission(t.Context(), q, q.Inventory.Nodes[0]) },
			answers{"decommission()": nil}, `decommission() null`, ""},
		"leave": {"5.0", func(t *testing.T, q Query) error { return Decommission(t.Context(), q, q.Inventory.Nodes[0]) },
			answers{"decommission(boolean)": nil}, `decommission(boolean) [true]`, ""},
		"move": {"5.0", func(t *testing.T, q Query) error { return Move(t.Context(), q, q.Inventory.Nodes[0], "-5") },
			answers{"move(java.lang.String)": nil}, `move(java.lang.String) ["-5"]`, ""},
		"move refused": {"5.0", func(t *testing.T, q Query) error { return Move(t.Context(), q, q.Inventory.Nodes[0], "-5") },
			answers{"move(java.lang.String)": errors.New("target token -5 is already owned by another node.")}, `move(java.lang.String) ["-5"]`,
			"us-east-1-1: target token -5 is already owned by another node."},
		"clean, old": {"1.2", func(t *testing.T, q Query) error { return Cleanup(t.Context(), q, q.Inventory.Nodes[0], "gk") },
			answers{"forceTableCleanup(java.lang.String,[Ljava.lang.String;)": nil}, `forceTableCleanup(java.lang.String,[Ljava.lang.String;) ["gk",[]]`, ""},
		"clean": {"3.11", func(t *testing.T, q Query) error { return Cleanup(t.Context(), q, q.Inventory.Nodes[0], "gk") },
			answers{"forceKeyspaceCleanup(java.lang.String,[Ljava.lang.String;)": 0}, `forceKeyspaceCleanup(java.lang.String,[Ljava.lang.String;) ["gk",[]]`, ""},
		"clean failed": {"5.0", func(t *testing.T, q Query) error { return Cleanup(t.Context(), q, q.Inventory.Nodes[0], "gk") },
			answers{"forceKeyspaceCleanup(java.lang.String,[Ljava.lang.String;)": 1}, `forceKeyspaceCleanup(java.lang.String,[Ljava.lang.String;) ["gk",[]]`, "ended with status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			q := oneNode(t, tt.table, func(c call) { got = append(got, c.Operation+" "+asJSON(t, c.Arguments)) })
			q.Release = mustFind(t, tt.version)
			err := tt.do(t, q)
			if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("error %v, want %q", err, tt.says)
			}
			var refused *RefusedError
			if err != nil && (!errors.As(err, &refused) || refused.State) {
				t.Errorf("%#v is not a refusal for good", err)
			}
			if len(got) != 1 || got[0] != tt.calls {
				t.Errorf("calls %q, want %q", got, tt.calls)
			}
		})
	}
	mode, err := Mode(t.Context(), oneNode(t, fresh(), nil), twoNodes("5.0").Nodes[0])
	if mode != ModeNormal || err != nil {
		t.Errorf("mode %q, %v", mode, err)
	}
	if err := Move(t.Context(), Query{CQL: func(topology.Node) (cql.Endpoint, error) { return cql.Endpoint{}, nil }}, twoNodes("5.0").Nodes[0], "1"); err == nil {
		t.Error("a cluster without agents is operated")
	}
}
