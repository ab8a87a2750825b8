package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shapes are the documents of docs/json.md, by heading. A shape is a tree with a
// node for each step of a key's path.
type shapes map[string]*shape

// shape says what may stand in one place of a document.
type shape struct {
	keys     map[string]*shape // of an object
	elem     *shape            // of a list
	values   *shape            // of a map
	types    []string          // of a value; the name of a document, too
	optional bool
}

// everywhere is the heading of the keys that every document has.
const everywhere = "every document"

// pathStep is a key, a list's brackets or a map's braces.
var pathStep = regexp.MustCompile(`[a-z0-9_]+|\[\]|\{\}`)

// documentedShapes reads the tables of docs/json.md.
func documentedShapes(t *testing.T) shapes {
	t.Helper()
	page, err := os.ReadFile("../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	all := shapes{}
	heading := ""
	for line := range strings.Lines(string(page)) {
		if h, ok := strings.CutPrefix(line, "## "); ok {
			heading = strings.TrimSpace(h)
			continue
		}
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		if all[heading] == nil {
			all[heading] = &shape{}
		}
		at := all[heading]
		for _, step := range pathStep.FindAllString(cells[1], -1) {
			at = at.step(step)
		}
		types, optional := strings.CutSuffix(strings.TrimSpace(cells[2]), ", optional")
		at.types, at.optional = strings.Split(types, " or "), optional
	}
	if len(all) < 10 {
		t.Fatalf("docs/json.md has %d tables; is this how they are read?", len(all))
	}
	return all
}

func (s *shape) step(name string) *shape {
	at := &shape{}
	switch name {
	case "[]":
		if s.elem == nil {
			s.elem = at
		}
		return s.elem
	case "{}":
		if s.values == nil {
			s.values = at
		}
		return s.values
	}
	if s.keys == nil {
		s.keys = map[string]*shape{}
	}
	if s.keys[name] == nil {
		s.keys[name] = at
	}
	return s.keys[name]
}

// check lists where a whole document differs from the table called name: keys
// that are missing, keys that no table has, and values of another type.
func (all shapes) check(name string, doc []byte) []string {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return []string{fmt.Sprintf("%s: %v", name, err)}
	}
	if all[name] == nil {
		return []string{"docs/json.md has no table " + name}
	}
	whole := &shape{keys: maps.Clone(all[name].keys)}
	for key, s := range all[everywhere].keys {
		whole.keys[key] = s
	}
	return all.compare(name, whole, v)
}

func (all shapes) compare(at string, s *shape, v any) []string {
	object, isObject := v.(map[string]any)
	list, isList := v.([]any)
	var bad []string
	switch {
	case v == nil && slices.Contains(s.types, "null"):
	case s.keys != nil:
		if !isObject {
			return []string{fmt.Sprintf("%s is %s, not an object", at, kindOf(v))}
		}
		for _, key := range slices.Sorted(maps.Keys(s.keys)) {
			value, there := object[key]
			switch {
			case there:
				bad = append(bad, all.compare(at+"."+key, s.keys[key], value)...)
			case !s.keys[key].mayLack():
				bad = append(bad, at+"."+key+" is missing")
			}
		}
		for _, key := range slices.Sorted(maps.Keys(object)) {
			if s.keys[key] == nil && key != "schema" { // a document inside another one has its own
				bad = append(bad, at+"."+key+" is in no table")
			}
		}
	case s.elem != nil:
		if !isList {
			return []string{fmt.Sprintf("%s is %s, not a list", at, kindOf(v))}
		}
		for i, e := range list {
			bad = append(bad, all.compare(fmt.Sprintf("%s[%d]", at, i), s.elem, e)...)
		}
	case s.values != nil:
		if !isObject {
			return []string{fmt.Sprintf("%s is %s, not a map", at, kindOf(v))}
		}
		for _, key := range slices.Sorted(maps.Keys(object)) {
			bad = append(bad, all.compare(at+"{"+key+"}", s.values, object[key])...)
		}
	default:
		return all.compareType(at, s, v)
	}
	return bad
}

// mayLack says that the key may be missing: an object is optional when all of its keys
// are.
func (s *shape) mayLack() bool {
	if s.keys == nil {
		inside := s.elem
		if inside == nil {
			inside = s.values
		}
		return s.optional || inside != nil && inside.mayLack()
	}
	for _, k := range s.keys {
		if !k.mayLack() {
			return false
		}
	}
	return true
}

func (all shapes) compareType(at string, s *shape, v any) []string {
	kind := kindOf(v)
	for _, want := range s.types {
		switch {
		case want == kind, want == "any", want == "number" && kind == "integer":
			return nil
		case all[want] != nil && kind == "object":
			return all.compare(at, all[want], v)
		}
	}
	return []string{fmt.Sprintf("%s is %s, not %s", at, kind, strings.Join(s.types, " or "))}
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "number"
		}
		return "integer"
	case []any:
		return "list"
	default:
		return "object"
	}
}

// has says whether a table has a key, given as its path.
func (all shapes) has(name, path string) bool {
	at := all[name]
	for _, step := range pathStep.FindAllString(path, -1) {
		for at != nil && at.keys == nil && at.elem == nil && at.values == nil {
			at = all[at.types[0]] // on in the other document
		}
		switch {
		case at == nil:
		case step == "[]":
			at = at.elem
		case step == "{}":
			at = at.values
		default:
			at = at.keys[step]
		}
	}
	return at != nil
}

// The checker itself has to find what is wrong.
func TestShapesFindDifferences(t *testing.T) {
	all := documentedShapes(t)
	const head = `{"schema": "crossring/v1", `
	tests := []struct{ name, doc, want string }{
		{"down", head + `"name": "a", "removed": true, "collected": null}`, ""},
		{"down", `{"name": "a", "removed": true, "collected": null}`, "down.schema is missing"},
		{"down", head + `"name": "a", "collected": null}`, "down.removed is missing"},
		{"down", head + `"name": 1, "removed": true, "collected": null}`, "down.name is integer, not string"},
		{"down", head + `"name": "a", "removed": true, "collected": null, "more": 1}`, "down.more is in no table"},
		{"tokens", head + `"partitioner": "", "strategy": "", "datacenters": [{"name": "a", "tokens": null}]}`, "tokens.datacenters[0].tokens is null, not a list"},
		{"tokens", head + `"partitioner": "", "strategy": "", "datacenters": [{"name": "a", "tokens": [1]}]}`, "tokens.datacenters[0].tokens[0] is integer, not string"},
		{"fault", head + `"lines": [], "refused": [], "rtt_ms": {"a -> b": "1"}}`, "fault.rtt_ms{a -> b} is string, not number"},
		{"stress", head + `"run_dir": "", "read": {"op": "read"}}`, "stress.read.attempts is missing"},
		{"down", head + `"name": "a", "removed": true, "collected": null, "error": {"code": 1, "message": ""}}`, "down.error.hint is missing"},
	}
	for _, tt := range tests {
		got := all.check(tt.name, []byte(tt.doc))
		if tt.want == "" && len(got) > 0 || tt.want != "" && !slices.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.doc, got, tt.want)
		}
	}
}
