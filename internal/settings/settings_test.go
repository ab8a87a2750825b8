package settings

import (
	"fmt"
	"strings"
	"testing"

	"crossring/internal/release"
	"crossring/internal/release/releasetest"
)

// Every release that can be asked for has a table.
func TestEveryReleaseHasATable(t *testing.T) {
	for _, r := range release.All() {
		for _, version := range r.Patches {
			if keys := Keys(version); !Known(version) || len(keys) < 90 {
				t.Errorf("%s: %d keys; written by: go run ./internal/jars/lockgen %s", version, len(keys), version)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	newest, older := releasetest.Newest(), releasetest.Of("4.0")
	for _, tt := range []struct {
		version  string
		settings map[string]any
		want     string
	}{
		{newest, nil, ""},
		{newest, map[string]any{"concurrent_writes": int64(64), "hinted_handoff_enabled": false, "write_request_timeout": "5s", "auto_snapshot": "no"}, ""},
		{newest, map[string]any{"concurrent_write": int64(64)}, "concurrent_write: cassandra " + newest + " has no such key"},
		{newest, map[string]any{"concurrent_writes": "many"}, "concurrent_writes: must be a whole number up to 2147483647"},
		{newest, map[string]any{"write_request_timeout": int64(5)}, "write_request_timeout: must be a whole number with its unit, ms, s, m, h, d"},
		{newest, map[string]any{"write_request_timeout": "5us"}, "write_request_timeout: must be a whole number with its unit, ms, s, m, h, d"},
		{newest, map[string]any{"write_request_timeout": "5s", "write_request_timeout_in_ms": int64(5)}, "write_request_timeout_in_ms: is the old name of write_request_timeout, which stands here, too"},
		{older, map[string]any{"write_request_timeout": "5s"}, "write_request_timeout: cassandra " + older + " has no such key: write_request_timeout_in_ms is its name there"},
		{older, map[string]any{"sai_options": map[string]any{}}, "sai_options: cassandra " + older + " has no such key; " + newest + " has it"},
		{newest, map[string]any{"request_scheduler": "x"}, "request_scheduler: cassandra " + newest + " has no such key; " + releasetest.Of("3.11") + " has it"},
		{newest, map[string]any{"tables_warn_threshold": int64(10), "tables_fail_threshold": int64(5)}, "tables_fail_threshold: must not be below tables_warn_threshold, which is 10: what is refused has been warned of before"},
		{newest, map[string]any{"tables_warn_threshold": int64(0)}, "tables_warn_threshold: must not be 0: -1 turns it off"},
		{newest, map[string]any{"tables_warn_threshold": int64(-3)}, "tables_warn_threshold: must be -1, which turns it off, or above 0"},
		{newest, map[string]any{"column_value_size_fail_threshold": "0KiB"}, "column_value_size_fail_threshold: must not be 0: left out, or null, it is off"},
		{newest, map[string]any{"data_disk_usage_percentage_warn_threshold": int64(101)}, "data_disk_usage_percentage_warn_threshold: is a percentage, 100 at most"},
		{newest, map[string]any{"write_consistency_levels_warned": []any{"one"}}, "write_consistency_levels_warned: must be a list of ANY, ONE, TWO"},
		{newest, map[string]any{"memtable": map[string]any{"configuration": nil}}, "memtable.configuration: cassandra " + newest + " has no such key"},
		{newest, map[string]any{"memtable": "skiplist"}, "memtable: must be a mapping"},
		{newest, map[string]any{"disk_access_mode": "MMAP"}, "disk_access_mode: must be one of auto, mmap"},
		{newest, map[string]any{"role_manager": map[string]any{"class": "X"}}, "role_manager.class: is no key of a class"},
		{releasetest.Of("4.1"), map[string]any{"maximum_replication_factor_fail_threshold": int64(2)}, "maximum_replication_factor_fail_threshold: cassandra " + releasetest.Of("4.1") + " has no such key; " + newest + " has it"},
		{newest, map[string]any{"tables_warn_threshold": []any{1}, "tables_fail_threshold": int64(3)}, "tables_warn_threshold: must be a whole number"},
		{newest, map[string]any{"column_value_size_fail_threshold": int64(3)}, "column_value_size_fail_threshold: must be a whole number with its unit"},
		{"6.6.6", map[string]any{"x": 1}, ""},
	} {
		var got []string
		for _, p := range Check(tt.version, tt.settings) {
			got = append(got, strings.Join(p.Path, ".")+": "+p.Text)
		}
		text := strings.Join(got, "; ")
		if !strings.HasPrefix(text, tt.want) || tt.want == "" && text != "" || len(got) > 1 {
			t.Errorf("%s %v:\n got %s\nwant %s", tt.version, tt.settings, fmt.Sprint(got), tt.want)
		}
	}
}

// Any key of any release may stand in the settings of another one, with anything in it: what is
// wrong is said, and nothing breaks.
func TestCheckTakesAnything(t *testing.T) {
	values := []any{nil, "x", "5s", int64(-7), 5.5, true, []any{nil, map[string]any{"a": 1}}, map[string]any{"x": []any{}}}
	for _, of := range []string{releasetest.Newest(), releasetest.Oldest()} {
		for _, on := range versions() {
			for i, key := range Keys(of) {
				Check(on, map[string]any{key: values[i%len(values)], "tables_fail_threshold": values[i/len(values)%len(values)]})
			}
		}
	}
}
