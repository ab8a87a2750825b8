package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"crossring/internal/run"
	"crossring/internal/topology"
)

// write puts text into a file outside of any state directory.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// absentHome is a home whose state directory does not exist yet, and should not
// come to exist when nothing is done.
func absentHome(t *testing.T) home {
	t.Helper()
	return home{state: filepath.Join(t.TempDir(), "state")}
}

func (h home) checkAbsent(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(h.state); !os.IsNotExist(err) {
		t.Errorf("%s came to be: %v", h.state, err)
	}
	h.checkGone(t, topology.Inventory{})
}

func TestSpecsThatAreRefused(t *testing.T) {
	good := oneByOne("bad", "1.2.19")
	edit := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the spec has no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	cases := []struct {
		name, spec string
		want       []string // after the file's name, each
	}{
		{"unknown key", edit("heap_mb", "heap_mbb"), []string{":5: heap_mbb: unknown key: did you mean heap_mb?"}},
		{"one zone twice", edit("region: us-west-2, zone: us-west-2a", "region: us-east-1, zone: us-east-1a"),
			[]string{":8: regions[1].zone: us-east-1a is the zone of regions[0] already"}},
		{"no nodes", edit("zone: us-west-2a, nodes: 1", "zone: us-west-2a, nodes: 0"), []string{":8: regions[1].nodes: must be at least 1"}},
		{"odd partitioner", edit("RandomPartitioner", "OrderPreservingPartitioner"),
			[]string{`:4: partitioner: "OrderPreservingPartitioner" is not one of Murmur3Partitioner, RandomPartitioner`}},
		{"version without a template", edit("1.2.19", "2.0.17"), []string{":3: cassandra: cassandra 2.0.17 is not a version that crossring knows; it knows 1.2.19"}},
		{"replication in a datacenter that is not there", good + "keyspace: {replication: {us-east: 1, eu-west: 1}}\n",
			[]string{":9: keyspace.replication.eu-west: there is no such datacenter: there is us-east, us-west-2"}},
		{"several at once", "version: crossring/v1\nname: UPPER\ncassandra: \"9.9\"\npartitioner: Odd\nregions:\n  - {region: us-east-1, nodes: 0}\nrtt: 80\n",
			[]string{":2: name: ", ":3: cassandra: ", ":4: partitioner: ", ":6: regions[0].nodes: ", ":7: rtt: unknown key"}},
		{"not YAML", good + "\t- x\n", []string{":9: not YAML: "}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := absentHome(t)
			file := write(t, "cluster.yaml", c.spec)
			for _, verb := range []string{"up", "plan"} {
				r := h.want(t, 2, verb, "-f", file)
				checkSays(t, r)
				for _, w := range c.want {
					if !strings.Contains(r.stderr, file+w) {
						t.Errorf("want %q: %s", w, r)
					}
				}
				if n := strings.Count(r.stderr, file+":"); n != len(c.want) {
					t.Errorf("%d problems named, want %d: %s", n, len(c.want), r)
				}
				if r.stdout != "" {
					t.Errorf("an error belongs on stderr: %s", r)
				}
			}
			r := h.want(t, 2, "up", "-f", file, "-o", "json")
			checkJSONError(t, r, 2)
			h.checkAbsent(t)
		})
	}
}

// checkJSONError holds a failed command's answer against what it said on stderr.
func checkJSONError(t *testing.T, r result, code int) {
	t.Helper()
	got := decode[struct {
		Schema string
		Error  struct {
			Code          int
			Message, Hint string
		}
	}](t, r)
	if got.Schema != "crossring/v1" || got.Error.Code != code || got.Error.Message == "" || got.Error.Hint == "" {
		t.Errorf("the answer lacks schema, code %d, message or hint: %s", code, r)
	}
}

func TestSpecOnStandardInput(t *testing.T) {
	h := absentHome(t)
	feed := func(text string, args ...string) result {
		cmd := h.command(t.Context(), args...)
		var stdout, stderr bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(text), &stdout, &stderr
		_ = cmd.Run() // its code is what counts
		return result{args: args, code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
	}
	r := feed(oneByOne("piped", "5.0.5"), "up", "-f", "-", "--until", "plan", "-o", "json")
	if got := decode[run.UpResult](t, r); r.code != 0 || got.Inventory.Plan.Name != "piped" || len(got.Inventory.Plan.Nodes) != 2 {
		t.Errorf("a plan from standard input: %s", r)
	}
	r = feed("version: crossring/v1\nname: [\n", "up", "-f", "-")
	if r.code != 2 {
		t.Errorf("want exit 2: %s", r)
	}
	checkSays(t, r, "standard input:")
	r = feed("", "up", "-f", "-")
	if r.code != 2 {
		t.Errorf("want exit 2: %s", r)
	}
	checkSays(t, r, "standard input: is empty")
	h.checkAbsent(t)
}

func TestCommandLinesThatAreRefused(t *testing.T) {
	h := absentHome(t)
	file := write(t, "cluster.yaml", oneByOne("bad", "1.2.19"))
	cases := []struct {
		code int
		args string
		want string
	}{
		{2, "up", "up needs a spec, or the name of a cluster"},
		{2, "up -f " + file + " --until nonsense", `--until is one of [plan provision render deploy start ready], not "nonsense"`},
		{2, "up -f " + file + " other", `the spec is of cluster "bad", not "other"`},
		{2, "up -f " + file + ".not-there", "no such file"},
		{2, "up --nonsense", "nonsense"},
		{2, "nonsense", "nonsense"},
		{1, "up bad", `there is no cluster "bad"`},
		{1, "down bad", `there is no cluster "bad"`},
		{1, "ring bad", `there is no cluster "bad"`},
		{1, "restart bad:1", `there is no cluster "bad"`},
		{1, "repro bad", `there is no cluster "bad"`},
		{1, "stress write bad", `there is no cluster "bad"`},
		{1, "fault show bad", `there is no cluster "bad"`},
		{1, "logs bad", `there is no cluster "bad"`},
		{2, "down ../bad", "is not the name of a cluster"},
		{2, "down /", "is not the name of a cluster"},
		{2, "up ../bad", "is not the name of a cluster"},
		{2, "ring ../bad", "is not the name of a cluster"},
		{2, "down .", "is not the name of a cluster"},
		{2, "down", "down takes NAME"},
		{2, "demo bad", "demo takes no arguments"},
	}
	for _, c := range cases {
		r := h.want(t, c.code, strings.Fields(c.args)...)
		checkSays(t, r, c.want)
		if r.stdout != "" {
			t.Errorf("an error belongs on stderr: %s", r)
		}
	}
	h.checkNothingMade(t)
}

// checkNothingMade is checkAbsent for commands that may have taken a lock.
func (h home) checkNothingMade(t *testing.T) {
	t.Helper()
	h.checkGone(t, topology.Inventory{})
}

func TestPrerequisitesThatAreMissing(t *testing.T) {
	java, err := exec.LookPath("java")
	if err != nil {
		t.Fatal(err)
	}
	// programs makes a directory of programs to have in PATH: name to target.
	programs := func(t *testing.T, links map[string]string) string {
		dir := t.TempDir()
		for name, target := range links {
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	old := write(t, "java", "#!/bin/sh\necho 'openjdk version \"1.8.0_402\"' >&2\n")
	if err := os.Chmod(old, 0o755); err != nil {
		t.Fatal(err)
	}
	const deadProxy = "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=9 -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=9"
	cases := []struct {
		name string
		env  func(t *testing.T) []string
		want []string
	}{
		{"no java", func(t *testing.T) []string { return []string{"PATH=" + t.TempDir(), "JAVA_HOME="} },
			[]string{"java is not in PATH", "install"}},
		{"java too old", func(t *testing.T) []string {
			return []string{"PATH=" + programs(t, map[string]string{"java": old}), "JAVA_HOME="}
		}, []string{"java 11 or newer is needed; found Java 8 ("}},
		{"JAVA_HOME leads nowhere", func(t *testing.T) []string { return []string{"JAVA_HOME=" + t.TempDir()} },
			[]string{"JAVA_HOME is ", "unset JAVA_HOME"}},
		{"no mvn and nothing cached", func(t *testing.T) []string {
			return []string{"PATH=" + programs(t, map[string]string{"java": java}), "JAVA_HOME=", "XDG_CACHE_HOME=" + t.TempDir()}
		}, []string{"mvn is not in PATH", "install"}},
		{"no network and nothing cached", func(t *testing.T) []string {
			return []string{"XDG_CACHE_HOME=" + t.TempDir(), "MAVEN_OPTS=-Dmaven.repo.local=" + t.TempDir() + " " + deadProxy}
		}, []string{"cassandra 1.2.19 is not cached and mvn could not fetch it", "network"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := absentHome(t)
			h.env = c.env(t)
			r := h.want(t, 7, "up", "-f", write(t, "cluster.yaml", oneByOne("bad", "1.2.19")))
			checkSays(t, r, c.want...)
			h.checkNothingMade(t)
			// demo says the same, and has nothing to take down.
			r = h.want(t, 7, "demo", "--cassandra", "1.2.19", "-o", "json")
			checkSays(t, r, c.want...)
			checkJSONError(t, r, 7)
			h.checkNothingMade(t)
		})
	}
}

func TestPortTaken(t *testing.T) {
	for port, what := range map[int]string{7000: "storage", 9042: "CQL", 8778: "agent"} {
		t.Run(what, func(t *testing.T) {
			h := absentHome(t)
			file := write(t, "cluster.yaml", oneByOne("bad", "1.2.19"))
			var r result
			inAnotherNetwork(t, func() error {
				l, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
				if err != nil {
					return err
				}
				defer l.Close()
				r = h.run(t.Context(), "up", "-f", file)
				return nil
			})
			if r.code != 8 {
				t.Errorf("want exit 8: %s", r)
			}
			checkSays(t, r, fmt.Sprintf(":%d (pid %d, ", port, os.Getpid()), "ports already in use")
			h.checkNothingMade(t)
		})
	}
}

// inAnotherNetwork runs f, and what it starts, with loopback and nothing else, so
// that ports taken there are nobody else's.
func inAnotherNetwork(t *testing.T, f func() error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may make a network of its own")
	}
	failed := make(chan error, 1)
	var onThread func()
	onThread = func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and its network
		if unix.Gettid() == unix.Getpid() {
			// The first thread's network is what /proc shows as the process's. While
			// this goroutine keeps it, another one is on another thread.
			done := make(chan struct{})
			go func() { defer close(done); onThread() }()
			<-done
			runtime.UnlockOSThread()
			return
		}
		failed <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("making a network: %w", err)
			}
			if err := loopbackUp(); err != nil {
				return err
			}
			return f()
		}()
	}
	go onThread()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bringing loopback up: %w", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("bringing loopback up: %w", err)
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("bringing loopback up: %w", err)
	}
	return nil
}

// mount puts a filesystem in memory on a directory until the test ends.
func mount(t *testing.T, dir, options string, flags uintptr) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a filesystem")
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		t.Fatalf("mount on %s: %v", dir, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

func TestNoSpaceForACluster(t *testing.T) {
	h := newHome(t)
	mount(t, h.state, "size=64m", 0)
	r := h.want(t, 1, "up", "-f", write(t, "cluster.yaml", oneByOne("bad", "1.2.19")))
	checkSays(t, r, "not enough space in "+h.state, " MB free, at least 512 MB needed", "--state DIR")
	h.checkNothingMade(t)
}

func TestNoSpaceForResults(t *testing.T) {
	c := sharedCluster(t, "1.2.19")
	runs := filepath.Join(c.state, "runs")
	if err := os.MkdirAll(runs, 0o755); err != nil {
		t.Fatal(err)
	}
	mount(t, runs, "size=24k", 0)
	// Fewer results come than rows are written: that must not pass for success.
	r := c.want(t, 1, "stress", "write", c.name, "--rows", "200000", "--value-bytes", "64")
	if !strings.Contains(r.stderr, "no space left on device") {
		t.Errorf("want the reason: %s", r)
	}
	c.must(t, "ring", c.name)
}

func TestStateDirectoryThatCannotBeWritten(t *testing.T) {
	file := write(t, "cluster.yaml", oneByOne("bad", "1.2.19"))
	t.Run("read-only", func(t *testing.T) {
		h := newHome(t)
		mount(t, h.state, "size=1m", unix.MS_RDONLY)
		checkSays(t, h.want(t, 2, "up", "-f", file), "read-only file system", "--state DIR")
		h.checkNothingMade(t)
	})
	t.Run("below a file", func(t *testing.T) {
		h := home{state: filepath.Join(file, "state")}
		checkSays(t, h.want(t, 2, "up", "-f", file), "not a directory", "--state DIR")
	})
}

func TestNameThatIsTaken(t *testing.T) {
	h := newHome(t)
	h.must(t, "up", "-f", h.spec(t, oneByOne("taken", "1.2.19")), "--until", "provision")
	keeper := h.keeper(t)
	t.Cleanup(func() { h.clear("taken") })
	for name, text := range map[string]string{
		`cassandra: "1.2.19" → "5.0.5"`: oneByOne("taken", "5.0.5"),
		"regions[1].nodes: 1 → 2":       strings.Replace(oneByOne("taken", "1.2.19"), "us-west-2a, nodes: 1", "us-west-2a, nodes: 2", 1),
	} {
		r := h.want(t, 8, "up", "-f", write(t, "cluster.yaml", text))
		checkSays(t, r, `cluster "taken" is already there with another spec`, name, "crossring down taken")
	}
	// The same again is no other spec.
	h.must(t, "up", "-f", h.spec(t, "# the same\n"+oneByOne("taken", "1.2.19")), "--until", "provision")
	if now := h.keeper(t); now != keeper {
		t.Errorf("the keeper is %d; it was %d", now, keeper)
	}
	// A spec that was not written down, because up was killed right then, is known
	// by its plan.
	if err := os.Remove(filepath.Join(h.state, "clusters", "taken", "spec.json")); err != nil {
		t.Fatal(err)
	}
	r := h.want(t, 8, "up", "-f", write(t, "cluster.yaml", oneByOne("taken", "5.0.5")))
	checkSays(t, r, `cluster "taken" is already there with another spec`)
	h.must(t, "up", "-f", h.spec(t, oneByOne("taken", "1.2.19")), "--until", "provision")
}

func TestDownOfHalfMadeClusters(t *testing.T) {
	for _, until := range []string{"plan", "provision", "render", "deploy", "start"} {
		t.Run(until, func(t *testing.T) {
			h := newHome(t)
			h.must(t, "up", "-f", h.spec(t, oneByOne("half", "1.2.19")), "--until", until)
			inv, made := h.inventory(t, "half")
			if made == (until == "plan") {
				t.Errorf("up --until %s made an inventory: %t", until, made)
			}
			if n := len(h.servers(t)); (n == 2) != (until == "start") {
				t.Errorf("up --until %s has %d servers running", until, n)
			}
			if made {
				h.must(t, "down", "half")
			} else {
				h.want(t, 1, "down", "half")
			}
			h.checkGone(t, inv)
		})
	}
	t.Run("without inventory", func(t *testing.T) {
		h := newHome(t)
		if err := os.MkdirAll(filepath.Join(h.state, "clusters", "half", "nodes"), 0o755); err != nil {
			t.Fatal(err)
		}
		got := decode[run.Listing](t, h.must(t, "ls", "-o", "json"))
		if len(got.Clusters) != 1 || !strings.Contains(got.Clusters[0].Problem, "crossring down half") {
			t.Errorf("ls of a directory without inventory: %+v", got)
		}
		h.must(t, "down", "half")
		h.checkGone(t, topology.Inventory{})
	})
	t.Run("to the end in steps", func(t *testing.T) {
		h := newHome(t)
		c := cluster{h, "steps"}
		t.Cleanup(func() { h.clear("steps") })
		for _, until := range []string{"provision", "render", "deploy", "start", "ready"} {
			h.must(t, "up", "-f", h.spec(t, oneByOne("steps", "1.2.19")), "--until", until)
		}
		c.must(t, "ring", "steps")
	})
}

func TestNodeReferenceThatIsWrong(t *testing.T) {
	c := sharedCluster(t, "1.2.19")
	for _, args := range []string{"restart %s:9", "stop %s:nonsense", "cql %s:0 x", "logs %s:us-east-1-2", "nodetool %s:3 status"} {
		r := c.want(t, 2, strings.Fields(fmt.Sprintf(args, c.name))...)
		checkSays(t, r, "no node ", "us-east-1-1, us-west-2-1")
	}
	c.must(t, "ring", c.name)
}

func TestServerKilledDuringStart(t *testing.T) {
	h := newHome(t)
	file := h.spec(t, oneByOne("short", "1.2.19"))
	t.Cleanup(func() { h.clear("short") })
	up := h.start(t, "up", "-f", file)
	var log []byte
	eventually(t, patience, "the server has logged something", func() bool {
		inv, _ := h.inventory(t, "short")
		if len(inv.Nodes) == 2 {
			log, _ = os.ReadFile(filepath.Join(inv.Nodes[1].Layout.Log, "system.log")) // not there at first
		}
		return bytes.Count(log, []byte("\n")) > 0
	})
	kill9(t, h.servers(t)["us-west-2-1"])
	r := up.wait(t)
	if r.code != 3 {
		t.Errorf("want exit 3, for one of two: %s", r)
	}
	line, _, _ := strings.Cut(string(log), "\n")
	if !strings.Contains(r.stderr, "us-west-2-1: the server ended: signal: killed; the last lines of its log:") || !lastLines(r, h, t, "short", 1) {
		t.Errorf("want how it ended, and its log (it begins %q): %s", line, r)
	}
	if strings.Contains(r.stderr, "us-east-1-1: ") {
		t.Errorf("the other node has not failed: %s", r)
	}
	h.must(t, "up", "short")
	h.must(t, "ring", "short")
}

// lastLines says whether r shows the last line of the log of node i.
func lastLines(r result, h home, t *testing.T, name string, i int) bool {
	t.Helper()
	inv, _ := h.inventory(t, name)
	for _, file := range []string{"system.log", "stdout.log"} {
		data, err := os.ReadFile(filepath.Join(inv.Nodes[i].Layout.Log, file))
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		if last := strings.TrimSpace(lines[len(lines)-1]); last != "" && strings.Contains(r.stderr, last) {
			return true
		}
	}
	return false
}

func TestServerThatCannotStart(t *testing.T) {
	for _, c := range []struct{ version, setting string }{
		{"1.2.19", "commitlog_sync: sometimes"},
		{"5.0.5", "commitlog_sync: sometimes"},
	} {
		t.Run(c.version, func(t *testing.T) {
			h := newHome(t)
			t.Cleanup(func() { h.clear("never") })
			r := h.run(t.Context(), "up", "-f", h.spec(t, oneByOne("never", c.version)+"settings: {"+c.setting+"}\n"), "-o", "json")
			checkSays(t, r, "crossring logs never:us-")
			died := 0
			for i, node := range []string{"us-east-1-1", "us-west-2-1"} {
				if !strings.Contains(r.stderr, node+": the server ended: exit status ") {
					continue // the other one was quicker
				}
				died++
				if !lastLines(r, h, t, "never", i) {
					t.Errorf("want the log of %s: %s", node, r)
				}
			}
			if want := map[int]int{1: 3, 2: 1}[died]; r.code != want || died == 0 {
				t.Errorf("%d of 2 servers ended, want exit %d: %s", died, want, r)
			}
			if !json.Valid([]byte(r.stdout)) {
				t.Errorf("the answer is no JSON: %s", r)
			}
			got := decode[run.Listing](t, h.must(t, "ls", "-o", "json"))
			if len(got.Clusters) != 1 || got.Clusters[0].Running != 0 {
				t.Errorf("ls after it: %+v", got)
			}
			inv, _ := h.inventory(t, "never")
			h.must(t, "down", "never")
			h.checkGone(t, inv)
		})
	}
}
