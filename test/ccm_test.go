package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossring/internal/cql"
	"crossring/internal/fail"
	"crossring/internal/release"
	"crossring/internal/release/releasetest"
	"crossring/internal/report"
	"crossring/internal/run"
	"crossring/internal/topology"
	"crossring/provision/local/procs"
	"crossring/ringcheck"
)

// ccmVersion is the release of ccm that the tests install; oldCCM one that is too old.
const (
	ccmVersion = "3.1.5"
	oldCCM     = "2.0.5"
)

// venv installs a release of ccm into a virtual environment of its own in the user's
// cache, once, and returns the path of its program.
func venv(t *testing.T, version string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "crossring", "ccm-"+version)
	ccm := filepath.Join(dir, "bin", "ccm")
	if _, err := os.Stat(ccm); err == nil {
		return ccm
	}
	for _, args := range [][]string{
		{"python3", "-m", "venv", dir},
		{filepath.Join(dir, "bin", "pip"), "install", "--quiet", "ccm==" + version},
	} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			os.RemoveAll(dir)
			t.Skipf("ccm %s can't be installed here: %v\n%s", version, err, out)
		}
	}
	return ccm
}

// ccmSpec is the spec of a cluster by ccm; extra goes into the block ccm.
func ccmSpec(name, version, command string, counts []int, extra string) string {
	regions := []string{"us-east-1", "us-west-2"}
	s := fmt.Sprintf("version: crossring/v1\nname: %s\ncluster_name: GK Cluster\ncassandra: %q\npartitioner: %s\nheap_mb: 384\nprovider: ccm\nccm: {command: %s%s}\nregions:\n",
		name, version, partitionerOf(version), command, extra)
	for i, n := range counts {
		s += fmt.Sprintf("- {region: %s, nodes: %d}\n", regions[i], n)
	}
	return s
}

// ccmCommand is one of ccm's own commands, about a cluster of crossring's.
func ccmCommand(t *testing.T, inv topology.Inventory, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), inv.CCM.Command, append(args, "--config-dir="+inv.CCM.ConfigDir)...)
	cmd.Env = append(os.Environ(), "CCM_CONFIG_DIR="+inv.CCM.ConfigDir) // else it makes ~/.ccm
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ccm %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// The whole way by ccm: up, the experiment, a server that is killed, and nothing left;
// and ccm's own commands meanwhile. The matrix has the other versions and shapes.
func TestCCM(t *testing.T) {
	beside(t, 2, ccmAddresses)
	ccm := venv(t, ccmVersion)
	h := newHome(t)
	c := h.up(t, "byccm", ccmSpec("byccm", newest, ccm, []int{1, 1}, ""))
	inv, _ := h.inventory(t, c.name)
	before := h.ccmServers(t, inv)
	if len(before) != len(inv.Nodes) {
		t.Fatalf("%d servers of %d nodes", len(before), len(inv.Nodes))
	}
	h.must(t, "up", c.name)
	if after := h.ccmServers(t, inv); !slices.Equal(before, after) {
		t.Errorf("a second up made %v of %v", after, before)
	}
	// Names, tokens and all are as planned, and ccm's own nodetool has the same view.
	ring := decode[ringcheck.Ring](t, h.must(t, "ring", c.name, "-o", "json"))
	if len(ring.Mismatches) != 0 || len(ring.Datacenters) != 2 || ring.Datacenters[0].Name != "us-east" || ring.Datacenters[1].Name != "us-west-2" {
		t.Fatalf("%+v", ring)
	}
	theirs := ccmCommand(t, inv, "node1", "ring")
	for _, n := range inv.Nodes {
		line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(n.PublicAddress) + ` +` + n.Rack + ` +Up +Normal .* ` + n.Tokens[0] + ` *$`)
		if !line.MatchString(theirs) || !strings.Contains(theirs, "Datacenter: "+n.Datacenter) {
			t.Errorf("no %s in\n%s", line, theirs)
		}
	}
	if ours := h.must(t, "nodetool", c.name, "ring"); !strings.Contains(ours.stdout, inv.Nodes[1].Tokens[0]) {
		t.Error(ours)
	}
	const rows = 3000
	doc := decode[report.Document](t, h.must(t, "repro", c.name, "--rows", strconv.Itoa(rows), "-o", "json"))
	if doc.Write == nil || doc.Write.Acknowledged != rows || doc.Read == nil || doc.Read.Found != rows {
		t.Fatalf("%+v, %+v", doc.Write, doc.Read)
	}

	c.checkDoors(t)
	last := inv.Nodes[len(inv.Nodes)-1]
	pid := h.ccmPID(t, inv, last)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the killed server is seen as gone", func() bool {
		r := h.run(t.Context(), "ring", c.name)
		return r.code == fail.ExitRing && strings.Contains(r.stderr, last.Name)
	})
	h.must(t, "start", c.name+":"+last.Name)
	h.must(t, "up", c.name) // gossip takes a moment to reach all
	if after := h.ccmPID(t, inv, last); after == pid {
		t.Errorf("process %d was killed and is there again", pid)
	}
	if status := ccmCommand(t, inv, "status"); strings.Count(status, ": UP") != len(inv.Nodes) {
		t.Error(status) // ccm's view of it is out of date
	}
	if long() { // what ccm writes does not take the names away that the plan has
		h.must(t, "stop", c.name+":1")
		ccmCommand(t, inv, "updateconf", "concurrent_reads: 31")
		ccmCommand(t, inv, "node1", "start", "--root")
		h.must(t, "up", c.name)
	}

	h.must(t, "down", c.name)
	h.nothingOfCCM(t, inv)
}

// ccmServers are the servers of a cluster: node and pid.
func (h home) ccmServers(t *testing.T, inv topology.Inventory) []string {
	t.Helper()
	var list []string
	for _, n := range inv.Nodes {
		list = append(list, fmt.Sprintf("%s %d", n.Name, h.ccmPID(t, inv, n)))
	}
	return list
}

func (h home) ccmPID(t *testing.T, inv topology.Inventory, n topology.Node) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(n.Layout.Root, "cassandra.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(data))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// nothingOfCCM looks for what a cluster that is down should not leave.
func (h home) nothingOfCCM(t *testing.T, inv topology.Inventory) {
	t.Helper()
	for _, n := range inv.Nodes {
		found, err := procs.Find("-Dcassandra.logdir=" + n.Layout.Log)
		if err != nil || len(found) > 0 {
			t.Errorf("%s: %v (%v)", n.Name, found, err)
		}
	}
	socks, err := procs.Sockets()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range socks {
		if s.Listening && slices.ContainsFunc(inv.Nodes, func(n topology.Node) bool { return n.PrivateAddress == s.Local.Addr().String() }) {
			t.Errorf("somebody listens at %s", s.Local)
		}
	}
	if left, err := filepath.Glob(filepath.Join(h.state, "clusters", "*")); err != nil || len(left) > 0 {
		t.Errorf("%v (%v)", left, err)
	}
}

// A cluster that ccm made is taken over as it is, with its own names and tokens, and
// is ccm's again afterwards; one of its servers being dead or not.
func TestCCMAdopts(t *testing.T) {
	needLong(t)
	beside(t, 3, ccmAddresses)
	ccm := venv(t, ccmVersion)
	h := newHome(t)
	// Its installation is the one that crossring lays out, and all else is ccm's.
	maker := newHome(t)
	maker.must(t, "up", "--until", "provision", "-f", maker.spec(t, ccmSpec("layout", newest, ccm, []int{1}, "")))
	t.Cleanup(func() { maker.takeDown(t, "layout") })
	install := filepath.Join(maker.state, "clusters", "layout", "install")
	config := t.TempDir()
	inv := topology.Inventory{CCM: &topology.CCM{Command: ccm, ConfigDir: config}}
	ccmCommand(t, inv, "create", "theirs", "--install-dir="+install, "--partitioner=org.apache.cassandra.dht.Murmur3Partitioner")
	t.Cleanup(func() {
		if out, err := exec.CommandContext(context.Background(), ccm, "remove", "theirs", "--config-dir="+config).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	ccmCommand(t, inv, "populate", "--nodes=1:1", "--ipprefix=127.253.7.")
	ccmCommand(t, inv, "create", "other", "--install-dir="+install) // is now ccm's current one

	block := ", cluster: theirs, config_dir: " + config
	r := h.want(t, fail.ExitUsage, "up", "-f", h.spec(t, ccmSpec("mine", releasetest.Of("4.1"), ccm, []int{2, 1}, block)))
	checkSays(t, r, "Cassandra "+newest+", not "+releasetest.Of("4.1"), "dc1 has 1 node, where us-east of the spec has 2")
	// At first it is looked at alone: no agent is put into its servers.
	bare := newHome(t)
	looked := bare.up(t, "bare", ccmSpec("bare", newest, ccm, []int{1, 1}, block+", source: cql"))
	tells(t, bare.must(t, "status", looked.name), "as planned", "read by CQL", "whom each node sees up")
	if doc := decode[report.Document](t, bare.must(t, "repro", looked.name, "--rows", "500", "-o", "json")); doc.Read == nil || doc.Read.Found != 500 || doc.RingAfter.Source != ringcheck.SourceCQL {
		t.Errorf("%+v, %+v", doc.Read, doc.RingAfter)
	}
	theirs, _ := bare.inventory(t, looked.name)
	for _, n := range theirs.Nodes {
		if at, err := bare.readAgent(t, n); err == nil {
			t.Errorf("somebody listens at %s", at)
		}
	}
	c := h.up(t, "mine", ccmSpec("mine", newest, ccm, []int{1, 1}, block))
	mine, _ := h.inventory(t, c.name)
	ring := decode[ringcheck.Ring](t, h.must(t, "ring", c.name, "-o", "json"))
	if len(ring.Datacenters) != 2 || ring.Datacenters[0].Name != "dc1" || ring.Datacenters[1].Nodes[0].Tokens[0] != "-9223372036854775708" {
		t.Errorf("%+v", ring)
	}
	c.checkDoors(t)
	doc := decode[report.Document](t, h.must(t, "repro", c.name, "--rows", "3000", "-o", "json"))
	if doc.Read == nil || doc.Read.Found != 3000 {
		t.Errorf("%+v", doc.Read)
	}
	rel, err := release.Find(newest)
	if err != nil {
		t.Fatal(err)
	}
	look := func(h home, name string) ringcheck.Ring {
		t.Helper()
		return decode[ringcheck.Ring](t, h.must(t, "ring", name, "-o", "json"))
	}
	sameRing(t, rel, look(h, c.name), look(bare, looked.name))
	gone := func() {
		t.Helper()
		pid := h.ccmPID(t, mine, mine.Nodes[1])
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, time.Minute, "the killed server is seen as gone", func() bool { return h.run(t.Context(), "ring", c.name).code == fail.ExitRing })
		eventually(t, time.Minute, "the killed server has been buried", func() bool { // until then ccm takes it for a running one
			_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
			return os.IsNotExist(err)
		})
	}
	gone()
	// By CQL nobody tells that it is down: it did not answer, and that is all.
	r = bare.want(t, fail.ExitRing, "ring", looked.name, "-o", "json")
	for _, problem := range documentedShapes(t).check("ring", []byte(r.stdout)) {
		t.Error(problem)
	}
	alone := decode[ringcheck.Ring](t, r)
	if dead := alone.Datacenters[1].Nodes[0]; dead.Status == ringcheck.Up || dead.ReleaseVersion != "" || !mismatchKinds(alone)[ringcheck.KindUnreachable] {
		t.Errorf("%+v", alone)
	}
	// A server that takes no agent is no reason not to see the ring.
	ccmCommand(t, inv, "switch", "theirs")
	ccmCommand(t, inv, mine.CCM.Names[mine.Nodes[1].Name], "start", "--root", "--jvm_arg=-XX:+DisableAttachMechanism")
	ccmCommand(t, inv, "switch", "other")
	up := h.must(t, "up", c.name, "-o", "json")
	tells(t, up, "the ring is read by CQL", "DisableAttachMechanism")
	if r := decode[run.UpResult](t, up); r.Ring == nil || r.Ring.Source != ringcheck.SourceCQL || len(r.Ring.Mismatches) > 0 {
		t.Errorf("%+v", r.Ring)
	}
	if r := look(h, c.name); r.Source != ringcheck.SourceCQL {
		t.Errorf("%+v", r)
	}
	gone()
	h.must(t, "up", c.name)
	if r := look(h, c.name); r.Source != ringcheck.SourceJMX {
		t.Errorf("%+v", r)
	}
	if current, err := os.ReadFile(filepath.Join(config, "CURRENT")); err != nil || strings.TrimSpace(string(current)) != "other" {
		t.Errorf("ccm's current cluster is %q now (%v)", current, err)
	}
	bare.must(t, "down", looked.name)
	if _, err := h.readAgent(t, mine.Nodes[1]); err != nil {
		t.Errorf("the agent of another one that looks on was taken out: %v", err)
	}
	pid := h.ccmPID(t, mine, mine.Nodes[1])
	h.must(t, "down", c.name)
	if _, err := procs.Read(pid); err != nil {
		t.Errorf("down ended a server that was not crossring's: %v", err)
	}
	if _, err := h.readAgent(t, mine.Nodes[1]); err == nil {
		t.Error("the agent is still in the server")
	}
	askedForLogin(t, inv, mine, rel)
}

// tells holds that a command that went well told something on stderr.
func tells(t *testing.T, r result, what ...string) {
	t.Helper()
	for _, w := range what {
		if !strings.Contains(r.stderr, w) {
			t.Errorf("want %q on stderr: %s", w, r)
		}
	}
}

// askedForLogin has a node ask for a password, and reads the ring of it by CQL.
func askedForLogin(t *testing.T, inv, mine topology.Inventory, rel release.Release) {
	t.Helper()
	n := mine.Nodes[0]
	name := mine.CCM.Names[n.Name]
	ccmCommand(t, inv, "switch", "theirs")
	ccmCommand(t, inv, name, "stop")
	ccmCommand(t, inv, name, "updateconf", "authenticator: PasswordAuthenticator")
	ccmCommand(t, inv, name, "start", "--root")
	mine.Nodes = mine.Nodes[:1]
	ask := func(login *cql.Login) (ringcheck.Observation, error) {
		return ringcheck.Observe(t.Context(), ringcheck.Query{Inventory: mine, Release: rel, CQL: func(n topology.Node) (cql.Endpoint, error) {
			return cql.Endpoint{Addresses: []string{n.PrivateAddress}, Port: n.Ports.Native, Release: rel, Login: login}, nil
		}})
	}
	eventually(t, patience, "the node lets its first role in", func() bool {
		obs, err := ask(&cql.Login{User: "cassandra", Password: "cassandra"})
		return err == nil && len(obs.Views[0].Peers) == 2
	})
	const secret = "another one's"
	for _, login := range []*cql.Login{nil, {User: "cassandra", Password: secret}} {
		if _, err := ask(login); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("with the login %v: %v", login, err)
		}
	}
}

// readAgent asks whether somebody listens where a node's agent would.
func (h home) readAgent(t *testing.T, n topology.Node) (string, error) {
	t.Helper()
	socks, err := procs.Sockets()
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%s:%d", n.PrivateAddress, n.Ports.Jolokia)
	for _, s := range socks {
		if s.Listening && s.Local.String() == want {
			return want, nil
		}
	}
	return "", fmt.Errorf("nobody listens at %s", want)
}

// What can be wrong with ccm is said before anything is made.
func TestCCMThatCannotBeUsed(t *testing.T) {
	beside(t, 2, ccmAddresses)
	ccm := venv(t, ccmVersion)
	h := newHome(t)
	up := func(code int, text string, words ...string) {
		t.Helper()
		checkSays(t, h.want(t, code, "up", "-f", h.spec(t, text)), words...)
		if left, err := filepath.Glob(filepath.Join(h.state, "clusters", "*")); err != nil || len(left) > 0 {
			t.Errorf("%v (%v)", left, err)
		}
	}
	counts := []int{1, 1}
	up(fail.ExitPrerequisite, ccmSpec("none", newest, "/nonesuch/ccm", counts, ""), "no ccm to run", "pip install ccm")
	up(fail.ExitPrerequisite, ccmSpec("none", newest, venv(t, oldCCM), counts, ""), "too old", "--root", "pip install --upgrade ccm")
	up(fail.ExitPrerequisite, ccmSpec("none", newest, "/bin/false", counts, ""), "no ccm to run")
	up(fail.ExitUsage, ccmSpec("none", newest, ccm, counts, ", cluster: nonesuch, config_dir: "+t.TempDir()), "no cluster nonesuch", "ccm list")
	up(fail.ExitUsage, ccmSpec("none", newest, ccm, counts, ", config_dir: /tmp"), "ccm.config_dir")
	up(fail.ExitUsage, ccmSpec("none", newest, ccm, counts, ", cluster: a/b"), "ccm.cluster")

	blank := home{state: filepath.Join(t.TempDir(), "a b")}
	if err := os.MkdirAll(blank.state, 0o755); err != nil {
		t.Fatal(err)
	}
	checkSays(t, blank.want(t, fail.ExitUsage, "up", "-f", blank.spec(t, ccmSpec("none", newest, ccm, counts, ""))), "no blanks")

	// Half of what ccm keeps is gone.
	file := h.spec(t, ccmSpec("half", newest, ccm, counts, ""))
	h.must(t, "up", "--until", "provision", "-f", file)
	inv, _ := h.inventory(t, "half")
	if err := os.Remove(filepath.Join(inv.Nodes[1].Layout.Root, "node.conf")); err != nil {
		t.Fatal(err)
	}
	checkSays(t, h.want(t, fail.ExitFailure, "up", "-f", file), "not whole", "node.conf", "crossring down half")
	h.must(t, "down", "half")
	h.nothingOfCCM(t, inv)
	// A first up that was cut short is begun anew.
	h.must(t, "up", "--until", "provision", "-f", file)
	for _, gone := range []string{filepath.Join(inv.CCM.Dir, "ccm.made"), filepath.Join(inv.Nodes[1].Layout.Root, "node.conf")} {
		if err := os.Remove(gone); err != nil {
			t.Fatal(err)
		}
	}
	h.must(t, "up", "--until", "provision", "-f", file)
	h.must(t, "down", "half")
	h.nothingOfCCM(t, inv)
}
