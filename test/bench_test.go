package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossring/internal/release"
	"crossring/internal/report"
	"crossring/internal/topology"
)

// benchRounds is how often each thing is measured. What is compared takes turns,
// so that a computer that is busy for a while is so for both.
const benchRounds = 5

// needBench skips what only measures.
func needBench(t *testing.T) {
	t.Helper()
	if os.Getenv("CROSSRING_BENCH") == "" {
		t.Skip("runs in make bench (CROSSRING_BENCH=1): it measures, and wants the computer for itself")
	}
}

// sample is a list of measurements.
type sample []float64

func (s sample) String() string {
	sorted := slices.Sorted(slices.Values(s))
	return fmt.Sprintf("min %.3f, median %.3f, max %.3f (%d rounds)", sorted[0], s.median(), sorted[len(sorted)-1], len(s))
}

func (s sample) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// TestBenchUp measures how long it takes from nothing but jars to a ring of two
// regions in which every node sees every node Up/Normal.
func TestBenchUp(t *testing.T) {
	needBench(t)
	goals := map[string]float64{oldest: 8, newest: 15}
	took := map[string]sample{}
	for range benchRounds {
		for _, version := range versions {
			h := newHome(t)
			file := h.spec(t, oneByOne("bench", version))
			t.Cleanup(func() { h.takeDown(t, "bench") })
			start := time.Now()
			h.must(t, "up", "-q", "-f", file)
			took[version] = append(took[version], time.Since(start).Seconds())
			h.must(t, "down", "-q", "bench")
		}
	}
	for _, version := range versions {
		t.Logf("up of 1+1 nodes, %s: %s s; the goal is %.0f s", version, took[version], goals[version])
	}
}

// cost is what a program took.
type cost struct{ wall, cpu sample }

func (c *cost) add(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd.Path, err, out.String())
	}
	c.wall = append(c.wall, time.Since(start).Seconds())
	c.cpu = append(c.cpu, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
}

// TestBenchRing measures crossring ring against the real nodetool ring. JMX is on
// beforehand, so that nodetool is measured alone.
func TestBenchRing(t *testing.T) {
	needBench(t)
	each(t, func(t *testing.T, version string, c cluster) {
		inv, _ := c.inventory(t, c.name)
		switchJMX(t, inv, c.servers(t)[inv.Nodes[0].Name])
		var ours, theirs cost
		for range benchRounds + 1 {
			ours.add(t, c.command(t.Context(), "ring", c.name))
			theirs.add(t, nodetoolCommand(t, inv, "ring"))
		}
		// The first of each warms the page cache.
		for _, s := range []*sample{&ours.wall, &ours.cpu, &theirs.wall, &theirs.cpu} {
			*s = (*s)[1:]
		}
		t.Logf("crossring ring, %s: wall %s s; processor %s s", version, ours.wall, ours.cpu)
		t.Logf("nodetool ring, %s: wall %s s; processor %s s", version, theirs.wall, theirs.cpu)
		t.Logf("nodetool takes %.1f times the wall time and %.1f times the processor time; the goal is 20",
			theirs.wall.median()/ours.wall.median(), theirs.cpu.median()/ours.cpu.median())
	})
}

const benchJMXPort = "7199"

// switchJMX has JMX of a server on until the test ends.
func switchJMX(t *testing.T, inv topology.Inventory, pid int) {
	t.Helper()
	java, err := filepath.EvalSymlinks(inv.Local.Java)
	if err != nil {
		t.Fatal(err)
	}
	jcmd := func(args ...string) {
		t.Helper()
		args = append([]string{"-J-XX:-UsePerfData", strconv.Itoa(pid)}, args...)
		if out, err := exec.Command(filepath.Join(filepath.Dir(java), "jcmd"), args...).CombinedOutput(); err != nil {
			t.Fatalf("jcmd %v: %v\n%s", args, err, out)
		}
	}
	jcmd("ManagementAgent.start", "jmxremote.host="+inv.Nodes[0].PrivateAddress, "jmxremote.port="+benchJMXPort,
		"jmxremote.rmi.port="+benchJMXPort, "jmxremote.authenticate=false", "jmxremote.ssl=false")
	t.Cleanup(func() { jcmd("ManagementAgent.stop") })
}

// nodetoolCommand is the node's own nodetool with the class path and the modules
// of its server, as the distribution's script would start it.
func nodetoolCommand(t *testing.T, inv topology.Inventory, args ...string) *exec.Cmd {
	t.Helper()
	n := inv.Nodes[0]
	rel, err := release.Find(inv.Plan.Version)
	if err != nil {
		t.Fatal(err)
	}
	options, err := os.ReadFile(filepath.Join(n.Layout.Conf, "jvm.options"))
	if err != nil {
		t.Fatal(err)
	}
	argv := append([]string{}, rel.NodetoolArgs...)
	classPath, next := "", false
	for line := range strings.Lines(string(options)) {
		arg := strings.Trim(strings.TrimSpace(line), `"`)
		switch {
		case next && arg != "":
			classPath, next = arg, false
		case arg == "-cp":
			next = true
		case strings.HasPrefix(arg, "--add-"), strings.HasPrefix(arg, "-Dhttp.proxy"):
			argv = append(argv, arg)
		}
	}
	if classPath == "" {
		t.Fatalf("no class path in\n%s", options)
	}
	argv = append(argv, "-Xmx128m", "-XX:-UsePerfData", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Duser.home="+n.Layout.Home, "-Djava.io.tmpdir="+n.Layout.Tmp, "-Dcassandra.storagedir="+n.Layout.Home,
		"-Dlogback.configurationFile=logback-tools.xml", // the server's own makes cassandra.logdir_IS_UNDEFINED where it is called
		"-cp", n.Layout.Conf+":"+classPath, rel.Nodetool, "-h", n.PrivateAddress, "-p", benchJMXPort)
	return exec.CommandContext(t.Context(), inv.Local.Java, append(argv, args...)...)
}

// TestBenchClient measures what a row costs crossring itself: making it and
// writing it, reading it and verifying it byte for byte.
func TestBenchClient(t *testing.T) {
	needBench(t)
	const rows = 100_000
	var write, read, both, writeRate, readRate sample
	for i := range benchRounds {
		h, name := newHome(t), "bench"
		t.Cleanup(func() { h.takeDown(t, name) })
		r := h.must(t, "demo", "-q", "-o", "json", "--name", name, "--cassandra", "5.0", "--rows", strconv.Itoa(rows))
		d := decode[report.Document](t, r)
		if d.Write == nil || d.Read == nil || d.Write.Acknowledged+d.Read.Found == 0 {
			t.Fatalf("round %d: %s", i, r)
		}
		write = append(write, d.Write.ClientCPUMicros)
		read = append(read, d.Read.ClientCPUMicros)
		both = append(both, (d.Write.ClientCPUMicros*float64(d.Write.Rows)+d.Read.ClientCPUMicros*float64(d.Read.Rows))/float64(d.Write.Rows+d.Read.Rows))
		writeRate = append(writeRate, d.Write.OpsPerSec)
		readRate = append(readRate, d.Read.OpsPerSec)
	}
	t.Logf("client processor time of a row written: %s µs", write)
	t.Logf("client processor time of a row read and verified: %s µs", read)
	t.Logf("of an operation, written or verified: %s µs; the goal is 15 µs", both)
	t.Logf("of a row, written and verified: median %.3f µs", write.median()+read.median())
	t.Logf("rows written a second: %s; read: %s", writeRate, readRate)
}
