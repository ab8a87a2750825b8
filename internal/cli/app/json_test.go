package app

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
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
	want, err := Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if whole, err := Marshal(got); err != nil || !bytes.Equal(whole, want) || len(fields) != len(doc) {
		t.Errorf("%v: %s, want %s", err, whole, want)
	}
	for _, other := range []any{7, "text", []int{1}} {
		if f, err := jsonFields(other); err == nil {
			t.Errorf("%v is an object: %v", other, f)
		}
	}
}

// A long list is written as the same list within its document is.
func TestLongList(t *testing.T) {
	type doc struct {
		Before string `json:"before"`
		List   []any  `json:"list"`
		After  []int  `json:"after,omitempty"`
	}
	for _, elems := range [][]any{{}, {7}, {nil, "", []any{}, map[string]any{}}, {map[string]any{"a": []int{1, 2}, `"],`: "<&>"}, []any{[]any{"]"}}}} {
		for _, after := range [][]int{nil, {1, 2}} {
			var want, got bytes.Buffer
			if err := WriteJSON(&want, doc{"x", elems, after}, nil); err != nil {
				t.Fatal(err)
			}
			if err := WriteJSON(&got, LongList[any]{doc{"x", nil, after}, "list", elems}, nil); err != nil || got.String() != want.String() {
				t.Errorf("%v:\n%s\nwant\n%s", err, got.String(), want.String())
			}
		}
	}
	for _, bad := range []LongList[any]{{doc{}, "other", nil}, {7, "list", nil}, {doc{}, "list", []any{1, func() {}}}} {
		var b bytes.Buffer
		if err := WriteJSON(&b, bad, nil); err == nil || b.Len() > 0 {
			t.Errorf("%v: %v, %q", bad.Doc, err, b.String())
		}
	}
}

// What is set out in lines is what the standard library makes of it.
func FuzzIndent(f *testing.F) {
	for _, doc := range []string{
		`{}`, `[]`, `[[],{}]`, `{"a":[{"b":"\\\"}],{["},{"c":{}}],"d":-1.5e9}`, `"\\"`, `null`, `[1,"",true,{"":""}]`, `{"<&>":"\u2028"}`,
	} {
		f.Add(doc, 1)
	}
	f.Fuzz(func(t *testing.T, doc string, depth int) {
		var flat, want, got bytes.Buffer
		if json.Compact(&flat, []byte(doc)) != nil {
			return // no JSON
		}
		depth = int(uint(depth) % 4)
		if err := json.Indent(&want, flat.Bytes(), strings.Repeat("  ", depth), "  "); err != nil {
			t.Fatal(err)
		}
		w := bufio.NewWriter(&got)
		indent(w, flat.Bytes(), depth)
		if err := w.Flush(); err != nil || got.String() != want.String() {
			t.Errorf("%s: %v\n%s\nwant\n%s", doc, err, got.String(), want.String())
		}
	})
}
