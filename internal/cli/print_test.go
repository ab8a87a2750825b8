package cli

import (
	"bytes"
	"encoding/json"
	"testing"
)

// A document is taken apart at its own keys, whatever stands in its values.
func TestJSONFields(t *testing.T) {
	doc := map[string]any{
		"a": `quotes " and \ and \\" and {[,]} and "`, "b": []any{map[string]any{`"},`: []string{`\`, `\\`, "}", `"`}}, -1.5e9, nil, true},
		"c": map[string]any{}, `d"\,:{`: []int{}, "é": "", "e": 7,
	}
	fields, err := jsonFields(doc)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]json.RawMessage{}
	for _, f := range fields {
		if !json.Valid(f.value) {
			t.Errorf("%q: %s", f.key, f.value)
		}
		got[f.key] = f.value
	}
	want, err := marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if whole, err := marshal(got); err != nil || !bytes.Equal(whole, want) || len(fields) != len(doc) {
		t.Errorf("%v: %s, want %s", err, whole, want)
	}
	for _, other := range []any{7, "text", []int{1}} {
		if f, err := jsonFields(other); err == nil {
			t.Errorf("%v is an object: %v", other, f)
		}
	}
}
