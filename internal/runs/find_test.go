package runs

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"crossring/stress/results"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for i, r := range []struct{ name, cluster string }{{"a-1", "a"}, {"b-1", "b"}, {"a-2", "a"}} {
		if _, err := results.Create(filepath.Join(dir, r.name), results.Meta{RunID: uint64(i), Cluster: r.cluster, Started: at.Add(time.Duration(i) * time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	keep := func(name, text string) {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, LagFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keep("b-lag-1", `{"cluster": "b", "started": "2026-11-30T15:00:00Z"}`)
	keep("b-lag-0", `{"cluster": "b", "started": "2026-11-30T11:00:00Z"}`)
	keep("damaged", `{"cluster": "a", "star`)
	for ref, want := range map[string]string{
		"a-1": "a-1", "a": "a-2", "b": "b-lag-1", "latest": "b-lag-1", "b-lag-0": "b-lag-0", "c": "",
	} {
		got, err := Find(dir, ref)
		if want == "" && err == nil || want != "" && got != filepath.Join(dir, want) {
			t.Errorf("%s is %s, %v, want %s", ref, got, err, want)
		}
	}
	if got, err := Find(dir, filepath.Join(dir, "b-1")); err != nil || got != filepath.Join(dir, "b-1") {
		t.Errorf("a path: %s, %v", got, err)
	}
	if got, err := Find(t.TempDir(), "latest"); err == nil {
		t.Errorf("of no runs the latest is %s", got)
	}
}
