package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crossring/internal/jars"
	"crossring/internal/release"
	"crossring/internal/report"
	"crossring/internal/settings"
)

// judge runs settings' Keys.java on the classes of a release.
func judge(t *testing.T, version, in string, args ...string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	j, err := jars.Ensure(t.Context(), jars.Request{Version: version, CacheDir: filepath.Join(cache, "crossring", "jars")})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "java", append([]string{"-XX:TieredStopAtLevel=1", "-cp", strings.Join(j.ClassPath, ":"), "../internal/settings/Keys.java"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("keys of %s: %v\n%s", version, err, stderr.String())
	}
	return stdout.String()
}

// judged are the releases whose classes are asked: all, or the newest.
func judged() []string {
	var all []string
	for _, r := range release.All() {
		all = append(all, r.Patches...)
	}
	if !long() {
		return []string{release.Newest().Version}
	}
	return all
}

// What settings are refused for is what each release's own classes say: its keys and their
// kinds, as the table has them, and what it makes of values that are right, wrong and neither.
func TestSettingsAreWhatServersTake(t *testing.T) {
	beside(t, 1)
	text := []any{"5", "abc", "", "true", "yes", "5s", "5ms", "5us", "5ns", "5h", "5d", "5 s", "-5s", "5S", "2147484s", "2147483s", "25d",
		"5MiB", "5KiB", "5B", "5GiB", "5MB", "2GiB", "2048MiB", "5MiB/s", "5KiB/s", "ONE", "one", "LOCAL_QUORUM", "mmap", "MMAP", "compression"}
	values := append(text, int64(5), int64(-1), int64(-2), int64(0), int64(101), int64(99999999999), 5.5, true, false, nil,
		[]any{"a"}, []any{"ONE"}, []any{"compression", "caching"}, map[string]any{"no_such_key": "b"})
	pairs := []map[string]any{
		{"tables_warn_threshold": int64(10), "tables_fail_threshold": int64(5)},
		{"tables_warn_threshold": int64(5), "tables_fail_threshold": int64(10)},
		{"data_disk_usage_percentage_warn_threshold": int64(99), "data_disk_usage_percentage_fail_threshold": int64(50)},
		{"sai_sstable_indexes_per_query_fail_threshold": int64(31)},
		{"sai_sstable_indexes_per_query_fail_threshold": int64(33)},
		{"minimum_replication_factor_warn_threshold": int64(2), "minimum_replication_factor_fail_threshold": int64(3)},
		{"minimum_replication_factor_fail_threshold": int64(2), "default_keyspace_rf": int64(3)},
		{"minimum_replication_factor_warn_threshold": int64(3), "minimum_replication_factor_fail_threshold": int64(2), "default_keyspace_rf": int64(3)},
		{"maximum_replication_factor_warn_threshold": int64(2), "maximum_replication_factor_fail_threshold": int64(1)},
		{"maximum_replication_factor_fail_threshold": int64(2), "default_keyspace_rf": int64(3)},
		{"column_value_size_warn_threshold": "2MiB", "column_value_size_fail_threshold": "1MiB"},
		{"column_value_size_warn_threshold": "1MiB", "column_value_size_fail_threshold": "2048KiB"},
		{"max_hint_window": "3h", "max_hint_window_in_ms": int64(5)},
		{"max_hint_window_in_ms": int64(5000)},
		{"enable_user_defined_functions": true, "user_defined_functions_enabled": true},
		{"concurrent_writes": int64(64), "hinted_handoff_enabled": false, "hinted_handoff_enable": true},
		{"memtable": map[string]any{"configurations": map[string]any{"skiplist": map[string]any{"class_name": "SkipListMemtable"}}}},
		{"memtable": map[string]any{"configuration": map[string]any{}}},
		{"audit_logging_options": map[string]any{"enabled": true, "block": "maybe"}},
		{"audit_logging_options": map[string]any{"enabled": true}},
	}
	for _, version := range judged() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			made := judge(t, version, "")
			have, err := os.ReadFile(filepath.Join("..", "internal", "settings", "keys", version+".txt"))
			if err != nil || made != string(have) {
				t.Fatalf("the table of %s is not what its classes say (%v); written anew by: go run ./internal/jars/lockgen %s", version, err, version)
			}
			cases := slices.Clone(pairs)
			seen := map[string]int{}
			for line := range strings.Lines(made) {
				fields := strings.Split(strings.TrimSpace(line), "\t")
				kind, _, _ := strings.Cut(fields[1], ":")
				if len(fields) > 2 {
					kind += " " + strings.Join(strings.Split(fields[2], "now="), " ")
				}
				if strings.Contains(fields[0], ".") || seen[kind] > 0 && !long() {
					continue // one of each kind; in the long run all
				}
				seen[kind]++
				for i, v := range values {
					if i%2 > 0 && !long() {
						continue
					}
					cases = append(cases, map[string]any{fields[0]: v})
				}
			}
			var in strings.Builder
			for _, c := range cases {
				for _, key := range slices.Sorted(keysOf(c)) {
					value, err := json.Marshal(c[key]) // is YAML
					if err != nil {
						t.Fatal(err)
					}
					fmt.Fprintf(&in, "%s: %s\n", key, value)
				}
				in.WriteString("---\n")
			}
			verdicts := strings.Split(strings.TrimSpace(judge(t, version, in.String(), "judge")), "\n")
			if len(verdicts) != len(cases) {
				t.Fatalf("%d verdicts on %d cases", len(verdicts), len(cases))
			}
			differ := 0
			for i, c := range cases {
				problems := settings.Check(version, c)
				taken := verdicts[i] == "ok"
				if taken == (len(problems) == 0) || excused(version, c, taken) {
					continue
				}
				if differ++; differ < 40 {
					t.Errorf("%v: the server says %.200s; crossring: %v", c, verdicts[i], problems)
				}
			}
			t.Logf("%s: %d cases, %d differences", version, len(cases), differ)
		})
	}
}

func keysOf(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// excused says of a difference that it is meant. Where a text or a class is due, the parser makes
// one of a list, and of a mapping for true: somebody who writes that means something else. Nor does it
// say that a Boolean which may be empty is neither true nor false: then it is empty.
func excused(version string, c map[string]any, taken bool) bool {
	if len(c) != 1 {
		return false
	}
	for key, v := range c {
		if !taken {
			return v == int64(99999999999) // out of a range: Cassandra's to refuse
		}
		kinds := settings.Kinds(version, key)
		_, isList := v.([]any)
		_, isMapping := v.(map[string]any)
		switch {
		case isList || isMapping:
			return slices.ContainsFunc(kinds, func(k string) bool {
				return k == "text" || k == "class" || k == "mapping" || k == "list" || k == "boolean"
			})
		case slices.Contains(kinds, "boolean"), slices.Contains(kinds, "mapping"):
			return true
		}
	}
	return false
}

// Guardrails that would refuse the experiment itself hold nobody: without passwords Cassandra
// takes everybody for a superuser.
func TestGuardrailsHoldNobody(t *testing.T) {
	needLong(t)
	beside(t, 2)
	h := newHome(t)
	t.Cleanup(func() { h.clear("rails") })
	h.must(t, "up", "-f", h.spec(t, oneByOne("rails", newest)+`settings:
  keyspaces_fail_threshold: 1
  tables_fail_threshold: 1
  column_value_size_fail_threshold: 64B
  uncompressed_tables_enabled: false
  drop_truncate_table_enabled: false
  table_properties_disallowed: [compression, speculative_retry]
  write_consistency_levels_disallowed: [ONE, LOCAL_ONE, LOCAL_QUORUM, QUORUM, EACH_QUORUM, ALL]
  read_consistency_levels_disallowed: [ONE, LOCAL_ONE, LOCAL_QUORUM, QUORUM, EACH_QUORUM, ALL]
`))
	r := decode[report.Document](t, h.must(t, "repro", "rails", "--rows", "500", "-o", "json"))
	if r.Write == nil || r.Read == nil || r.Write.Acknowledged != 500 || r.Read.Found != 500 {
		t.Errorf("written %+v, read %+v", r.Write, r.Read)
	}
}
