package ringcheck

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"crossring/internal/release"
)

// Whatever is asked of an agent is what its policy has, on every series; and the policy
// has nothing that nobody asks for.
func TestAgentAccess(t *testing.T) {
	for _, rel := range release.All() {
		t.Run(rel.Series, func(t *testing.T) {
			var mu sync.Mutex
			used := map[string]bool{}
			q := oneNode(t, fresh(), func(c call) {
				mu.Lock()
				defer mu.Unlock()
				for _, what := range asked(t, c) {
					entry := granted(rel, c, what)
					if entry == "" {
						t.Errorf("%s of %s is asked for, and not in the policy", what, c.MBean)
					}
					used[entry] = true
				}
			})
			q.Release, q.Keyspace = rel, "gk"
			n := q.Inventory.Nodes[0]
			ctx := t.Context()
			// How each ends is tested elsewhere.
			_, _ = Collect(ctx, q)
			_, _ = KeyEstimates(ctx, q, "gk", "rows", true)
			_, _ = Mode(ctx, q, n)
			_ = Decommission(ctx, q, n)
			_ = Move(ctx, q, n, "1")
			_ = Cleanup(ctx, q, n, "gk")
			_ = Drain(ctx, q, n)
			m := NewMeter(q, n)
			_, _ = m.Read(ctx)
			m.Close()
			if rel.HotReload {
				_ = ReloadCertificates(ctx, q, n)
			}
			if rel.Predictor {
				_ = Predictor(ctx, q, n, true)
				_ = Predictor(ctx, q, n, false)
				_, _ = Predicted(ctx, q, n, 2, 1, 1, []int64{0})
			}
			for _, a := range rel.AgentAccess() {
				for _, what := range slices.Concat(a.Attributes, a.Operations) {
					if entry := a.MBean + " " + what; !used[entry] {
						t.Errorf("%s is in the policy, and nobody asks for it", entry)
					}
				}
			}
		})
	}
}

// asked lists the attributes that a call reads, or the operation that it calls.
func asked(t *testing.T, c call) []string {
	t.Helper()
	if c.Type == "exec" {
		return []string{c.Operation}
	}
	var list []string
	switch a := c.Attribute.(type) {
	case string:
		return []string{a}
	case []any:
		for _, one := range a {
			list = append(list, fmt.Sprint(one))
		}
	}
	if c.Type != "read" || len(list) == 0 {
		t.Errorf("a call of type %s for %v", c.Type, c.Attribute)
	}
	return list
}

// granted is the policy's entry for an attribute or operation of a call, or "".
func granted(rel release.Release, c call, what string) string {
	for _, a := range rel.AgentAccess() {
		list := a.Attributes
		if c.Type == "exec" {
			list = a.Operations
		}
		if same, err := path.Match(a.MBean, c.MBean); err == nil && same && slices.Contains(list, what) {
			return a.MBean + " " + what
		}
	}
	return ""
}

// Every request has the cluster's password, where there is one, and names the origin that
// the agents let in; what is not taken is said with the way out.
func TestAgentPassword(t *testing.T) {
	var got []*http.Request
	status := http.StatusOK
	q := oneNode(t, nil, nil)
	q.Dial = agents{"us-east-1-1": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode([]any{map[string]any{"status": 200, "value": ModeNormal}})
	})}.dial(t)
	n := q.Inventory.Nodes[0]
	for _, password := range []string{"", "sesame"} {
		q.Password = func() (string, error) { return password, nil }
		if _, err := Mode(t.Context(), q, n); err != nil {
			t.Fatal(err)
		}
		r := got[len(got)-1]
		user, sent, has := r.BasicAuth()
		if has != (password != "") || has && user != release.AgentUser || sent != password {
			t.Errorf("password %q: sent %q of %q", password, sent, user)
		}
		if r.Header.Get("Origin") != release.AgentOrigin || r.Method != http.MethodPost {
			t.Errorf("%s with origin %q", r.Method, r.Header.Get("Origin"))
		}
	}
	status = http.StatusUnauthorized
	if _, err := Mode(t.Context(), q, n); err == nil || !strings.Contains(err.Error(), "does not take the password") {
		t.Errorf("refused: %v", err)
	}
}
