package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/topology"
	"crossring/provision/local"
)

// elsewhere builds the program with that side of it which other systems than Linux
// have: their files in place of Linux's, in the packages that need it.
func elsewhere(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for _, pkg := range []string{"../provision/local", "../provision/local/procs"} {
		abs, err := filepath.Abs(pkg)
		if err != nil {
			t.Fatal(err)
		}
		linux, err := filepath.Glob(filepath.Join(abs, "*_linux.go"))
		if err != nil || len(linux) == 0 {
			t.Fatalf("files of Linux in %s: %v, %v", pkg, linux, err)
		}
		for _, file := range linux {
			replace[file] = "" // as if it were not there
		}
		other, err := filepath.Glob(filepath.Join(abs, "*_other.go"))
		if err != nil || len(other) != 1 {
			t.Fatalf("files of other systems in %s: %v, %v", pkg, other, err)
		}
		text, err := os.ReadFile(other[0])
		if err != nil {
			t.Fatal(err)
		}
		after, found := strings.CutPrefix(string(text), "//go:build !linux\n")
		if !found {
			t.Fatalf("%s is not for all systems but Linux", other[0])
		}
		replace[other[0]] = filepath.Join(dir, filepath.Base(other[0]))
		writeFile(t, replace[other[0]], after)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "overlay.json"), string(overlay))
	exe := filepath.Join(dir, "crossring")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w",
		"-overlay", filepath.Join(dir, "overlay.json"), "-o", exe, "crossring").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return exe
}

// What needs Linux says so at once, with exit code 7; what does not goes on.
func TestElsewhereThanOnLinux(t *testing.T) {
	needLong(t)
	beside(t, 0)
	exe := elsewhere(t)
	h := newHome(t)
	run := func(args ...string) result {
		cmd := h.command(t.Context(), args...)
		cmd.Path, cmd.Args[0] = exe, exe
		return h.finish(cmd, args)
	}
	one := write(t, "one.yaml", oneByOne("one", "5.0"))
	ccm := write(t, "ccm.yaml", oneByOne("two", "5.0")+"provider: ccm\n")

	const instead = "crossring plan -f FILE --provider ec2"
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"up", "-f", one}, []string{"provider local needs Linux", instead}},
		{[]string{"up", "-f", one, "--until", "provision"}, []string{"provider local needs Linux", instead}},
		{[]string{"up", "-f", ccm}, []string{"provider ccm needs Linux", instead}},
		{[]string{"demo"}, []string{"provider local needs Linux", instead}},
		{[]string{"keeper", "--id=1", h.state}, []string{"provider local needs Linux", instead}},
		{[]string{"tunnel", "one:1", "--background"}, []string{"a tunnel in the background needs Linux", "crossring tunnel one:1"}},
	} {
		r := run(c.args...)
		if r.code != 7 {
			t.Errorf("want exit 7: %s", r)
		}
		for _, s := range c.says {
			if !strings.Contains(r.stderr, s) {
				t.Errorf("want %q: %s", s, r)
			}
		}
	}
	if left, err := os.ReadDir(h.state); err != nil || len(left) > 0 {
		t.Errorf("left in the state directory: %v, %v", left, err)
	}

	planned := run("plan", "-f", one, "-o", "json")
	for _, r := range []result{planned, run("plan", "-f", one, "--provider", "ec2"), run("render", "-f", one), run("ls"), run("tunnel", "ls"), run("up", "-f", one, "--until", "plan")} {
		if r.code != 0 {
			t.Errorf("want exit 0: %s", r)
		}
	}

	// A local cluster's directory that came from another computer.
	p := decode[topology.Plan](t, planned)
	dir := filepath.Join(h.state, "clusters", "one")
	nodes, err := local.Assign(p, 2, dir)
	if err != nil {
		t.Fatal(err)
	}
	inv, err := json.Marshal(topology.Inventory{
		Schema: topology.Schema, Plan: p, Nodes: nodes, Local: &topology.Local{ID: "0123456789ab", Slot: 2, Dir: dir, Java: "java"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "inventory.json"), string(inv))
	if r := run("ls"); r.code != 0 || !strings.Contains(r.stdout, "provider local needs Linux") {
		t.Errorf("want exit 0, and why there is no more to say: %s", r)
	}
	for _, args := range [][]string{
		{"up", "-f", one}, {"start", "one"}, {"stop", "one:1"}, {"restart", "one"}, {"logs", "one:1"}, {"fault", "show", "one"}, {"nodetool", "one:1", "info"}, {"down", "one"},
	} {
		if r := run(args...); r.code != 7 || !strings.Contains(r.stderr, "provider local needs Linux") {
			t.Errorf("want exit 7 and provider local needs Linux: %s", r)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "inventory.json")); err != nil {
		t.Errorf("after a down that failed: %v", err)
	}
}
