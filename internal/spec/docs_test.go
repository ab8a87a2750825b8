package spec

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// keysOf lists the keys of a struct as the page has them: regions[].zone.
func keysOf(t reflect.Type, prefix string) []string {
	var all []string
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		if f.Anonymous { // its keys are those of the struct that it is in
			all = append(all, keysOf(f.Type, prefix)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		key, typ := prefix+name, f.Type
		if typ.Kind() == reflect.Pointer && typ.Elem().Kind() == reflect.Struct {
			typ = typ.Elem()
		}
		switch {
		case typ.Kind() == reflect.Struct:
			all = append(all, keysOf(typ, key+".")...)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			all = append(all, keysOf(f.Type.Elem(), key+"[].")...)
		default:
			all = append(all, key)
		}
	}
	return all
}

// valueAt finds a key, as keysOf writes it, in the JSON of a spec.
func valueAt(doc any, key string) any {
	for _, k := range strings.Split(key, ".") {
		name, list := strings.CutSuffix(k, "[]")
		m, _ := doc.(map[string]any)
		if doc = m[name]; list {
			if items, _ := doc.([]any); len(items) > 0 {
				doc = items[0]
			}
		}
	}
	return doc
}

var docRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]*) \\| ([^|]*) \\| ([^|]*) \\|$")

// The page about cluster.yaml names every key, once, in the order of the struct, and
// the defaults that it gives in backticks are the defaults.
func TestDocumentedKeys(t *testing.T) {
	page, err := os.ReadFile("../../docs/cluster-yaml.md")
	if err != nil {
		t.Fatal(err)
	}
	s := Spec{Name: "n", Regions: []Region{{Region: "us-east-1"}}, EC2: &EC2{}, CCM: &CCM{}, Containers: &Containers{}, TLS: &TLS{}}
	Defaults(&s)
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var defaults any
	if err := json.Unmarshal(data, &defaults); err != nil {
		t.Fatal(err)
	}
	var got []string
	literals := 0
	for _, m := range docRow.FindAllStringSubmatch(string(page), -1) {
		key, byDefault := m[1], m[3]
		got = append(got, key)
		if !strings.HasPrefix(byDefault, "`") || !strings.HasSuffix(byDefault, "`") {
			continue
		}
		literals++
		if have := fmt.Sprint(valueAt(defaults, key)); have != strings.Trim(byDefault, "`") {
			t.Errorf("%s: the page says that the default is %s, and it is %s", key, byDefault, have)
		}
	}
	if want := keysOf(reflect.TypeFor[Spec](), ""); !slices.Equal(got, want) {
		t.Errorf("keys of the page\n%q\nkeys of the spec\n%q", got, want)
	}
	if literals < 10 {
		t.Errorf("%d defaults found", literals)
	}
}
