package test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crossring/internal/release"
	"crossring/internal/topology"
)

// added is what something new takes: the files that are new, by their path in the tree, and
// what is written behind something in those that are there.
type added struct {
	files map[string]string
	lines []added1
}

type added1 struct{ file, after, line string }

// build is the program with it. The tree stays as it is: the files are laid over it.
func (a added) build(t *testing.T, what string) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	over := map[string]string{} // the text, by path in the tree
	for path, text := range a.files {
		over[path] = text
	}
	for _, l := range a.lines {
		if over[l.file] == "" {
			text, err := os.ReadFile(filepath.Join(root, l.file))
			if err != nil {
				t.Fatal(err)
			}
			over[l.file] = string(text)
		}
		at := strings.LastIndex(over[l.file], l.after)
		if at < 0 {
			t.Fatalf("%s has no %q any more: where does %s go?", l.file, l.after, what)
		}
		at += len(l.after)
		over[l.file] = over[l.file][:at] + l.line + over[l.file][at:]
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for path, text := range over {
		file := filepath.Join(dir, strings.ReplaceAll(path, "/", "-"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(root, path)] = file
	}
	doc, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	list, program := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "crossring")
	if err := os.WriteFile(list, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-overlay", list, "-o", program, "crossring")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build with %s: %v\n%s", what, err, out)
	}
	t.Logf("%s touches %d files, %d of them new", what, len(over), len(a.files))
	return program
}

func testFile(t *testing.T, elem ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A sixth provider is made as docs/architecture.md says: two files, and a line or a few in
// four others. It is called nothing: its nodes are processes of this computer, and there is
// nothing between them. What can be done with a cluster of it can be, and what can't is
// refused in the one wording.
func TestSixthProvider(t *testing.T) {
	needLong(t)
	beside(t, 2)
	sixth := added{
		files: map[string]string{
			"provision/nothing/nothing.go": testFile(t, "sixth", "provider.go.txt"), // make and unmake; a node's Host
			"internal/places/nothing.go":   testFile(t, "sixth", "place.go.txt"),    // its Place
		},
		lines: []added1{
			{"internal/places/places.go", `"containers": containersPlace,`, ` "nothing": nothingPlace,`},
			{"internal/spec/validate.go", `"ccm", "containers"`, `, "nothing"`},
			// The last one: the plan's comes first, and the inventory's is meant.
			{"internal/topology/topology.go", "Containers *Containers `json:\"containers,omitempty\"`", "\n	Nothing *Nothing `json:\"nothing,omitempty\"`"},
			{"internal/topology/topology.go", "return inv.Containers.Dir", "\n	case inv.Nothing != nil:\n		return inv.Nothing.Dir"},
			{"internal/topology/places.go", `case "local", "ccm", "containers"`, `, "nothing"`},
			{"internal/topology/places.go", "package topology\n", testFile(t, "sixth", "inventory.go.txt")},
		},
	}
	h := newHome(t)
	h.program = sixth.build(t, "a sixth provider")
	file := h.spec(t, "version: crossring/v1\nname: sixth\nprovider: nothing\nregions:\n"+
		"  - {region: us-east-1, zone: us-east-1a, nodes: 1}\n  - {region: us-west-2, zone: us-west-2a, nodes: 1}\n")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		h.run(ctx, "down", "sixth")
	})
	h.must(t, "plan", "-f", file)
	h.must(t, "render", "-f", file)
	h.must(t, "up", "-f", file)
	h.must(t, "ring", "sixth")
	h.must(t, "repro", "sixth", "--rows", "500")
	h.must(t, "stop", "sixth:1")
	h.must(t, "up", "sixth")
	checkSays(t, h.want(t, 2, "fault", "show", "sixth"), "of provider nothing, which has no ")
	checkSays(t, h.want(t, 2, "exec", "sixth:1", "--", "true"), "of provider nothing, which has no ")
	if got := h.must(t, "ls"); !strings.Contains(got.stdout, "nothing") {
		t.Errorf("ls does not have it: %s", got)
	}
	h.must(t, "down", "sixth")
	if got := h.must(t, "ls"); strings.Contains(got.stdout, "sixth") {
		t.Errorf("down left it: %s", got)
	}
}

// A series of Cassandra's is added as docs/architecture.md says: a file, and its name in a
// list. Specs and plans have it, the files of its nodes are rendered, it is the default, and
// the others are as they were.
func TestSeventhSeries(t *testing.T) {
	needLong(t)
	beside(t, 2)
	newest := release.Newest()
	next := added{
		files: map[string]string{"internal/release/v5_1.go": `package release

var v5_1 = v5_0.but(func(r *Release) {
	r.Series, r.Patches = "5.1", []string{"5.1.0"}
})
`},
		lines: []added1{{"internal/release/release.go", "v4_1, v5_0", ", v5_1"}},
	}
	h := newHome(t)
	h.program = next.build(t, "a seventh series")
	for series, want := range map[string]string{"": "5.1.0", "5.1": "5.1.0", "5.1.0": "5.1.0", newest.Series: newest.Version} {
		text := "version: crossring/v1\nname: seventh\nregions: [{region: us-east-1, zone: us-east-1a, nodes: 1}]\n"
		if series != "" {
			text += "cassandra: '" + series + "'\n"
		}
		file := h.spec(t, text)
		if p := decode[topology.Plan](t, h.must(t, "plan", "-f", file, "-o", "json")); p.Version != want {
			t.Errorf("cassandra %q is %s, want %s", series, p.Version, want)
		}
		if got := h.must(t, "render", "-f", file); !strings.Contains(got.stdout, "/cassandra.yaml\n") {
			t.Errorf("cassandra %q: no cassandra.yaml: %s", series, got)
		}
	}
	known := decode[struct {
		Versions []string `json:"cassandra_versions"`
	}](t, h.must(t, "version", "-o", "json")).Versions
	if len(known) != len(release.All())+1 || !slices.Contains(known, "5.1.0") {
		t.Errorf("version tells of %q", known)
	}
}
