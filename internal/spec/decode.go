package spec

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxDepth bounds how deep a value under settings nests.
const maxDepth = 16

var decimal = regexp.MustCompile(`^[-+]?(0|[1-9][0-9_]*)$`)

// decoder walks the tree of a spec and gathers what is wrong with it.
type decoder struct {
	source   *source
	problems []*Problem
}

// reader takes the value of one key.
type reader func(d *decoder, n *yaml.Node, path string)

// field is a key that a mapping may have.
type field struct {
	key  string
	read reader
}

func (d *decoder) problem(path, format string, args ...any) {
	d.problemAt(d.source.line(path), path, format, args...)
}

func (d *decoder) problemAt(line int, path, format string, args ...any) {
	d.problems = append(d.problems, &Problem{File: d.source.file, Line: line, Path: path, Message: fmt.Sprintf(format, args...)})
}

// reported says whether there is a problem with path already, or with what it is in.
func (d *decoder) reported(path string) bool {
	for {
		for _, p := range d.problems {
			if p.Path == path && path != "" {
				return true
			}
		}
		if path == "" {
			return false
		}
		path = parent(path)
	}
}

// plain refuses what makes a value mean something else than it says.
func (d *decoder) plain(n *yaml.Node, path string) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.problem(path, "anchors and aliases are not read here: write the value out")
	case n.Style&yaml.TaggedStyle != 0:
		d.problem(path, "tags are not read here: put text in quotes, and write %s without", n.ShortTag())
	default:
		return true
	}
	return false
}

// kind checks what a value is before it is read.
func (d *decoder) kind(n *yaml.Node, path string, want yaml.Kind, name string) bool {
	switch {
	case !d.plain(n, path):
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		d.problem(path, "has no value")
	case n.Kind != want:
		d.problem(path, "must be %s, not %s", name, describe(n))
	default:
		return true
	}
	return false
}

// describe names what a value is, for a message.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!str":
		return strconv.Quote(n.Value)
	case "!!null":
		return "nothing"
	}
	return n.Value
}

// pairs calls read for each key of a mapping, once; keys that are no text or occur
// twice are problems.
func (d *decoder) pairs(n *yaml.Node, path string, read func(key string, value *yaml.Node, at string)) {
	if !d.kind(n, path, yaml.MappingNode, "a mapping") {
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" || key.Anchor != "" || key.Style&yaml.TaggedStyle != 0 {
			d.problemAt(key.Line, path, "has a key that is not plain text: %s", describe(key))
			continue
		}
		at := key.Value
		if path != "" {
			at = path + "." + key.Value
		}
		if line, ok := first[key.Value]; ok {
			d.problemAt(key.Line, at, "occurs twice, first on line %d", line)
			continue
		}
		first[key.Value] = key.Line
		d.source.lines[at] = key.Line
		read(key.Value, value, at)
	}
}

// mapping reads a mapping with a fixed set of keys.
func (d *decoder) mapping(n *yaml.Node, path string, fields []field) {
	d.pairs(n, path, func(key string, value *yaml.Node, at string) {
		known := make([]string, len(fields))
		for i, f := range fields {
			if f.key == key {
				f.read(d, value, at)
				return
			}
			known[i] = f.key
		}
		d.problem(at, "unknown key%s", didYouMean(key, known))
	})
}

// group reads a mapping under a key.
func group(fields ...field) reader {
	return func(d *decoder, n *yaml.Node, path string) { d.mapping(n, path, fields) }
}

// text reads a string.
func text(to *string) reader {
	return func(d *decoder, n *yaml.Node, path string) {
		if !d.kind(n, path, yaml.ScalarNode, "text") {
			return
		}
		if n.ShortTag() != "!!str" {
			d.problem(path, "must be text: put %s in quotes", n.Value)
			return
		}
		if n.Value == "" {
			d.problem(path, "has no value")
			return
		}
		*to = n.Value
	}
}

// versionText reads a string that may look like a number: 5.0 as it is written.
func versionText(to *string) reader {
	return func(d *decoder, n *yaml.Node, path string) {
		if n.Kind == yaml.ScalarNode && n.Anchor == "" && n.Style&yaml.TaggedStyle == 0 && (n.ShortTag() == "!!float" || n.ShortTag() == "!!int") {
			*to = n.Value
			return
		}
		text(to)(d, n, path)
	}
}

// whole reads a decimal whole number that is not below least.
func whole[T int | int64](to *T, least int64) reader {
	return func(d *decoder, n *yaml.Node, path string) {
		if !d.kind(n, path, yaml.ScalarNode, "a whole number") {
			return
		}
		// Beyond 64 bits YAML takes a whole number for a float.
		if tag := n.ShortTag(); (tag != "!!int" && tag != "!!float") || !decimal.MatchString(n.Value) {
			d.problem(path, "must be a whole number, not %s", describe(n))
			return
		}
		v, err := strconv.ParseInt(strings.ReplaceAll(n.Value, "_", ""), 10, 64)
		if err != nil || int64(T(v)) != v {
			d.problem(path, "%s is too large a number", n.Value)
			return
		}
		if v < least {
			d.problem(path, "must be at least %d", least)
			return
		}
		*to = T(v)
	}
}

// number reads a number that is not negative.
func number(to *float64) reader {
	return func(d *decoder, n *yaml.Node, path string) {
		if !d.kind(n, path, yaml.ScalarNode, "a number") {
			return
		}
		v, err := strconv.ParseFloat(strings.ReplaceAll(n.Value, "_", ""), 64)
		if tag := n.ShortTag(); (tag != "!!int" && tag != "!!float") || err != nil || !finite(v) {
			d.problem(path, "must be a number, not %s", describe(n))
			return
		}
		if v < 0 {
			d.problem(path, "must not be negative")
			return
		}
		*to = v
	}
}

// value reads any value that JSON can hold.
func (d *decoder) value(n *yaml.Node, path string, depth int) any {
	if depth > maxDepth {
		d.problem(path, "nests deeper than %d levels", maxDepth)
		return nil
	}
	if !d.plain(n, path) {
		return nil
	}
	if n.Kind != yaml.ScalarNode {
		return d.collection(n, path, depth)
	}
	switch tag := n.ShortTag(); tag {
	case "!!str", "!!timestamp":
		return n.Value
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int":
		if v, err := strconv.ParseInt(strings.ReplaceAll(n.Value, "_", ""), 10, 64); err == nil && decimal.MatchString(n.Value) {
			return v
		}
		d.problem(path, "must be a decimal number of 64 bits, or text in quotes: %s", n.Value)
	case "!!float":
		if v, err := strconv.ParseFloat(strings.ReplaceAll(n.Value, "_", ""), 64); err == nil && finite(v) {
			return v
		}
		d.problem(path, "must be a number or text in quotes: %s", n.Value)
	default:
		d.problem(path, "%s is not a kind of value that cassandra.yaml has", tag)
	}
	return nil
}

func (d *decoder) collection(n *yaml.Node, path string, depth int) any {
	if n.Kind == yaml.SequenceNode {
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			d.source.lines[at] = item.Line
			list[i] = d.value(item, at, depth+1)
		}
		return list
	}
	values := map[string]any{}
	d.pairs(n, path, func(key string, value *yaml.Node, at string) {
		values[key] = d.value(value, at, depth+1)
	})
	return values
}
