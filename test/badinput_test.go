package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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
	beside(t, 0)
	good := oneByOne("bad", oldest)
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
		{"version without a template", edit(oldest, "2.0.17"), []string{":3: cassandra: cassandra 2.0.17 is not a version that crossring knows; it knows " + oldest}},
		{"replication in a datacenter that is not there", good + "keyspace: {replication: {us-east: 1, us-west-2: 1, eu-west: 1}}\n",
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
	beside(t, 0)
	h := absentHome(t)
	feed := func(text string, args ...string) result {
		cmd := h.command(t.Context(), args...)
		var stdout, stderr bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(text), &stdout, &stderr
		_ = cmd.Run() // its code is what counts
		return result{args: args, code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
	}
	r := feed(oneByOne("piped", newest), "up", "-f", "-", "--until", "plan", "-o", "json")
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
	beside(t, 0)
	h := absentHome(t)
	file := write(t, "cluster.yaml", oneByOne("bad", oldest))
	cases := []struct {
		code int
		args string
		want string
	}{
		{2, "up", "up needs a spec, or the name of a cluster"},
		{2, "up -f " + file + " --until nonsense", `--until is one of plan, provision, render, deploy, start, ready, not "nonsense"`},
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
	beside(t, 0)
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
	says := func(version string) string {
		path := write(t, "java", "#!/bin/sh\necho 'openjdk version \""+version+"\"' >&2\n")
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
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
			return []string{"PATH=" + programs(t, map[string]string{"java": says("1.8.0_402")}), "JAVA_HOME="}
		}, []string{"java 11 to 17 is needed; found Java 8 ("}},
		{"java too new", func(t *testing.T) []string {
			return []string{"PATH=" + programs(t, map[string]string{"java": says("21.0.2")}), "JAVA_HOME="}
		}, []string{"java 11 to 17 is needed; found Java 21 (", "JAVA_HOME="}},
		{"JAVA_HOME leads nowhere", func(t *testing.T) []string { return []string{"JAVA_HOME=" + t.TempDir()} },
			[]string{"JAVA_HOME is ", "unset JAVA_HOME"}},
		{"no mvn and nothing cached", func(t *testing.T) []string {
			return []string{"PATH=" + programs(t, map[string]string{"java": java}), "JAVA_HOME=", "XDG_CACHE_HOME=" + t.TempDir()}
		}, []string{"mvn is not in PATH", "install"}},
		{"no network and nothing cached", func(t *testing.T) []string {
			return []string{"XDG_CACHE_HOME=" + t.TempDir(), "MAVEN_OPTS=-Dmaven.repo.local=" + t.TempDir() + " " + deadProxy}
		}, []string{"cassandra " + oldest + " is not cached and mvn could not fetch it", "network"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := absentHome(t)
			h.env = c.env(t)
			r := h.want(t, 7, "up", "-f", write(t, "cluster.yaml", oneByOne("bad", oldest)))
			checkSays(t, r, c.want...)
			h.checkNothingMade(t)
			// demo says the same, and has nothing to take down.
			r = h.want(t, 7, "demo", "--cassandra", oldest, "-o", "json")
			checkSays(t, r, c.want...)
			checkJSONError(t, r, 7)
			h.checkNothingMade(t)
		})
	}
}

func TestNodeReferenceThatIsWrong(t *testing.T) {
	t.Parallel()
	c := sharedCluster(t, oldest)
	for _, args := range []string{"restart %s:9", "stop %s:nonsense", "cql %s:0 x", "logs %s:us-east-1-2", "nodetool %s:3 status"} {
		r := c.want(t, 2, strings.Fields(fmt.Sprintf(args, c.name))...)
		checkSays(t, r, "no node ", "us-east-1-1, us-west-2-1")
	}
	c.must(t, "ring", c.name)
}
