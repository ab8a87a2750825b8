package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Diff lists what differs between two specs, a line per key, sorted:
// "regions[1].nodes: 1 → 2". What one side lacks is (none). Specs that differ only
// in where they were read from do not differ.
func Diff(a, b Spec) ([]string, error) {
	before, err := tree(a)
	if err != nil {
		return nil, err
	}
	after, err := tree(b)
	if err != nil {
		return nil, err
	}
	var changes []string
	diff("", before, after, &changes)
	return changes, nil
}

// absent stands for what one side lacks.
type absent struct{}

// tree is the spec as its JSON has it.
func tree(s Spec) (any, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("comparing spec %s: %w", s.Name, err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // so that a large count is shown as it was written
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("comparing spec %s: %w", s.Name, err)
	}
	return v, nil
}

func diff(path string, a, b any, changes *[]string) {
	// A mapping or list that one side lacks is shown key by key.
	am, aIsMap := a.(map[string]any)
	bm, bIsMap := b.(map[string]any)
	if aIsMap && bIsMap || len(am) > 0 && lacks(b) || len(bm) > 0 && lacks(a) {
		keys := slices.Concat(slices.Collect(maps.Keys(am)), slices.Collect(maps.Keys(bm)))
		slices.Sort(keys)
		for _, k := range slices.Compact(keys) {
			at := k
			if path != "" {
				at = path + "." + k
			}
			diff(at, lookup(am, k), lookup(bm, k), changes)
		}
		return
	}
	al, aIsList := a.([]any)
	bl, bIsList := b.([]any)
	if aIsList && bIsList || len(al) > 0 && lacks(b) || len(bl) > 0 && lacks(a) {
		for i := range max(len(al), len(bl)) {
			diff(indexed(path, i), item(al, i), item(bl, i), changes)
		}
		return
	}
	if before, after := show(a), show(b); before != after {
		*changes = append(*changes, fmt.Sprintf("%s: %s → %s", path, before, after))
	}
}

func lacks(v any) bool {
	_, gone := v.(absent)
	return v == nil || gone
}

func lookup(m map[string]any, key string) any {
	if v, ok := m[key]; ok {
		return v
	}
	return absent{}
}

func item(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return absent{}
}

func show(v any) string {
	if _, gone := v.(absent); gone {
		return "(none)"
	}
	if s, ok := v.(string); ok {
		return strconv.Quote(s)
	}
	return fmt.Sprint(v)
}
