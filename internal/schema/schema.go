// Package schema makes a JSON Schema of every document that crossring answers with, of the
// tables of docs/json.md, which are held against real answers by a test: there is one place where
// a document is described.
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"crossring/docs"
)

// Names are those of all documents, in order: the headings of docs/json.md.
func Names() []string { return read(docs.JSON).answers }

// Of is the schema of a document, of draft 2020-12, by its name; an error that names those that
// there are for one that is none.
func Of(name string) ([]byte, error) {
	p := read(docs.JSON)
	if !slices.Contains(p.answers, name) {
		return nil, &NoDocumentError{name, p.answers}
	}
	return p.document(name)
}

// NoDocumentError says that there is no document of a name.
type NoDocumentError struct {
	Name  string
	There []string
}

func (e *NoDocumentError) Error() string {
	return fmt.Sprintf("there is no document %q; there are %s", e.Name, strings.Join(e.There, ", "))
}

// page is docs/json.md: its tables, and which of them are answers of commands.
type page struct {
	tables  map[string]*node
	answers []string
}

// node is what may stand in one place of a document.
type node struct {
	keys     map[string]*node
	elem     *node
	values   *node
	types    []string
	optional bool
	meaning  string
}

const everywhere = "every document"

var (
	step = regexp.MustCompile(`[a-z0-9_]+|\[\]|\{\}`)
	name = regexp.MustCompile(`^[a-z0-9-]+$`)
)

func read(text string) page {
	p := page{tables: map[string]*node{}}
	heading, part := "", map[string]bool{}
	for line := range strings.Lines(text) {
		if h, ok := strings.CutPrefix(line, "## "); ok {
			heading = strings.TrimSpace(h)
			continue
		}
		if strings.HasPrefix(line, "Answer of ") {
			p.answers = append(p.answers, heading)
		}
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(cells[1], " `") || heading != everywhere && !name.MatchString(heading) {
			continue
		}
		if p.tables[heading] == nil {
			p.tables[heading] = &node{}
		}
		at := p.tables[heading]
		for _, s := range step.FindAllString(cells[1], -1) {
			at = at.step(s)
		}
		types, optional := strings.CutSuffix(strings.TrimSpace(cells[2]), ", optional")
		at.types, at.optional, at.meaning = strings.Split(types, " or "), optional, strings.TrimSpace(cells[3])
		for _, of := range at.types {
			part[of] = true
		}
	}
	for table := range p.tables {
		if !part[table] && table != everywhere && !slices.Contains(p.answers, table) {
			p.answers = append(p.answers, table)
		}
	}
	p.answers = slices.DeleteFunc(p.answers, func(h string) bool { return p.tables[h] == nil })
	slices.Sort(p.answers)
	p.answers = slices.Compact(p.answers)
	return p
}

func (n *node) step(s string) *node {
	switch s {
	case "[]":
		if n.elem == nil {
			n.elem = &node{}
		}
		return n.elem
	case "{}":
		if n.values == nil {
			n.values = &node{}
		}
		return n.values
	}
	if n.keys == nil {
		n.keys = map[string]*node{}
	}
	if n.keys[s] == nil {
		n.keys[s] = &node{}
	}
	return n.keys[s]
}

// mayLack is as the page has it: an object may be missing when all of its keys may.
func (n *node) mayLack() bool {
	switch {
	case n.elem != nil:
		return n.elem.mayLack()
	case n.values != nil:
		return n.values.mayLack()
	case n.keys == nil:
		return n.optional
	}
	for _, k := range n.keys {
		if !k.mayLack() {
			return false
		}
	}
	return true
}

// schema is what JSON Schema makes of a place. used gets the tables that it refers to.
func (p page) schema(n *node, used map[string]bool) map[string]any {
	out := map[string]any{}
	switch {
	case n.keys != nil:
		properties, required := map[string]any{}, []string{}
		for key, k := range n.keys {
			properties[key] = p.schema(k, used)
			if !k.mayLack() {
				required = append(required, key)
			}
		}
		slices.Sort(required)
		out["type"], out["properties"], out["required"] = "object", properties, required
		return out
	case n.elem != nil:
		out["type"], out["items"] = "array", p.schema(n.elem, used)
		return out
	case n.values != nil:
		out["type"], out["additionalProperties"] = "object", p.schema(n.values, used)
		return out
	}
	var all []any
	for _, of := range n.types {
		switch {
		case slices.Contains(n.types, "any"): // there is nothing to hold it to
		case p.tables[of] != nil:
			used[of] = true
			all = append(all, map[string]string{"$ref": "#/$defs/" + of})
		case of == "list":
			all = append(all, map[string]string{"type": "array"})
		default:
			all = append(all, map[string]string{"type": of})
		}
	}
	switch len(all) {
	case 0:
	case 1:
		for k, v := range all[0].(map[string]string) {
			out[k] = v
		}
	default:
		out["anyOf"] = all
	}
	if n.meaning != "" {
		out["description"] = n.meaning
	}
	return out
}

// document is the schema of an answer, with all that it refers to. New keys may appear, so none
// is forbidden.
func (p page) document(answer string) ([]byte, error) {
	whole := &node{keys: maps.Clone(p.tables[answer].keys)}
	maps.Copy(whole.keys, p.tables[everywhere].keys)
	used := map[string]bool{}
	out := p.schema(whole, used)
	out["properties"].(map[string]any)["schema"] = map[string]any{"const": "crossring/v1"}
	defs := map[string]any{}
	for len(defs) < len(used) {
		for _, table := range slices.Sorted(maps.Keys(used)) {
			if defs[table] == nil {
				defs[table] = p.schema(p.tables[table], used)
			}
		}
	}
	out["$schema"], out["$id"], out["title"] = "https://json-schema.org/draft/2020-12/schema", "urn:crossring:v1:"+answer, "crossring "+answer
	if len(defs) > 0 {
		out["$defs"] = defs
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(out); err != nil {
		return nil, fmt.Errorf("making the schema of %s: %w", answer, err)
	}
	return b.Bytes(), nil
}
