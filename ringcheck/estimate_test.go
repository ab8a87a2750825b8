package ringcheck

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"crossring/internal/cql"
	"crossring/internal/topology"
)

func TestKeyEstimates(t *testing.T) {
	tests := []struct {
		version string
		flush   bool
		table   answers
		calls   []string
	}{
		{
			"1.2", true, answers{"forceTableFlush(java.lang.String,[Ljava.lang.String;)": nil2(), "estimateKeys()": 20096},
			[]string{
				`{"type":"exec","mbean":"org.apache.cassandra.db:type=StorageService","operation":"forceTableFlush(java.lang.String,[Ljava.lang.String;)","arguments":["gk",["rows"]]}`,
				`{"type":"exec","mbean":"org.apache.cassandra.db:type=ColumnFamilies,keyspace=gk,columnfamily=rows","operation":"estimateKeys()"}`,
			},
		},
		{
			"5.0", false, answers{"Value": 20096},
			[]string{`{"type":"read","mbean":"org.apache.cassandra.metrics:type=Table,keyspace=gk,scope=rows,name=EstimatedPartitionCount","attribute":"Value"}`},
		},
	}
	for _, tt := range tests {
		var calls []string
		q := oneNode(t, tt.table, func(c call) { calls = append(calls, asJSON(t, c)) })
		q.Release = mustFind(t, tt.version)
		got, err := KeyEstimates(t.Context(), q, "gk", "rows", tt.flush)
		if want := map[string]int64{"127.43.102.1": 20096}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v; want %v", tt.version, got, err, want)
		}
		if !reflect.DeepEqual(calls, tt.calls) {
			t.Errorf("%s: calls\n%s\nwant\n%s", tt.version, strings.Join(calls, "\n"), strings.Join(tt.calls, "\n"))
		}
	}
}

// nil2 stands for an operation that returns nothing.
func nil2() any { return struct{}{} }

// One node's failure does not take the others' estimates away.
func TestKeyEstimatesPartial(t *testing.T) {
	flush := mustFind(t, "5.0").FlushOperation
	q := oneNode(t, answers{}, nil)
	q.Inventory = twoNodes("5.0")
	q.Dial = agents{
		"us-east-1-1": scripted(t, answers{flush: struct{}{}, "Value": 7}, nil),
		"us-west-2-1": scripted(t, answers{flush: errors.New("disk full"), "Value": 7}, nil),
	}.dial(t)
	got, err := KeyEstimates(t.Context(), q, "gk", "rows", true)
	if want := map[string]int64{"127.43.102.1": 7}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	want := "estimating keys of gk.rows on us-west-2-1: flushing: jmx: disk full (status 500)"
	var jmx *jmxError
	if err == nil || err.Error() != want || !errors.As(err, &jmx) || jmx.Status != 500 {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestKeyEstimatesWithoutAgent(t *testing.T) {
	q := oneNode(t, answers{}, nil)
	q.CQL = func(topology.Node) (cql.Endpoint, error) { return cql.Endpoint{}, nil }
	if got, err := KeyEstimates(t.Context(), q, "gk", "rows", false); err == nil {
		t.Errorf("%v without an agent, want an error", got)
	}
}
