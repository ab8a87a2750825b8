package test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/fail"
	"crossring/internal/report"
	"crossring/internal/run"
	"crossring/internal/state"
	"crossring/ringcheck"
)

// olderState puts the state directory of an older crossring where the home's is.
func olderState(t *testing.T, h home) {
	t.Helper()
	from := filepath.Join("testdata", "old-state")
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		to := filepath.Join(h.state, rel)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		data, err := os.ReadFile(path)
		if err != nil || rel == "README" {
			return err
		}
		return os.WriteFile(to, bytes.ReplaceAll(data, []byte("@STATE@"), []byte(h.state)), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A cluster and a run that an older crossring left are listed, read and reported; another spec is
// refused; and down removes the cluster.
func TestStateOfAnOlderCrossring(t *testing.T) {
	beside(t, 0)
	h := newHome(t)
	olderState(t, h)
	l := decode[run.Listing](t, h.must(t, "ls", "-o", "json"))
	if len(l.Clusters) != 1 || l.Clusters[0].Name != "old" || l.Clusters[0].Provider != "local" || l.Clusters[0].Nodes != 2 || l.Clusters[0].Running != 0 {
		t.Fatalf("%+v", l)
	}
	r := h.want(t, fail.ExitRing, "ring", "old", "-o", "json")
	checkSays(t, r, "none of the 2 nodes of old answered", "crossring up old")
	if ring := decode[ringcheck.Ring](t, r); len(ring.Mismatches) == 0 {
		t.Errorf("a ring of servers that do not run: %+v", ring)
	}

	// The spec is read: the same one differs in nothing, another one in what it differs.
	same := strings.Replace(oneByOne("old", "1.2"), "RandomPartitioner", "Murmur3Partitioner", 1)
	checkSays(t, h.want(t, fail.ExitBusy, "up", "-f", h.spec(t, strings.Replace(same, "512", "640", 1))), "heap_mb: 512 → 640")

	// The run's report is made anew from its results, and says what it said then.
	var then report.Document
	data, err := os.ReadFile(filepath.Join("testdata", "old-state", "runs", "old-run", "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &then); err != nil {
		t.Fatal(err)
	}
	now := decode[report.Document](t, h.must(t, "report", "old-run", "-o", "json"))
	if now.Write == nil || now.Read == nil || now.Write.Acknowledged != 40 || now.Write.Acknowledged != then.Write.Acknowledged ||
		now.Read.Found != then.Read.Found || now.Read.Missing != then.Read.Missing || now.Read.Rows != then.Read.Rows {
		t.Errorf("the report says %+v, %+v; it was %+v, %+v", now.Write, now.Read, then.Write, then.Read)
	}

	h.must(t, "down", "old")
	if _, err := os.Lstat(state.Dir(h.state, "old")); !os.IsNotExist(err) {
		t.Errorf("the cluster's directory is left: %v", err)
	}
	if l := decode[run.Listing](t, h.must(t, "ls", "-o", "json")); len(l.Clusters) != 0 {
		t.Errorf("%+v", l)
	}
	h.must(t, "report", "old-run") // runs outlive their clusters
}
