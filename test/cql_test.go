package test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"crossring/internal/release"
	"crossring/internal/run"
)

// cqlType is a type of CQL, a value of it as it is written, and what it is shown as.
type cqlType struct {
	since               string // the series that has it first; "" is all
	name, written, text string
	json                any
}

var cqlTypes = []cqlType{
	{"", "ascii", "'it''s'", "it's", "it's"},
	{"", "bigint", "-9223372036854775808", "-9223372036854775808", json.Number("-9223372036854775808")},
	{"", "blob", "0xCAFE", "0xcafe", "0xcafe"},
	{"", "boolean", "true", "true", true},
	{"", "decimal", "-0.05", "-0.05", json.Number("-0.05")},
	{"", "double", "1.25", "1.25", json.Number("1.25")},
	{"", "float", "0.1", "0.1", json.Number("0.1")},
	{"", "inet", "'127.0.0.9'", "127.0.0.9", "127.0.0.9"},
	{"", "int", "-7", "-7", json.Number("-7")},
	{"", "timestamp", "'2020-02-03 04:05:06+0000'", "2020-02-03 04:05:06.000+0000", "2020-02-03 04:05:06.000+0000"},
	{"", "timeuuid", "01020304-0506-1708-890a-0b0c0d0e0f10", "01020304-0506-1708-890a-0b0c0d0e0f10", "01020304-0506-1708-890a-0b0c0d0e0f10"},
	{"", "uuid", "01020304-0506-4708-890a-0b0c0d0e0f10", "01020304-0506-4708-890a-0b0c0d0e0f10", "01020304-0506-4708-890a-0b0c0d0e0f10"},
	{"", "varchar", "'ü|日本'", "ü|日本", "ü|日本"},
	{"", "varint", "-123456789012345678901234567890", "-123456789012345678901234567890", json.Number("-123456789012345678901234567890")},
	{"", "list<int>", "[1, 2]", "[1, 2]", []any{json.Number("1"), json.Number("2")}},
	{"", "set<text>", "{'a', 'b'}", "{'a', 'b'}", []any{"a", "b"}},
	{"", "map<int, text>", "{1: 'a'}", "{1: 'a'}", map[string]any{"1": "a"}},
	{"2.2", "date", "'1969-12-31'", "1969-12-31", "1969-12-31"},
	{"2.2", "time", "'01:02:03.000000004'", "01:02:03.000000004", "01:02:03.000000004"},
	{"2.2", "smallint", "-300", "-300", json.Number("-300")},
	{"2.2", "tinyint", "-3", "-3", json.Number("-3")},
	{"2.2", "frozen<tuple<int, text>>", "(1, null)", "(1, null)", []any{json.Number("1"), nil}},
	{"2.2", "frozen<pair>", "{a: 1, b: [(true, 'x')]}", "{a: 1, b: [(true, 'x')]}", map[string]any{"a": json.Number("1"), "b": []any{[]any{true, "x"}}}},
	{"3.11", "duration", "-1y2mo3d4h5m6s7ms8us9ns", "-1y2mo3d4h5m6s7ms8us9ns", "-1y2mo3d4h5m6s7ms8us9ns"},
	{"3.11", "list<duration>", "[1d]", "[1d]", []any{"1d"}}, // refused inside a set or as a map's key
	{"5.0", "vector<float, 2>", "[0.5, 2]", "[0.5, 2]", []any{json.Number("0.5"), json.Number("2")}},
	{"5.0", "vector<smallint, 2>", "[1, 2]", "[1, 2]", []any{json.Number("1"), json.Number("2")}},
	{"5.0", "vector<date, 1>", "['1970-01-02']", "['1970-01-02']", []any{"1970-01-02"}},
	{"5.0", "vector<frozen<list<text>>, 2>", "[['a'], ['b', 'c']]", "[['a'], ['b', 'c']]", []any{[]any{"a"}, []any{"b", "c"}}},
	{"5.0", "vector<boolean, 2>", "[true, false]", "[true, false]", []any{true, false}},
}

// speaksCQL writes and reads a value, and a null, of every type that the version has, and
// statements as people paste them. There are 2,000 rows of an experiment.
func (c cluster) speaksCQL(t *testing.T, version string) {
	t.Helper()
	series := func(s string) int {
		return slices.IndexFunc(release.All(), func(r release.Release) bool { return r.Series == s || r.Version == s })
	}
	var names, columns, values []string
	var want []any
	var texts []string
	for i, ty := range cqlTypes {
		if ty.since != "" && series(ty.since) > series(version) {
			continue
		}
		name := fmt.Sprintf("c%d", i)
		names, columns, values = append(names, name), append(columns, name+" "+ty.name), append(values, ty.written)
		want, texts = append(want, ty.json), append(texts, ty.text)
	}
	udt := ""
	if series("2.2") <= series(version) {
		udt = "CREATE TYPE types.pair (a int, b frozen<list<frozen<tuple<boolean, text>>>>);"
	}
	all := strings.Join(names, ", ")
	c.must(t, "cql", c.name+":1", `CREATE KEYSPACE types WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 2}; -- both
		`+udt+`
		CREATE TABLE types.all_of_them (k int PRIMARY KEY, `+strings.Join(columns, ", ")+`); /* one row of values;
		one of nulls */
		BEGIN BATCH INSERT INTO types.all_of_them (k, `+all+`) VALUES (1, `+strings.Join(values, ", ")+`);
			INSERT INTO types.all_of_them (k) VALUES (2); APPLY BATCH; // done`)

	for k, wanted := range map[int][]any{1: want, 2: make([]any, len(want))} {
		statement := fmt.Sprintf("SELECT %s FROM types.all_of_them WHERE k = %d; -- done", all, k)
		r := c.must(t, "cql", c.name+":1", statement, "-o", "json")
		dec := json.NewDecoder(strings.NewReader(r.stdout))
		dec.UseNumber()
		var got run.CQLResult
		if err := dec.Decode(&got); err != nil || len(got.Results) != 1 || len(got.Results[0].Rows) != 1 {
			t.Fatalf("%v in %s", err, r)
		}
		shown := strings.Split(strings.Split(c.must(t, "cql", c.name+":1", statement).stdout, "\n")[1], " | ")
		for i, v := range got.Results[0].Rows[0] {
			text := "null"
			if k == 1 {
				text = texts[i]
			}
			if fmt.Sprintf("%#v", v) != fmt.Sprintf("%#v", wanted[i]) {
				t.Errorf("%s: %s is %#v in JSON, want %#v", version, columns[i], v, wanted[i])
			}
			if len(shown) != len(want) || strings.TrimSpace(shown[i]) != text {
				t.Errorf("%s: %s is shown as %q, want %q", version, columns[i], shown, text)
			}
		}
	}

	// More rows than fit a page of an answer, after them one that fails: what came stays.
	r := c.want(t, 1, "cql", c.name+":1", "SELECT key FROM crossring.rows_by_key; SELECT nonsense; SELECT 1", "-o", "json")
	got := decode[struct {
		run.CQLResult
		Error *struct{ Code int }
	}](t, r)
	if len(got.Results) != 1 || len(got.Results[0].Rows) != 2000 || got.Error == nil || got.Error.Code != 1 {
		t.Errorf("%d results, error %v", len(got.Results), got.Error)
	}
	if r := c.want(t, 2, "cql", c.name+":1", "SELECT key FROM system.local;\nSELECT 'x"); !strings.Contains(r.stderr, "a string that begins on line 2 does not end") || r.stdout != "" {
		t.Error(r)
	}
}
