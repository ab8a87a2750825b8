package yamlgen

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"crossring/internal/release"
	"crossring/internal/release/releasetest"
)

func TestSettingsOverrideAndAppend(t *testing.T) {
	eachRelease(t, func(t *testing.T, rel release.Release) {
		inv := gk(rel.Version)
		before := parse(t, render(t, inv, inv.Nodes[0], gkEnv())[CassandraYAML])
		inv.Plan.Settings = map[string]any{
			"concurrent_writes":         16,
			"server_encryption_options": map[string]any{"internode_encryption": "all", "optional": false, "keystore": `/a "b": c`},
			"data_file_directories":     []any{"/d1", "/d2"},
			"a_key_of_tomorrow":         map[string]any{"z": []any{1, 2.5, "x"}, "a": nil},
			"big":                       1e21,
		}
		text := render(t, inv, inv.Nodes[0], gkEnv())[CassandraYAML]
		after := parse(t, text)
		wantValues(t, after, map[string]any{
			"concurrent_writes": 16, "data_file_directories": []any{"/d1", "/d2"},
			"server_encryption_options": map[string]any{"internode_encryption": "all", "optional": false, "keystore": `/a "b": c`},
			"a_key_of_tomorrow":         map[string]any{"z": []any{1, 2.5, "x"}, "a": nil},
		})
		if !strings.Contains(text, "\nbig: 1000000000000000000000\n") {
			t.Error("a number is written with an exponent")
		}
		for key := range inv.Plan.Settings {
			if n := strings.Count("\n"+text, "\n"+key+":"); n != 1 {
				t.Errorf("%s stands %d times", key, n)
			}
			delete(before, key)
			delete(after, key)
		}
		if !reflect.DeepEqual(before, after) {
			t.Error("other keys changed")
		}

		// A plan read back from its file renders the same bytes.
		data, err := json.Marshal(inv)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &inv); err != nil {
			t.Fatal(err)
		}
		if again := render(t, inv, inv.Nodes[0], gkEnv())[CassandraYAML]; again != text {
			t.Error("the plan's file renders differently")
		}
	})
}

// Any key of any template can be replaced without touching its neighbours.
func TestEveryKeyCanBeOverridden(t *testing.T) {
	eachRelease(t, func(t *testing.T, rel release.Release) {
		inv := gk(rel.Version)
		before := parse(t, render(t, inv, inv.Nodes[0], gkEnv())[CassandraYAML])
		for _, key := range slices.Sorted(maps.Keys(before)) {
			inv.Plan.Settings = map[string]any{key: "replaced"}
			after := parse(t, render(t, inv, inv.Nodes[0], gkEnv())[CassandraYAML])
			want := maps.Clone(before)
			want[key] = "replaced"
			if !reflect.DeepEqual(after, want) {
				t.Errorf("%s: got %v", key, after)
			}
		}
	})
}

func TestBadSettings(t *testing.T) {
	inv := gk(releasetest.Newest())
	inv.Plan.Settings = map[string]any{"a b": 1, "x\ny": 2, "fine": func() {}}
	_, err := Render(inv, inv.Nodes[0], gkEnv())
	if err == nil {
		t.Fatal("rendered")
	}
	for _, key := range []string{`"a b"`, `"x\ny"`, "fine: "} {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("%v does not name %s", err, key)
		}
	}
}

// Of a key that has lost its unit, only the name stands that the settings have: no
// server from 4.1 on takes both.
func TestOldNames(t *testing.T) {
	old := parse(t, render(t, gk(releasetest.Of("4.0")), gk(releasetest.Of("4.0")).Nodes[0], gkEnv())[CassandraYAML])
	for _, version := range []string{releasetest.Of("4.1"), releasetest.Newest()} {
		inv := gk(version)
		before := parse(t, render(t, inv, inv.Nodes[0], gkEnv())[CassandraYAML])
		tried := 0
		for key, value := range old {
			name := withoutUnit(key)
			if _, ok := before[name]; !ok || name == key {
				continue
			}
			tried++
			inv.Plan.Settings = map[string]any{key: value}
			want := maps.Clone(before)
			delete(want, name)
			want[key] = value
			if after := parse(t, render(t, inv, inv.Nodes[0], gkEnv())[CassandraYAML]); !reflect.DeepEqual(after, want) {
				t.Errorf("%s, %s: got %v", version, key, after)
			}
		}
		if tried < 30 {
			t.Errorf("%s: only %d keys of 4.0 have another name", version, tried)
		}
	}
}
