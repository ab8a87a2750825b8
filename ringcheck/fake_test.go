package ringcheck

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crossring/internal/release"
	"crossring/internal/topology"
)

const westToken = "169417178424467235000914166253263322299"

// twoNodes is the plan of the recorded clusters.
func twoNodes(series string) topology.Inventory {
	version := cmp.Or(recordedAs[series], series)
	ports := topology.DefaultPorts()
	nodes := []topology.Node{
		{
			Name: "us-east-1-1", Index: 1, Datacenter: "us-east", Rack: "1a", Tokens: []string{"0"},
			PrivateAddress: "127.43.2.1", PublicAddress: "127.43.102.1", Ports: ports,
		},
		{
			Name: "us-west-2-1", Index: 2, Datacenter: "us-west-2", Rack: "2a", Tokens: []string{westToken},
			PrivateAddress: "127.43.3.1", PublicAddress: "127.43.103.1", Ports: ports,
		},
	}
	return topology.Inventory{
		Plan: topology.Plan{
			Name: "demo", ClusterName: "GK Cluster", Version: version, Partitioner: "RandomPartitioner", NumTokens: 1,
			Keyspace: topology.Keyspace{Name: "gk", Table: "rows", Replication: map[string]int{"us-east": 1, "us-west-2": 1}},
			Nodes:    nodes,
		},
		Nodes: nodes,
	}
}

// recordedAs are the releases of which the answers in testdata are.
var recordedAs = map[string]string{"1.2": "1.2.19", "5.0": "5.0.5"}

func mustFind(t testing.TB, version string) release.Release {
	t.Helper()
	rel, err := release.Find(version)
	if err != nil {
		t.Fatal(err)
	}
	return rel
}

func recorded(t testing.TB, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// agents serves HTTP for nodes by name; a node without a handler refuses connections.
type agents map[string]http.Handler

// dial starts the servers and connects to them in place of the nodes.
func (a agents) dial(t *testing.T) DialFunc {
	t.Helper()
	addrs := map[string]string{}
	for name, h := range a {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		addrs[name] = s.Listener.Addr().String()
	}
	return func(ctx context.Context, n topology.Node, port int) (net.Conn, error) {
		addr, ok := addrs[n.Name]
		if !ok || port != n.Ports.Jolokia {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errRefused)}
		}
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}
}

// player answers the request that was recorded, and no other, with what was recorded.
func player(t *testing.T, body []byte) http.Handler {
	t.Helper()
	var taped []struct {
		Request call `json:"request"`
	}
	if err := json.Unmarshal(body, &taped); err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls := readCalls(t, r)
		if len(calls) != len(taped) {
			t.Errorf("%d calls, recorded were %d", len(calls), len(taped))
		}
		for i := range min(len(calls), len(taped)) {
			got, want := calls[i], taped[i].Request
			got.Config = nil // the agent does not echo it
			if got.Type == "read" && i == 1 {
				got.MBean, want.MBean = keys(got.MBean), keys(want.MBean) // the agent sorts them
			}
			if g, w := asJSON(t, got), asJSON(t, want); g != w {
				t.Errorf("call %d: %s, recorded was %s", i, g, w)
			}
		}
		_, _ = w.Write(body)
	})
}

// keys sorts the key properties of an MBean name.
func keys(mbean string) string {
	domain, list, _ := strings.Cut(mbean, ":")
	props := strings.Split(list, ",")
	slices.Sort(props)
	return domain + ":" + strings.Join(props, ",")
}

// answers is a node's answer by operation or attribute.
type answers map[string]any

// scripted answers calls from a table. A value that is an error is a failed call.
func scripted(t *testing.T, table answers, seen func(call)) http.Handler {
	t.Helper()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		replies := []map[string]any{}
		for _, c := range readCalls(t, r) {
			if seen != nil {
				seen(c)
			}
			replies = append(replies, answer(table, c))
		}
		if err := json.NewEncoder(w).Encode(replies); err != nil {
			t.Error(err)
		}
	})
}

func answer(table answers, c call) map[string]any {
	one := func(name string) map[string]any {
		if v, ok := table[name]; ok {
			if err, bad := v.(error); bad {
				return map[string]any{"status": 500, "error_type": "java.lang.Exception", "error": "java.lang.Exception : " + err.Error()}
			}
			return map[string]any{"status": 200, "value": v}
		}
		return map[string]any{"status": 404, "error_type": "javax.management.X", "error": "javax.management.X : no " + name}
	}
	if c.Type == "exec" {
		name := c.Operation
		if len(c.Arguments) == 1 {
			if with := fmt.Sprintf("%s %v", name, c.Arguments[0]); table[with] != nil {
				return one(with)
			}
		}
		return one(name)
	}
	if name, ok := c.Attribute.(string); ok {
		return one(name)
	}
	value := map[string]any{}
	for _, a := range c.Attribute.([]any) {
		name := a.(string)
		switch v := table[name].(type) {
		case nil:
			value[name] = "ERROR: No such attribute: " + name
		case error:
			value[name] = "ERROR: " + v.Error()
		default:
			value[name] = v
		}
	}
	return map[string]any{"status": 200, "value": value}
}

func readCalls(t *testing.T, r *http.Request) []call {
	t.Helper()
	if r.Method != http.MethodPost || r.URL.Path != "/jolokia/" {
		t.Errorf("%s %s, want POST /jolokia/", r.Method, r.URL.Path)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	var calls []call
	if err := json.Unmarshal(body, &calls); err != nil {
		t.Errorf("request %s: %v", body, err)
	}
	return calls
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
