package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"crossring/stress/record"
	"crossring/stress/results"
)

func attempts() []Attempt {
	p := record.Phase{Op: record.OpRead, Start: time.UnixMicro(1_700_000_000_123_456)}
	var all []Attempt
	for _, r := range []record.Record{
		{Key: 1, Outcome: record.Found, Start: time.Millisecond, Service: 2500 * time.Microsecond, Coordinator: "127.0.0.1"},
		{Key: 2, Outcome: record.Missing, Start: 2 * time.Millisecond, Service: time.Millisecond, Coordinator: "127.0.0.1", Written: record.Acknowledged, Lag: -1},
		{Key: 2, Attempt: 1, Outcome: record.Found, Start: 5 * time.Millisecond, Service: time.Millisecond, Coordinator: "127.0.0.2", Lag: 0},
		{Key: 3, Outcome: record.Failed, Delay: 7 * time.Microsecond, Class: `a "class", of errors` + "\nin two lines", Lag: -1},
	} {
		all = append(all, OfRecord(p, &r))
	}
	return all
}

func written[T Attempt | Second](t *testing.T, format string, rows []T) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := New[T](format, &b)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Each format reads back as what was written.
func TestAttemptsReadBack(t *testing.T) {
	want := attempts()
	if want[0].LagUS != nil || want[1].LagUS != nil || want[2].LagUS == nil || *want[2].LagUS != 0 || want[1].Written != "acknowledged" {
		t.Fatalf("what is not known is not 0: %+v", want)
	}
	var lines []Attempt
	dec := json.NewDecoder(bytes.NewReader(written(t, "jsonl", want)))
	for dec.More() {
		var a Attempt
		if err := dec.Decode(&a); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, a)
	}
	if !reflect.DeepEqual(lines, want) {
		t.Errorf("jsonl: %+v", lines)
	}
	file := written(t, "parquet", want)
	back, err := parquet.Read[Attempt](bytes.NewReader(file), int64(len(file)))
	for i := range back {
		back[i].Start = back[i].Start.UTC()
	}
	if err != nil || !reflect.DeepEqual(back, want) {
		t.Errorf("parquet: %v, %+v", err, back)
	}
	cells, err := csv.NewReader(bytes.NewReader(written(t, "csv", want))).ReadAll()
	if err != nil || len(cells) != 5 {
		t.Fatalf("csv: %v, %q", err, cells)
	}
	for column, name := range cells[0] {
		for i, a := range want {
			var v map[string]any
			data, err := json.Marshal(a)
			if err == nil {
				err = json.Unmarshal(data, &v)
			}
			if err != nil {
				t.Fatal(err)
			}
			got := cells[i+1][column]
			switch at := v[name].(type) {
			case string:
				if got != at {
					t.Errorf("csv: %s is %q, want %q", name, got, at)
				}
			case float64:
				if n, err := json.Number(got).Float64(); err != nil || n != at {
					t.Errorf("csv: %s is %q, want %v", name, got, at)
				}
			case nil:
				if got != "" || name != "lag_us" {
					t.Errorf("csv: %s is %q, and is not known", name, got)
				}
			}
		}
	}
	if len(cells[0]) != reflect.TypeFor[Attempt]().NumField() {
		t.Errorf("csv has the columns %q", cells[0])
	}
}

func TestSecondsReadBack(t *testing.T) {
	want := []Second{OfSecond("write", results.Second{At: 3, Ops: 8000, Missing: 1, Bad: 2, Latency: results.Percentiles{P50: 1.5, P95: 2, P99: 3, P999: 4, Max: 5.25}})}
	file := written(t, "parquet", want)
	if back, err := parquet.Read[Second](bytes.NewReader(file), int64(len(file))); err != nil || !reflect.DeepEqual(back, want) {
		t.Errorf("parquet: %v, %+v", err, back)
	}
	if got := string(written(t, "csv", want)); got != "op,second,rows,missing,bad,p50_ms,p95_ms,p99_ms,p999_ms,max_ms\nwrite,3,8000,1,2,1.5,2,3,4,5.25\n" {
		t.Errorf("csv:\n%s", got)
	}
	if got := string(written(t, "jsonl", want)); !strings.HasPrefix(got, `{"op":"write","second":3,"rows":8000,`) || !strings.HasSuffix(got, "\"max_ms\":5.25}\n") {
		t.Errorf("jsonl:\n%s", got)
	}
}

// Of nothing there is a file that reads as such.
func TestNothing(t *testing.T) {
	if got := string(written[Attempt](t, "csv", nil)); !strings.HasPrefix(got, "op,key,") || strings.Count(got, "\n") != 1 {
		t.Errorf("csv: %q", got)
	}
	file := written[Attempt](t, "parquet", nil)
	if back, err := parquet.Read[Attempt](bytes.NewReader(file), int64(len(file))); err != nil || len(back) != 0 {
		t.Errorf("parquet: %v, %v", back, err)
	}
	if _, err := New[Attempt]("xlsx", nil); err == nil {
		t.Error("a format that is none")
	}
}

// Many rows go out in groups, and none is lost between them.
func TestManyRows(t *testing.T) {
	var want []Second
	for i := range int64(3*batch + 7) {
		want = append(want, Second{Op: "read", Second: i})
	}
	file := written(t, "parquet", want)
	if back, err := parquet.Read[Second](bytes.NewReader(file), int64(len(file))); err != nil || !reflect.DeepEqual(back, want) {
		t.Errorf("%v, %d rows of %d", err, len(back), len(want))
	}
}
