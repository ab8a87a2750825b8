package test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"crossring/internal/fail"
	"crossring/internal/run"
)

// keeperOnly makes a cluster that has addresses, a network and a keeper, and no
// servers: a second's work, where no server is needed.
func (h home) keeperOnly(t *testing.T, name string) cluster {
	t.Helper()
	c := cluster{h, name}
	h.must(t, "up", "--until", "provision", "-f", h.spec(t, oneByOne(name, oldest)))
	t.Cleanup(func() { h.takeDown(t, name) })
	return c
}

// TestExitCodes brings about each exit code that the help names, with whole
// commands. 6, rows that are missing, is in TestDocuments.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	t.Run("0 ok", func(t *testing.T) { newHome(t).want(t, fail.ExitOK, "ls") })
	t.Run("1 failure", func(t *testing.T) {
		checkSays(t, newHome(t).want(t, fail.ExitFailure, "ring", "nonesuch"), `no cluster "nonesuch"`)
	})
	t.Run("2 usage", func(t *testing.T) {
		h := newHome(t)
		checkSays(t, h.want(t, fail.ExitUsage, "ring", "--nonsense"), "unknown flag")
		spec := h.spec(t, "version: crossring/v1\nname: a\nregion: us-east-1\n")
		checkSays(t, h.want(t, fail.ExitUsage, "up", "-f", spec), "spec-")
	})
	t.Run("3 partial and 4 ring", func(t *testing.T) { testBrokenNode(t) })
	t.Run("5 leftover", func(t *testing.T) {
		h := newHome(t)
		h.keeperOnly(t, "left")
		inv, _ := h.inventory(t, "left")
		// Somebody else's server on an address of the cluster is not ours to end.
		l, err := net.Listen("tcp", net.JoinHostPort(inv.Nodes[0].PrivateAddress, "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		r := h.want(t, fail.ExitLeftover, "down", "left")
		if !strings.Contains(r.stderr, l.Addr().String()) {
			t.Errorf("what was left should be named: %s", r)
		}
	})
	t.Run("7 prerequisite", func(t *testing.T) {
		h := newHome(t)
		h.env = []string{"PATH=" + t.TempDir(), "JAVA_HOME="}
		r := h.want(t, fail.ExitPrerequisite, "up", "-f", h.spec(t, oneByOne("none", oldest)))
		checkSays(t, r, "java")
		if _, made := h.inventory(t, "none"); made {
			t.Error("without Java nothing should be made")
		}
	})
	t.Run("8 busy", func(t *testing.T) {
		h := newHome(t)
		h.keeperOnly(t, "taken")
		other := strings.Replace(oneByOne("taken", oldest), "us-west-2, zone: us-west-2a", "eu-west-1, zone: eu-west-1a", 1)
		r := h.want(t, fail.ExitBusy, "up", "-f", h.spec(t, other))
		checkSays(t, r, "us-west-2", "eu-west-1")
	})
	t.Run("130 interrupted", func(t *testing.T) {
		h := newHome(t)
		h.keeperOnly(t, "held")
		lock := holdLock(t, h, "held")
		defer lock.Close()
		s := h.start(t, "up", "held", "-o", "json")
		s.says(t, "waiting for another command on cluster held")
		s.signal(t, os.Interrupt)
		r := s.wait(t)
		if r.code != fail.ExitInterrupted {
			t.Errorf("want exit 130: %s", r)
		}
		if e := decode[failure](t, r); e.Error.Code != fail.ExitInterrupted {
			t.Errorf("want code 130 in the document: %s", r)
		}
	})
}

// testBrokenNode has one node of a shared cluster lack what it needs to start,
// and puts it right again.
func testBrokenNode(t *testing.T) {
	c := sharedCluster(t, oldest)
	inv, _ := c.inventory(t, c.name)
	well, broken := inv.Nodes[0].Name, inv.Nodes[1]
	c.must(t, "stop", c.name)
	log := broken.Layout.Log
	if err := os.Rename(log, log+".kept"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(log, nil, 0o644); err != nil { // where a directory should be
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(log); err != nil {
			t.Error(err)
		}
		if err := os.Rename(log+".kept", log); err != nil {
			t.Error(err)
		}
		// The test's context has ended by now.
		if r := c.run(context.Background(), "up", c.name); r.code != 0 {
			t.Error(r)
		}
	})

	r := c.want(t, fail.ExitPartial, "start", c.name, "-o", "json")
	if !strings.Contains(r.stderr, "crossring: error: "+broken.Name+": ") || strings.Contains(r.stderr, well+":") {
		t.Errorf("%s should be blamed, and not %s: %s", broken.Name, well, r)
	}
	for _, p := range decode[run.NodesResult](t, r).Nodes {
		if p.Running != (p.Node == well) {
			t.Errorf("%s is %s: %s", p.Node, p, r)
		}
	}
	eventually(t, patience, well+" answers", func() bool {
		return c.run(t.Context(), "cql", c.name+":1", "SELECT cluster_name FROM system.local").code == 0
	})
	checkSays(t, c.want(t, fail.ExitRing, "ring", c.name), broken.Name)
	// That is no ground to build on.
	checkSays(t, c.want(t, fail.ExitRing, "repro", c.name, "--rows", "100"), broken.Name)
}

// holdLock takes the lock that a command on the cluster would hold.
func holdLock(t *testing.T, h home, name string) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(h.state, "locks", name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	return f
}

// The table of codes in the help is the one in docs/json.md.
func TestExitCodesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	r := newHome(t).must(t, "help", "exit-codes")
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	rows := 0
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] == "CODE" {
			continue
		}
		rows++
		row := "| " + fields[0] + " | " + fields[1] + " | " + strings.Join(fields[2:], " ") + " |\n"
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/json.md has no row %q", row)
		}
	}
	if rows != 10 {
		t.Errorf("%d codes, want 10: %s", rows, r)
	}
}

// TestFlagPositions holds that a flag means the same wherever it stands, and what
// goes before what.
func TestFlagPositions(t *testing.T) {
	beside(t, 0)
	a, b := newHome(t), newHome(t)
	c := a.keeperOnly(t, "one")
	// In an empty state directory the cluster is not there.
	count := func(t *testing.T, h home, args ...string) int {
		t.Helper()
		return len(decode[run.Listing](t, h.must(t, args...)).Clusters)
	}
	for _, tt := range []struct {
		name string
		in   home // whose CROSSRING_STATE it is
		args []string
		want int
	}{
		{"environment", a, []string{"ls", "-o", "json"}, 1},
		{"environment of another", b, []string{"ls", "-o", "json"}, 0},
		{"flag before the command beats the environment", b, []string{"--state", a.state, "ls", "-o", "json"}, 1},
		{"flag behind the command beats the environment", b, []string{"ls", "-o=json", "--state=" + a.state}, 1},
		{"flag of an empty place beats the environment", a, []string{"-o", "json", "--state", b.state, "ls"}, 0},
		{"the later of two", b, []string{"--state", b.state, "ls", "--state", a.state, "-o", "json"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := count(t, tt.in, tt.args...); got != tt.want {
				t.Errorf("crossring %s: %d clusters, want %d", strings.Join(tt.args, " "), got, tt.want)
			}
		})
	}

	t.Run("default", func(t *testing.T) {
		xdg := t.TempDir()
		if err := os.Symlink(a.state, filepath.Join(xdg, "crossring")); err != nil {
			t.Fatal(err)
		}
		h := home{state: "", env: []string{"XDG_STATE_HOME=" + xdg}}
		if got := count(t, h, "ls", "-o", "json"); got != 1 {
			t.Errorf("%d clusters, want 1", got)
		}
	})
	t.Run("no such flag behind --", func(t *testing.T) {
		b.want(t, fail.ExitUsage, "tokens", "1", "--", "-o", "json")
	})
	t.Run("around arguments", func(t *testing.T) {
		want := a.must(t, "render", c.name, "--node", "2", "-o", "json").stdout
		for _, args := range [][]string{
			{"-o", "json", "render", "--node", "2", c.name},
			{"render", "-o", "json", c.name, "--node=2"},
			{"--output=json", "render", "--node=2", "--", c.name},
		} {
			if r := a.must(t, args...); r.stdout != want {
				t.Errorf("another answer: %s", r)
			}
		}
	})
	t.Run("flag before spec", func(t *testing.T) {
		file := a.spec(t, oneByOne("spec", oldest)+"provider: local\n")
		if r := a.must(t, "plan", "-f", file, "-o", "json", "--provider", "ec2"); !strings.Contains(r.stdout, `"provider": "ec2"`) {
			t.Errorf("the flag should count: %s", r)
		}
		if r := a.must(t, "plan", "-f", file, "-o", "json"); !strings.Contains(r.stdout, `"provider": "local"`) {
			t.Errorf("the spec should count: %s", r)
		}
	})
}
