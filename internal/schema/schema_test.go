package schema

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Every answer of docs/json.md has one, and parts of answers have none of their own.
func TestNames(t *testing.T) {
	names := Names()
	for _, want := range []string{"ring", "demo", "stress", "runs", "comparison", "replication-lag", "pki-verify", "preflight", "version"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s among %q", want, names)
		}
	}
	for _, part := range []string{"percentiles", "breach", "Exit codes", everywhere} {
		if slices.Contains(names, part) {
			t.Errorf("%s is no answer", part)
		}
	}
	var none *NoDocumentError
	if _, err := Of("percentiles"); !errors.As(err, &none) || !strings.Contains(err.Error(), "comparison, ") {
		t.Errorf("%v", err)
	}
}

func compiled(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	data, err := Of(name)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

// Each is a schema, and tells documents from what is none.
func TestSchemasTell(t *testing.T) {
	for _, name := range Names() {
		compiled(t, name)
	}
	const head = `{"schema": "crossring/v1", `
	for _, tt := range []struct {
		name, doc string
		ok        bool
	}{
		{"down", head + `"name": "a", "removed": true, "collected": null}`, true},
		{"down", head + `"name": "a", "removed": true, "collected": null, "new": 1}`, true},
		{"down", head + `"name": "a", "removed": true, "collected": {"dir": "/x", "nodes": [], "missing": []}}`, true},
		{"down", head + `"name": "a", "removed": true, "collected": {"dir": "/x", "nodes": []}}`, false},
		{"down", `{"name": "a", "removed": true, "collected": null}`, false},
		{"down", `{"schema": "crossring/v2", "name": "a", "removed": true, "collected": null}`, false},
		{"down", head + `"name": 1, "removed": true, "collected": null}`, false},
		{"down", head + `"name": "a", "removed": true, "collected": null, "error": {"code": 1, "message": ""}}`, false},
		{"tokens", head + `"partitioner": "", "strategy": "", "datacenters": [{"name": "a", "tokens": ["1"]}]}`, true},
		{"tokens", head + `"partitioner": "", "strategy": "", "datacenters": [{"name": "a", "tokens": [1]}]}`, false},
		{"stress", head + `"run_dir": "", "read": {"op": "read"}}`, false},
	} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(tt.doc))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled(t, tt.name).Validate(v); (err == nil) != tt.ok {
			t.Errorf("%s: %s: %v", tt.name, tt.doc, err)
		}
	}
}
