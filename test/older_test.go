package test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
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

// A cluster that the crossring of an older commit has made, servers and keeper, is opened, grown,
// loaded and removed by this one.
func TestClusterOfAnOlderCrossring(t *testing.T) {
	needLong(t)
	beside(t, 3)
	const commit = "4c45a5e"
	dir := t.TempDir()
	tree, older := filepath.Join(dir, "tree"), filepath.Join(dir, "crossring")
	if out, err := exec.Command("git", "worktree", "prune").CombinedOutput(); err != nil {
		t.Skipf("not possible here: git does not work in this tree: %v\n%s", err, out)
	}
	if err := exec.Command("git", "cat-file", "-e", commit+"^{commit}").Run(); err != nil {
		t.Skipf("not possible here: commit %s is not in this clone: %v", commit, err)
	}
	sh := exec.Command("sh", "-euc", `mkdir "$1"; git -C .. archive "$2" | tar x -C "$1"; cd "$1"; go build -o "$3" .`, "sh", tree, commit, older)
	if out, err := sh.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", commit, err, out)
	}
	h := newHome(t)
	before := home{state: h.state, program: older}
	text := oneByOne("grown", newest)
	// What the older one calls the newest of the series is a release of its own.
	text = strings.Replace(text, newest, "5.0.5", 1)
	before.must(t, "up", "-f", h.spec(t, text))
	t.Cleanup(func() { h.clear("grown") })
	before.must(t, "repro", "grown", "--rows", "200")
	inv, _ := h.inventory(t, "grown")

	l := decode[run.Listing](t, h.must(t, "ls", "-o", "json"))
	if len(l.Clusters) != 1 || l.Clusters[0].Running != 2 {
		t.Fatalf("%+v", l)
	}
	h.must(t, "ring", "grown")
	h.must(t, "up", "grown")
	grown := strings.Replace(text, "zone: us-west-2a, nodes: 1", "zone: us-west-2a, nodes: 2", 1)
	h.must(t, "up", "-f", h.spec(t, grown))
	ring := decode[ringcheck.Ring](t, h.must(t, "ring", "grown", "-o", "json"))
	if len(ring.Mismatches) != 0 || len(ring.Datacenters) != 2 || len(ring.Datacenters[1].Nodes) != 2 {
		t.Errorf("%+v", ring)
	}
	doc := decode[report.Document](t, h.must(t, "repro", "grown", "--rows", "500", "-o", "json"))
	if doc.Read == nil || doc.Read.Found != 500 {
		t.Errorf("%+v", doc.Read)
	}
	h.must(t, "down", "grown")
	h.checkGone(t, inv)
}
