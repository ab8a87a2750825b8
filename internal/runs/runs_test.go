package runs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"crossring/internal/compare"
	"crossring/internal/topology"
	"crossring/stress/record"
	"crossring/stress/record/recordtest"
	"crossring/stress/results"
)

// made makes a run of a cluster, with a write of so many rows; 0 is none.
func made(t *testing.T, dir, name, cluster string, at time.Time, rows int64) *results.Dir {
	t.Helper()
	m := results.Meta{Cluster: cluster, Started: at, CassandraVersion: "5.0.5", Host: &topology.Computer{Name: "here", CPUs: 2}}
	m.Stress.ValueBytes = 2048
	d, err := results.Create(filepath.Join(dir, name), m)
	if err != nil {
		t.Fatal(err)
	}
	if rows == 0 {
		return d
	}
	p := recordtest.Phase
	p.Op, p.FirstKey, p.Rows, p.Keys = record.OpWrite, 0, rows, nil
	var recs []record.Record
	for key := range rows {
		recs = append(recs, record.Record{Key: key, Outcome: record.Acknowledged, Coordinator: "127.0.0.1", Start: time.Duration(key) * time.Millisecond, Service: 2 * time.Millisecond})
	}
	if err := os.WriteFile(filepath.Join(d.Path, "write.raw"), recordtest.Stream(t, p, recs, &record.End{CPUMicros: 14 * rows, Cores: 2, Seconds: 1}), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	day := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	made(t, dir, "lab-2", "lab", day.Add(time.Hour), 100)
	made(t, dir, "lab-1", "lab", day, 0)
	made(t, dir, "other-1", "other", day.Add(-time.Hour), 0)
	if err := os.MkdirAll(filepath.Join(dir, "bad"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bad", "meta.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := List(dir, "lab")
	if err != nil || len(l.Runs) != 2 || l.Runs[0].Name != "lab-1" || l.Runs[0].What != "nothing yet" || l.Runs[0].Rows != nil {
		t.Fatalf("%+v, %v", l, err)
	}
	if r := l.Runs[1]; r.What != "write" || *r.Rows != 100 || r.WriteRate == nil || r.ReadRate != nil || r.Lost != nil || r.Host.CPUs != 2 || !r.Started.Equal(day.Add(time.Hour)) {
		t.Errorf("%+v", r)
	}
	if l, err := List(dir, ""); err != nil || len(l.Runs) != 4 || l.Runs[0].Problem == "" || l.Runs[1].Cluster != "other" {
		t.Errorf("%+v, %v", l, err)
	}
	if l, err := List(filepath.Join(dir, "none"), ""); err != nil || l.Runs == nil || len(l.Runs) != 0 {
		t.Errorf("of no runs: %+v, %v", l, err)
	}
}

func TestSamples(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c", "with,comma"} {
		made(t, dir, name, "lab", time.Now(), 2000)
	}
	s, err := Samples(t.Context(), dir, []string{"a,b", "c", "with,comma", filepath.Join(dir, "a")}, 0)
	if err != nil || len(s) != 4 || len(s[0].Rounds) != 2 || s[0].Label != "a,b" || len(s[2].Rounds) != 1 || s[3].Label != "a" {
		t.Fatalf("%+v, %v", s, err)
	}
	r := s[1].Rounds[0]
	if len(r.Series["write.rate"]) != 64 || len(r.Series["write.client_cpu_us_per_op"]) != 1 || len(r.Series["write.bytes_per_second"]) != 64 || len(r.Series["read.rate"]) != 0 {
		t.Errorf("%v", r.Series)
	}
	for _, want := range []compare.Setting{{Key: "write_rows", Value: "2000"}, {Key: compare.KeyValueBytes, Value: "2048"}, {Key: "write_rate", Value: "0"}, {Key: "cluster", Value: "lab"}, {Key: "computer", Value: "here, 2 processors"}} {
		if !slices.Contains(r.Settings, want) {
			t.Errorf("no %+v in %+v", want, r.Settings)
		}
	}
	for _, bad := range []string{"none", "a,none", "a,,x"} {
		if _, err := Samples(t.Context(), dir, []string{bad}, 0); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	made(t, dir, "empty", "lab", time.Now(), 0)
	if _, err := Samples(t.Context(), dir, []string{"empty"}, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a run without results: %v", err)
	}
}

// What a command has answered with stands for its run: by the raw results where those are still
// there, else by its sums.
func TestDocuments(t *testing.T) {
	dir := t.TempDir()
	d := made(t, dir, "a", "lab", time.Now(), 2000)
	s, err := d.Summary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := func(doc any) string {
		t.Helper()
		data, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	opened := func(path string) compare.Round {
		t.Helper()
		s, err := Samples(t.Context(), dir, []string{path}, 0)
		if err != nil {
			t.Fatal(err)
		}
		return s[0].Rounds[0]
	}
	whole := map[string]any{"schema": topology.Schema, "cluster": "lab", "run_dir": d.Path, "write": s.Write, "read": nil, "pairs": []any{}}
	if r := opened(file(whole)); r.Name != "a" || len(r.Series["write.rate"]) != 64 {
		t.Errorf("%+v", r)
	}
	whole["run_dir"] = filepath.Join(dir, "gone")
	if r := opened(file(whole)); r.Name != "x" || len(r.Series["write.rate"]) != 1 || len(r.Series["write.p99"]) != 1 || r.Series["write.p99"][0] != s.Write.Latency.P99 {
		t.Errorf("%+v", r)
	}
	second := func(ms float64) map[string]any {
		return map[string]any{"t": ms - 40, "rows": 1, "p50": ms, "p99": ms + 1, "max": nil}
	}
	lag := map[string]any{"schema": topology.Schema, "cluster": "lab", "clock": "one", "rate_asked": 100, "pairs": []any{map[string]any{
		"from": "us-east", "to": "us-west-2", "seconds": []any{second(40), second(41)}, "lag_ms": map[string]any{"high": map[string]any{"p999": 55, "max": nil}},
	}}}
	r := opened(file(lag))
	if !slices.Equal(r.Series["lag.us-east:us-west-2.p50"], []float64{40, 41}) || !slices.Equal(r.Series["lag.us-east:us-west-2.p999"], []float64{55}) || len(r.Series) != 3 {
		t.Errorf("%v", r.Series)
	}
	// The same, as it is kept among the runs.
	data, err := json.Marshal(lag)
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "lab-lag-1"), 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "lab-lag-1", LagFile), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if r := opened("lab-lag-1"); r.Name != "lab-lag-1" || len(r.Series) != 3 {
		t.Errorf("%+v", r)
	}
	if l, err := List(dir, "lab"); err != nil || len(l.Runs) != 2 || l.Runs[0].What != WhatLag || l.Runs[0].Rows == nil {
		t.Errorf("%+v, %v", l, err)
	}
	// A warm-up is taken out of what there is second by second, and of nothing else.
	if s, err := Samples(t.Context(), dir, []string{file(lag)}, time.Second); err != nil || len(s[0].Rounds[0].Series) != 2 || len(s[0].Rounds[0].Series["lag.us-east:us-west-2.p50"]) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Samples(t.Context(), dir, []string{file(whole)}, time.Second); err == nil {
		t.Error("a warm-up was taken out of sums")
	}
	for _, bad := range []any{map[string]any{"schema": "other"}, map[string]any{"schema": topology.Schema}, []int{1}} {
		var none *NoRunError
		if _, err := Samples(t.Context(), dir, []string{file(bad)}, 0); !errors.As(err, &none) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestExport(t *testing.T) {
	dir := t.TempDir()
	d := made(t, dir, "a", "lab", time.Now(), 2000)
	for per, want := range map[string]int64{PerSecond: 2, PerAttempt: 2000} {
		var b bytes.Buffer
		rows, err := Export(t.Context(), d, per, "csv", &b)
		if lines := int64(bytes.Count(b.Bytes(), []byte("\n"))); err != nil || rows < want || rows > want+1 || lines != rows+1 {
			t.Errorf("%s: %d rows in %d lines, %v", per, rows, lines, err)
		}
	}
	if _, err := Export(t.Context(), made(t, dir, "empty", "lab", time.Now(), 0), PerSecond, "csv", io.Discard); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a run without results: %v", err)
	}
}
