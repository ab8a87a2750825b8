package yamlgen

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// settingKey is a key as cassandra.yaml has them, dots for a nested option
// (from 4.1) included.
var settingKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$`)

// override puts settings into a rendered cassandra.yaml: a top-level key that
// stands there is replaced, block and all, the others are appended by name. So
// no key stands twice, which the older parsers settle silently.
func override(doc []byte, settings map[string]any, quote yamlQuote) ([]byte, error) {
	if len(settings) == 0 {
		return doc, nil
	}
	text := make(map[string]string, len(settings))
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if !settingKey.MatchString(key) {
			problems = append(problems, fmt.Errorf("%q is not a key of cassandra.yaml", key))
			continue
		}
		value, err := flow(settings[key], quote)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", key, err))
			continue
		}
		text[key] = key + ": " + value + "\n"
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}

	// From 4.1 on many keys have lost their unit: the old name means the same, and to
	// have both is an error.
	renamed := map[string]bool{}
	for key := range text {
		if name := withoutUnit(key); name != key {
			renamed[name] = true
		}
	}

	var out strings.Builder
	replaced := false // inside the block of a key that was replaced
	for line := range strings.Lines(string(doc)) {
		if replaced && (line[0] == ' ' || line[0] == '-') {
			continue
		}
		replaced = false
		if key, _, found := strings.Cut(line, ":"); found {
			if t, ok := text[key]; ok {
				out.WriteString(t)
				delete(text, key)
				replaced = true
				continue
			}
			if renamed[key] {
				replaced = true
				continue
			}
		}
		out.WriteString(line)
	}
	if len(text) > 0 {
		out.WriteString("\n# Further settings of this cluster.\n")
		for _, key := range slices.Sorted(maps.Keys(text)) {
			out.WriteString(text[key])
		}
	}
	return []byte(out.String()), nil
}

// withoutUnit is the name that a key has from 4.1 on, where that is its old one
// without the unit.
func withoutUnit(key string) string {
	for _, unit := range []string{"_in_ms", "_in_sec", "_in_minutes", "_in_kb", "_in_mb", "_ms", "_kb", "_mb", "_mb_per_sec", "_megabits_per_sec"} {
		if name, ok := strings.CutSuffix(key, unit); ok {
			return name
		}
	}
	if name, ok := strings.CutPrefix(key, "enable_"); ok {
		return name + "_enabled"
	}
	return key
}

// flow gives a value in YAML's flow style on one line, map keys sorted. It goes
// through JSON first, so that a plan read back from its file renders the same.
func flow(v any, quote yamlQuote) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var plain any
	if err := dec.Decode(&plain); err != nil {
		return "", err
	}
	var b strings.Builder
	if err := writeFlow(&b, plain, quote); err != nil {
		return "", err
	}
	return b.String(), nil
}

func writeFlow(w io.StringWriter, v any, quote yamlQuote) error {
	put := func(s string) { _, _ = w.WriteString(s) } // a Builder's never fails
	switch v := v.(type) {
	case nil:
		put("null")
	case bool:
		put(strconv.FormatBool(v))
	case json.Number:
		n, err := plainNumber(v)
		if err != nil {
			return err
		}
		put(n)
	case string:
		q, err := quote(v)
		if err != nil {
			return err
		}
		put(q)
	case []any:
		put("[")
		for i, item := range v {
			if i > 0 {
				put(", ")
			}
			if err := writeFlow(w, item, quote); err != nil {
				return err
			}
		}
		put("]")
	case map[string]any:
		put("{")
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				put(", ")
			}
			q, err := quote(key)
			if err != nil {
				return err
			}
			put(q + ": ")
			if err := writeFlow(w, v[key], quote); err != nil {
				return err
			}
		}
		put("}")
	}
	return nil
}

// plainNumber writes a number without an exponent: 1e+21 is a string in YAML 1.1.
func plainNumber(n json.Number) (string, error) {
	if !strings.ContainsAny(n.String(), "eE") {
		return n.String(), nil
	}
	f, err := n.Float64()
	if err != nil {
		return "", err
	}
	return strconv.FormatFloat(f, 'f', -1, 64), nil
}
