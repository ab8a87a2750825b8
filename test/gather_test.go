package test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"crossring/internal/run"
)

// checkCollected looks at what was fetched of one node.
func checkCollected(t *testing.T, e *run.Evidence, node, log string) {
	t.Helper()
	if e == nil {
		t.Fatal("nothing was collected")
	}
	for _, file := range []string{"conf/cassandra.yaml", "conf/jvm.options", "log/system.log", "machine.txt"} {
		data, err := os.ReadFile(filepath.Join(e.Dir, node, file))
		if err != nil || len(data) == 0 {
			t.Errorf("%s of %s: %d bytes, %v", file, node, len(data), err)
		}
		if file == "log/system.log" && !strings.Contains(string(data), log) {
			t.Errorf("%s of %s says nothing of %q", file, node, log)
		}
		if file == "machine.txt" && (!strings.Contains(string(data), "# date -u") || !strings.Contains(string(data), "/proc/swaps")) {
			t.Errorf("%s of %s: %s", file, node, data)
		}
	}
}

// What down fetches before it removes the machines' files: of a machine that does not
// answer, that it did not; and the others all the same.
func checkDownCollects(t *testing.T, h home, list []machine) {
	t.Helper()
	list[1].Stop()
	r := h.want(t, 5, "down", "machines", "-o", "json")
	e := decode[run.DownResult](t, r).Collected
	checkCollected(t, e, "us-east-1-1", "Starting listening for CQL clients on")
	if len(e.Nodes) != 1 || len(e.Missing) != 1 || e.Missing[0] != "us-west-2-1" || !strings.Contains(r.stderr, "not all of us-west-2-1 was collected") {
		t.Errorf("collected %+v: %s", e, r)
	}
	if text, err := os.ReadFile(filepath.Join(e.Dir, "us-west-2-1", "missing.txt")); err != nil || !strings.Contains(string(text), "waiting for ssh") {
		t.Errorf("why there is nothing of us-west-2-1: %q, %v", text, err)
	}
	list[1].Restart(t)
	r = h.must(t, "down", "machines", "--no-collect", "-o", "json")
	if got := decode[run.DownResult](t, r); got.Collected != nil || !got.Removed {
		t.Errorf("with --no-collect: %s", r)
	}
	if _, err := os.Stat(filepath.Join(e.Dir, "us-east-1-1", "log", "system.log")); err != nil {
		t.Errorf("what was collected did not survive down: %v", err)
	}
}

// A server that can't start: its log and configuration are fetched when up gives up,
// passwords left out.
func TestUpThatFailsCollects(t *testing.T) {
	beside(t, standIns(2), hostAddresses)
	list := machines(t)
	spec := writeHosts(t, oldest, list)
	text, err := os.ReadFile(spec)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, spec, string(text)+"settings:\n  concurrent_writes: 1\n  request_scheduler_options: {weights: {keystore_password: verysecret}}\n")
	h := processHome(t)
	t.Cleanup(func() { h.run(context.Background(), "down", "machines", "--no-collect") })
	r := h.run(t.Context(), "up", "-f", spec, "-o", "json")
	if r.code != 1 && r.code != 3 {
		t.Fatal(r)
	}
	e := decode[run.UpResult](t, r).Collected
	if e == nil || len(e.Nodes) != 2 {
		t.Fatalf("collected %+v: %s", e, r)
	}
	checkSays(t, r, "logs and configuration are in "+e.Dir)
	data, err := os.ReadFile(filepath.Join(e.Dir, "us-east-1-1", "conf", "cassandra.yaml"))
	if err != nil || !strings.Contains(string(data), "concurrent_writes: 1") || strings.Contains(string(data), "verysecret") {
		t.Errorf("cassandra.yaml as collected: %v\n%s", err, data)
	}
	if logs, err := filepath.Glob(filepath.Join(e.Dir, "us-east-1-1", "log", "*.log")); err != nil || len(logs) == 0 {
		t.Errorf("no logs: %v", err)
	}
	r = h.run(t.Context(), "up", "-f", spec, "--no-collect", "-o", "json")
	if up := decode[run.UpResult](t, r); r.code == 0 || up.Collected != nil {
		t.Errorf("with --no-collect: %s", r)
	}
	h.must(t, "down", "machines", "--no-collect")
}

// Of a cluster on this computer, logs are kept only where that is asked for.
func TestDownOnThisComputerCollectsWhenAsked(t *testing.T) {
	beside(t, 0)
	h := processHome(t)
	for _, c := range []struct {
		flags []string
		want  bool
	}{{nil, false}, {[]string{"--collect"}, true}} {
		h.must(t, "up", "-f", h.spec(t, oneByOne("here", oldest)), "--until", "deploy")
		t.Cleanup(func() { h.clear("here") })
		r := h.must(t, append([]string{"down", "here", "-o", "json"}, c.flags...)...)
		got := decode[run.DownResult](t, r)
		if (got.Collected != nil) != c.want {
			t.Errorf("down %v: %s", c.flags, r)
		}
		if !c.want {
			continue
		}
		if _, err := os.Stat(filepath.Join(got.Collected.Dir, "us-west-2-1", "conf", "cassandra.yaml")); err != nil {
			t.Error(err)
		}
	}
}

// A spec that differs is shown as a diff, and refused until --replace asks for it to
// be made anew.
func TestReplace(t *testing.T) {
	beside(t, 0)
	h := processHome(t)
	first := h.spec(t, oneByOne("swap", oldest))
	t.Cleanup(func() { h.clear("swap") })
	h.must(t, "up", "-f", first, "--until", "provision")
	before, _ := h.inventory(t, "swap")
	second := write(t, "cluster.yaml", strings.Replace(oneByOne("swap", oldest), "heap_mb: 512", "heap_mb: 384", 1))
	checkSays(t, h.want(t, 8, "up", "-f", second), "heap_mb: 512 → 384", "crossring up -f FILE --replace")
	r := h.must(t, "up", "-f", second, "--replace", "--until", "provision")
	after, _ := h.inventory(t, "swap")
	if !strings.Contains(r.stderr, "heap_mb: 512 → 384") || after.Plan.HeapMB != 384 || after.Local.ID == before.Local.ID {
		t.Errorf("replaced %+v by %+v: %s", before.Local, after.Local, r)
	}
	// What does not differ is not replaced.
	h.must(t, "up", "-f", second, "--replace", "--until", "provision")
	if same, _ := h.inventory(t, "swap"); same.Local.ID != after.Local.ID {
		t.Errorf("made anew without a difference: %+v", same.Local)
	}
}

// Machines are not taken down for --replace without a word.
func TestReplaceAsks(t *testing.T) {
	beside(t, 0, hostAddresses)
	list := machines(t)
	spec := writeHosts(t, oldest, list)
	h := newHome(t)
	t.Cleanup(func() { h.run(context.Background(), "down", "machines", "--no-collect") })
	h.must(t, "up", "-f", spec, "--until", "provision")
	text, err := os.ReadFile(spec)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, spec, strings.Replace(string(text), "heap_mb: 512", "heap_mb: 384", 1))
	args := []string{"up", "-f", spec, "--replace"} // without --yes, which run would add
	r := h.finish(h.command(t.Context(), args...), args)
	if r.code != 2 {
		t.Fatalf("want exit 2: %s", r)
	}
	checkSays(t, r, "heap_mb: 512 → 384", "--replace --yes")
	if inv, _ := h.inventory(t, "machines"); inv.Plan.HeapMB != 512 {
		t.Errorf("the plan is now %+v", inv.Plan)
	}
	h.must(t, "up", "-f", spec, "--replace", "--yes", "--until", "provision")
	if inv, _ := h.inventory(t, "machines"); inv.Plan.HeapMB != 384 {
		t.Errorf("the plan is still %+v", inv.Plan)
	}
	h.must(t, "down", "machines")
}

// A directory that was copied or renamed is not taken for the cluster it tells of.
func TestStateOfAnotherCluster(t *testing.T) {
	beside(t, 0)
	h := processHome(t)
	c := h.keeperOnly(t, "mine")
	keeper := h.keeper(t)
	dir := filepath.Join(h.state, "clusters")
	if err := os.CopyFS(filepath.Join(dir, "yours"), os.DirFS(filepath.Join(dir, "mine"))); err != nil {
		t.Logf("copying: %v", err) // of the keeper's socket there is no copy
	}
	other := processHome(t)
	if err := os.MkdirAll(filepath.Join(other.state, "clusters", "mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"inventory.json", "spec.json"} {
		data, err := os.ReadFile(filepath.Join(dir, "mine", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range []string{filepath.Join(dir, "yours", name), filepath.Join(other.state, "clusters", "mine", name)} {
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				t.Fatal(err)
			}
			writeFile(t, to, string(data))
		}
	}
	for _, verb := range []string{"up", "status", "stop", "down"} {
		checkSays(t, h.want(t, 8, verb, "yours"), `is the state of cluster "mine", not of "yours"`)
		checkSays(t, other.want(t, 8, verb, "mine"), `is a copy of the state of cluster "mine", which was made in `+filepath.Join(dir, "mine"))
	}
	if now := h.keeper(t); now != keeper || now == 0 {
		t.Errorf("the keeper was %d and is %d", keeper, now)
	}
	if err := os.RemoveAll(filepath.Join(dir, "yours")); err != nil {
		t.Fatal(err)
	}
	c.must(t, "down", "mine")
}

// Machines that lack what a node needs: each is named with its own trouble, and
// nothing is put on any.
func TestMachinesThatDoNotFit(t *testing.T) {
	beside(t, 0, hostAddresses)
	list := machines(t)
	spec := writeHosts(t, newest, list)
	l, err := net.Listen("tcp", net.JoinHostPort(list[0].address, "7000"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.MkdirAll(list[1].root, 0o755); err != nil {
		t.Fatal(err)
	}
	mount(t, list[1].root, "size=64m", 0)
	h := newHome(t)
	r := h.want(t, 8, "up", "-f", spec)
	checkSays(t, r, "hint: ssh -p "+strconv.Itoa(list[0].Port))
	for _, want := range []string{
		"us-east-1-1: " + list[0].address + ":7000 is in use by another program", "us-west-2-1: ", " MB free, at least ",
	} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("want %q: %s", want, r)
		}
	}
	if left, err := os.ReadDir(list[1].root); err != nil || len(left) > 0 {
		t.Errorf("put on the machine: %v, %v", left, err)
	}
}

// nodetool on a machine: the node's own, and JMX off again afterwards.
func checkRemoteNodetool(t *testing.T, h home, list []machine) {
	t.Helper()
	r := h.must(t, "nodetool", "machines:2", "status")
	for _, m := range list {
		if !strings.Contains(r.stdout, m.address) {
			t.Errorf("no %s: %s", m.address, r)
		}
	}
	if strings.Count(r.stdout, "UN  ") != 2 {
		t.Errorf("want two nodes up: %s", r)
	}
	r = h.want(t, 1, "nodetool", "machines:1", "--", "nonsense")
	if !strings.Contains(r.stderr, "nodetool nonsense on us-east-1-1: exit status ") {
		t.Error(r)
	}
	for _, m := range list {
		if conn, err := net.Dial("tcp", net.JoinHostPort(m.address, "7199")); err == nil {
			conn.Close()
			t.Errorf("JMX is on at %s", m.address)
		}
	}
	h.must(t, "ring", "machines")
}
