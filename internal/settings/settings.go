// Package settings holds what each release of Cassandra takes in cassandra.yaml: the names of
// its keys, the kinds of their values, and which values of its guardrails shut each other out.
// The tables in keys are written from a release's own classes, by Keys.java.
package settings

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed keys/*.txt
var tables embed.FS

// key is what a release knows of a key.
type key struct {
	kinds     []string // any of which a value may be
	empty     bool     // null is taken
	guardrail bool     // 0 is refused: what turns it off is -1, or null
	percent   bool
	least     string // the lowest number that is taken; "" is any
	none      bool   // it fails on any value
	preset    string // a guardrail's own value, where it is not off
	now       string // the name that replaced it
}

// Problem is a key, or one inside a key, that a server would not start with.
type Problem struct {
	Path    []string // "memtable", "configurations"
	Text    string
	Unknown bool // no release has such a key
}

// Known says whether there is a table of a release.
func Known(version string) bool { return len(read(version)) > 0 }

// Keys are those that a release knows, sorted.
func Keys(version string) []string {
	var names []string
	for name := range read(version) {
		if !strings.Contains(name, ".") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Kinds are those that a value of a key may be; none for a key that is not known.
func Kinds(version, name string) []string { return read(version)[name].kinds }

// Check lists, by key, what a release would refuse of settings, before it does anything: keys
// that it has not, values of another kind, an old and a new name of one thing, guardrails that
// turn each other around. Of ranges it knows those of guardrails. A release without a table
// refuses nothing.
func Check(version string, settings map[string]any) []Problem {
	known := read(version)
	if len(known) == 0 {
		return nil
	}
	c := checker{version: version, known: known}
	c.mapping(nil, settings)
	c.names(settings)
	c.guardrails(settings)
	return c.problems
}

type checker struct {
	version  string
	known    map[string]key
	problems []Problem
}

func (c *checker) bad(path []string, format string, args ...any) {
	c.problems = append(c.problems, Problem{Path: slices.Clone(path), Text: fmt.Sprintf(format, args...)})
}

// mapping looks at the keys of a mapping whose keys are known.
func (c *checker) mapping(path []string, values map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		at := append(slices.Clone(path), name)
		k, ok := c.known[strings.Join(at, ".")]
		if !ok {
			c.unknown(at)
			continue
		}
		c.value(at, k, values[name])
	}
}

// unknown says of a key that the release has not, by what name it has it, or which release does.
func (c *checker) unknown(at []string) {
	name := strings.Join(at, ".")
	text, known := fmt.Sprintf("cassandra %s has no such key", c.version), false
	for _, other := range versions() {
		k, has := read(other)[name]
		if !has {
			continue
		}
		for old, o := range read(other) { // this release has it by the name that it had then
			if _, here := c.known[old]; here && o.now == name {
				text += ": " + old + " is its name there"
				known = true
			}
		}
		if _, here := c.known[k.now]; here && k.now != "" {
			text += ": " + k.now + " is its name there"
			known = true
		}
		if !known {
			text += "; " + other + " has it"
		}
		known = true
		break
	}
	c.bad(at, "%s", text)
	c.problems[len(c.problems)-1].Unknown = !known
}

func (c *checker) value(at []string, k key, v any) {
	if v == nil {
		if !k.empty && len(at) == 1 {
			c.bad(at, "must have a value")
		}
		return
	}
	var wants []string
	for _, name := range k.kinds {
		want, ok := fits(name, v)
		if ok {
			if inside, isMapping := v.(map[string]any); isMapping {
				c.inside(at, name, inside)
			}
			c.lowest(at, k, v)
			return
		}
		wants = append(wants, want)
	}
	c.bad(at, "must be %s", strings.Join(wants, ", or "))
}

// lowest holds a number against the lowest that the release takes. What turns a guardrail off is
// told with the guardrails.
func (c *checker) lowest(at []string, k key, v any) {
	text, _ := written(v)
	n, err := strconv.ParseFloat(text, 64)
	least, noLeast := strconv.ParseFloat(k.least, 64)
	switch {
	case k.none && k.now != "":
		c.bad(at, "is the old name of %s, and this release fails on it", k.now)
	case k.none:
		c.bad(at, "fails in this release, whatever it is")
	case err == nil && noLeast == nil && n < least && !k.guardrail:
		c.bad(at, "must be at least %s", k.least)
	}
}

// inside looks at the keys of a value that is a mapping, where they are known.
func (c *checker) inside(at []string, kind string, values map[string]any) {
	if kind == "mapping" && c.hasKeys(at) {
		c.mapping(at, values)
	}
	if kind != "class" {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if name != "class_name" && name != "parameters" {
			c.bad(append(slices.Clone(at), name), "is no key of a class: it has class_name and parameters")
		}
	}
}

// hasKeys says whether the keys inside a mapping are known.
func (c *checker) hasKeys(at []string) bool {
	prefix := strings.Join(at, ".") + "."
	for name := range c.known {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// names looks for two names of one thing.
func (c *checker) names(settings map[string]any) {
	said := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		now := c.known[name].now
		if now == "" {
			continue
		}
		if _, both := settings[now]; both {
			c.bad([]string{name}, "is the old name of %s, which stands here, too", now)
		} else if other := said[now]; other != "" {
			c.bad([]string{name}, "and %s are old names of %s: one of them at most", other, now)
		}
		said[now] = name
	}
}

// all are the tables, by release.
var all = sync.OnceValue(func() map[string]map[string]key {
	found := map[string]map[string]key{}
	files, err := tables.ReadDir("keys")
	if err != nil {
		return found
	}
	for _, f := range files {
		if version := strings.TrimSuffix(f.Name(), ".txt"); version != f.Name() {
			found[version] = parse(version)
		}
	}
	return found
})

// read is the table of a release.
func read(version string) map[string]key { return all()[version] }

// versions are the releases that have a table, newest first.
func versions() []string {
	return slices.SortedFunc(maps.Keys(all()), func(a, b string) int { return compare(b, a) })
}

// compare orders releases by their numbers.
func compare(a, b string) int { return slices.Compare(numbers(a), numbers(b)) }

func numbers(version string) []int {
	var list []int
	for part := range strings.SplitSeq(version, ".") {
		n, _ := strconv.Atoi(part)
		list = append(list, n)
	}
	return list
}

func parse(version string) map[string]key {
	data, err := tables.ReadFile("keys/" + version + ".txt")
	if err != nil {
		return nil
	}
	keys := map[string]key{}
	for line := range strings.Lines(string(data)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) < 2 {
			continue
		}
		k := key{kinds: strings.Split(fields[1], "|")}
		for _, remark := range fields[2:] {
			name, value, _ := strings.Cut(remark, "=")
			switch name {
			case "empty":
				k.empty = true
			case "guardrail":
				k.guardrail = true
			case "percent":
				k.percent = true
			case "least":
				k.least = value
			case "none":
				k.none = true
			case "default":
				k.preset = value
			case "now":
				k.now = value
			}
		}
		keys[fields[0]] = k
	}
	return keys
}
