package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossring/internal/deploy/sshhost/sshdtest"
	"crossring/internal/fail"
	"crossring/internal/lag"
	"crossring/internal/load"
	"crossring/internal/report"
	"crossring/internal/run"
)

// machine is an sshd and a directory that stands for a machine's /.
type machine struct {
	*sshdtest.Server
	root    string
	address string // of the node
	jolokia int
}

// machines are two of them, in two regions. The nodes' addresses are beyond those
// that local clusters choose from.
func machines(t *testing.T) []machine {
	t.Helper()
	return []machine{newMachine(t, 0), newMachine(t, 1)}
}

// newMachine is the i-th, from 0.
func newMachine(t *testing.T, i int) machine {
	t.Helper()
	return machine{
		Server: sshdtest.Start(t, "127.0.0.1"), root: filepath.Join(t.TempDir(), "machine"),
		address: machineAddress(t, i, 0), jolokia: jolokiaPort(t, i),
	}
}

// writeHosts writes a spec of provider hosts and its inventory file.
func writeHosts(t *testing.T, version string, list []machine, regions ...string) (spec string) {
	t.Helper()
	if regions == nil {
		regions = []string{"us-east-1", "us-west-2"}
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "hosts.yaml"), inventoryFile(list, regions))
	spec = filepath.Join(dir, "cluster.yaml")
	writeFile(t, spec, fmt.Sprintf(`version: crossring/v1
name: machines
cassandra: %q
provider: hosts
hosts: hosts.yaml
heap_mb: 512
regions:
`, version)+zones(regions))
	return spec
}

// inventoryFile is one that has the machines, each in its region.
func inventoryFile(list []machine, regions []string) string {
	var inv strings.Builder
	inv.WriteString("version: crossring/v1\nhosts:\n")
	for i, m := range list {
		fmt.Fprintf(&inv, "  - address: %s\n    port: %d\n    user: %s\n    identity_file: %s\n    host_keys: [%q]\n", m.Address, m.Port, m.User, m.Identity, m.HostKey)
		fmt.Fprintf(&inv, "    region: %s\n    public: %s\n    root: %s\n    jolokia_port: %d\n", regions[i], m.address, m.root, m.jolokia)
	}
	return inv.String()
}

// zones lists regions as a spec has them, neighbours as one.
func zones(regions []string) string {
	var b strings.Builder
	for i := 0; i < len(regions); {
		n := 1
		for i+n < len(regions) && regions[i+n] == regions[i] {
			n++
		}
		fmt.Fprintf(&b, "  - region: %s\n    nodes: %d\n", regions[i], n)
		i += n
	}
	return b.String()
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The whole way on machines that are reached by SSH: up, the experiment by loaders
// on the machines, what a person does in between, and nothing left afterwards.
func TestHosts(t *testing.T) {
	beside(t, 2, hostAddresses)
	if long() {
		for _, version := range []string{oldest, newest} {
			t.Run(version, func(t *testing.T) { wholeWayOnHosts(t, version) })
		}
		return
	}
	wholeWayOnHosts(t, oldest) // 5.0 goes this way in the lab
}

func wholeWayOnHosts(t *testing.T, version string) {
	list := machines(t)
	spec := writeHosts(t, version, list)
	h := newHome(t)
	t.Cleanup(func() { h.run(context.Background(), "down", "machines") })
	up := decode[run.UpResult](t, h.must(t, "up", "-f", spec, "-o", "json"))
	if up.Ring == nil || len(up.Ring.Mismatches) != 0 || len(up.Ring.Datacenters) != 2 {
		t.Fatalf("%+v", up.Ring)
	}
	before := processes(t, h)
	h.must(t, "up", "-f", spec)
	if after := processes(t, h); !slices.Equal(before, after) {
		t.Errorf("a second up made %v of %v", after, before)
	}

	const rows = 5000
	// Workers on the machines, whose clocks are this computer's: what they say of it holds 0.
	late := decode[lag.Result](t, h.must(t, "lag", "machines", "--clock", "echo", "--rate", "50", "--duration", "2s", "-o", "json"))
	if len(late.Pairs) != 2 || late.Clock != lag.ClockEcho {
		t.Errorf("%+v", late)
	}
	for _, p := range late.Pairs {
		if p.Rows != 100 || p.Seen != 100 || p.Offset == nil || p.Offset.Low > 0 || p.Offset.High < 0 {
			t.Errorf("%s to %s: %d rows, %d seen, offset %+v", p.From, p.To, p.Rows, p.Seen, p.Offset)
		}
	}
	doc := decode[report.Document](t, h.must(t, "repro", "machines", "--rows", fmt.Sprint(rows), "-o", "json"))
	if doc.Write == nil || doc.Write.Acknowledged != rows || doc.Read == nil || doc.Read.Found != rows {
		t.Fatalf("%+v, %+v", doc.Write, doc.Read)
	}
	if doc.Write.Coordinators[list[0].address] < rows || doc.Read.Coordinators[list[1].address] < rows {
		t.Errorf("coordinators %v and %v", doc.Write.Coordinators, doc.Read.Coordinators)
	}
	for _, raw := range []string{"write-us-east-1-1.raw", "read.1/read-us-west-2-1.raw"} {
		if _, err := os.Stat(filepath.Join(doc.RunDir, raw)); err != nil {
			t.Error(err)
		}
	}

	if r := h.must(t, "exec", "machines", "--", "echo", "it's", "$HOME"); !slices.Equal(sortedLines(r.stdout),
		[]string{"us-east-1-1: it's $HOME", "us-west-2-1: it's $HOME"}) {
		t.Error(r)
	}
	h.want(t, 3, "exec", "machines", "--", "test -d "+list[0].root+" && ! echo \"$SSH_CONNECTION\" | grep -q ' "+fmt.Sprint(list[0].Port)+"$'")
	if r := h.must(t, "logs", "machines:2", "--lines", "3"); strings.Count(r.stdout, "\n") != 3 {
		t.Error(r)
	}
	if r := h.must(t, "cql", "machines:1", "SELECT data_center FROM system.local"); !strings.Contains(r.stdout, "us-east") {
		t.Error(r)
	}
	if long() {
		throughTunnels(t, h, version, list)
	}
	checkRemoteNodetool(t, h, list)
	h.want(t, 2, "extend", "machines", "--ttl", "8h") // no time to live
	// Nobody is there to be asked, so nothing is taken down.
	down := []string{"down", "machines"}
	if r := h.finish(h.command(t.Context(), down...), down); r.code != 2 || !strings.Contains(r.stderr, "crossring down machines --yes") || !strings.Contains(r.stderr, "there is no terminal") {
		t.Error(r)
	}
	cluster{h, "machines"}.checkDoors(t)
	h.must(t, "stop", "machines:2")
	h.want(t, 4, "ring", "machines")
	h.must(t, "start", "machines:2")
	h.must(t, "ring", "machines")

	checkDownCollects(t, h, list)
	for _, m := range list {
		if _, err := os.Stat(m.root); !os.IsNotExist(err) {
			left, _ := filepath.Glob(filepath.Join(m.root, "*", "*"))
			t.Errorf("%s is still there, with %v (%v)", m.root, left, err)
		}
	}
	for _, p := range before {
		if _, err := os.Stat("/proc/" + p[strings.LastIndex(p, " ")+1:]); err == nil {
			t.Errorf("process %s is still there", p)
		}
	}
	h.want(t, 1, "ring", "machines")
}

// processes are the servers of the cluster: node and pid.
func processes(t *testing.T, h home) []string {
	t.Helper()
	r := h.must(t, "start", "machines", "-o", "json")
	var list []string
	for _, p := range decode[run.NodesResult](t, r).Nodes {
		if p.Running {
			list = append(list, fmt.Sprintf("%s %d", p.Node, p.PID))
		}
	}
	return list
}

func sortedLines(text string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	slices.Sort(lines)
	return lines
}

// One machine that is out of reach does not hide what is wrong with another, and
// nothing is put on either.
func TestHostsThatCannotBeUsed(t *testing.T) {
	beside(t, 0, hostAddresses)
	list := machines(t)
	spec := writeHosts(t, newest, list)
	list[0].Stop()
	h := newHome(t)
	r := h.want(t, 3, "up", "-f", spec)
	if !strings.Contains(r.stderr, "us-east-1-1") || strings.Contains(r.stderr, "us-west-2-1:") {
		t.Error(r)
	}
	list[1].ChangeHostKey(t)
	r = h.want(t, 1, "up", "-f", spec)
	if !strings.Contains(r.stderr, "us-east-1-1") || !strings.Contains(r.stderr, "us-west-2-1") || !strings.Contains(r.stderr, "host key of") {
		t.Error(r)
	}
	for _, m := range list {
		if _, err := os.Stat(m.root); !os.IsNotExist(err) {
			t.Errorf("%s was made: %v", m.root, err)
		}
	}
}

// Two loaders share the keys of a datacenter, and their results add up; one that is
// told to stop says how far it got.
func TestSeveralLoaders(t *testing.T) {
	needLong(t)
	beside(t, 2, hostAddresses)
	list := machines(t)
	spec := writeHosts(t, oldest, list, "us-east-1", "us-east-1")
	h := newHome(t)
	t.Cleanup(func() { h.run(context.Background(), "down", "machines") })
	h.must(t, "up", "-f", spec)
	const rows = 3001
	doc := decode[report.Document](t, h.must(t, "repro", "machines", "--rows", fmt.Sprint(rows), "--loaders", "2", "-o", "json"))
	if doc.Write == nil || doc.Write.Acknowledged != rows || doc.Write.RowsAsked != rows || doc.Read == nil || doc.Read.Found != rows {
		t.Fatalf("%+v, %+v", doc.Write, doc.Read)
	}
	for _, op := range []string{"write", "read.1/read"} {
		if raws, err := filepath.Glob(filepath.Join(doc.RunDir, op+"-us-east-1-?.raw")); err != nil || len(raws) != 2 {
			t.Errorf("%v, %v", raws, err)
		}
	}
	// At this rate it would take an hour.
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := h.command(ctx, "stress", "write", "machines", "--rows", "36000", "--rate", "10", "--loaders", "2", "-o", "json")
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(h.state, "runs", "machines-*", "write-*.raw")
	for {
		raws, _ := filepath.Glob(state)
		begun := 0 // a loader that has begun has written what it is to do
		for _, raw := range raws {
			if info, err := os.Stat(raw); err == nil && info.Size() > 0 {
				begun++
			}
		}
		if begun >= 4 || ctx.Err() != nil {
			break
		}
		time.Sleep(50 * time.Millisecond) // files appear, and fill, without a word
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Fatalf("exit %d (%v): %s", code, err, out.String())
	}
	res := decode[load.StressResult](t, result{stdout: out.String()})
	if res.Write == nil || !res.Write.Interrupted || res.Write.Rows < 1 || res.Write.Rows >= 36000 || res.Write.RowsAsked != 36000 {
		t.Errorf("%s", out.String())
	}
	if r := h.must(t, "exec", "machines", "--", "ps -e -o args | grep '[c]rossring loader' || true"); r.stdout != "" {
		t.Errorf("loaders still run: %s", r)
	}

	// One of two is killed: what is on record is read, by loaders and from here, all of
	// it and nothing else, and the newest read is what counts.
	c := cluster{home: h, name: "machines"}
	before := h.runDirs(t)
	w := h.start(t, "stress", "write", "machines", "--rows", "4000", "--rate", "500", "--loaders", "2", "-o", "json")
	eventually(t, patience, "a loader has rows on record", func() bool {
		for dir := range h.runDirs(t) {
			info, err := os.Stat(filepath.Join(dir, "write-us-east-1-1.raw"))
			if !before[dir] && err == nil && info.Size() > 4096 {
				return true
			}
		}
		return false
	})
	kill9(t, loaderOf(t, list[0]))
	killed := decode[load.StressResult](t, w.wait(t))
	if killed.Write == nil || !killed.Write.Interrupted || killed.Write.Rows >= 4000 || killed.Write.RowsAsked != 4000 {
		t.Fatalf("%+v", killed.Write)
	}
	for _, loaders := range []string{"2", "0", "1"} {
		h.must(t, "stress", "read", "machines", "--run", killed.RunDir, "--read-dc", "us-east", "--loaders", loaders, "-o", "json")
		doc := c.checkRows(t, killed.RunDir)
		if doc.Read.Rows != killed.Write.Rows || doc.Read.Found != killed.Write.Acknowledged || *doc.Lost != 0 {
			t.Errorf("read by %s loaders: %+v of %+v", loaders, doc.Read, killed.Write)
		}
	}
	h.want(t, fail.ExitUsage, "stress", "write", "machines", "--run", killed.RunDir, "--loaders", "0")
	h.must(t, "down", "machines")
}

// loaderOf is the pid of the loader that runs on a machine, known by the path of its
// program there.
func loaderOf(t *testing.T, m machine) int {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		data, err := os.ReadFile(name)
		if args := strings.Split(string(data), "\x00"); err == nil && len(args) > 1 && strings.HasPrefix(args[0], m.root) && args[1] == load.LoaderCommand {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("no loader runs below %s", m.root)
	return 0
}
