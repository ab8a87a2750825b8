package test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"crossring/test/harness"
)

// writes are the system calls by which a command changes what is in the state directory.
const writes = "openat,mkdirat,renameat,renameat2,unlinkat,linkat,symlinkat"

// killPoint is a write of a command: what it calls, and on which path below the state
// directory. The command is killed in the moment when it wants to do that first.
type killPoint struct{ call, path string }

func (p killPoint) String() string { return p.call + " " + p.path }

// traced has a command's writes traced into a file, and what else strace is told. What the
// command starts is let go: keepers and servers live on.
func (h home) traced(log string, more ...string) home {
	h.via = func(ctx context.Context, name string, args ...string) *exec.Cmd {
		trace := append([]string{"-f", "-y", "-b", "execve", "-qq", "-o", log, "-e", "trace=" + writes}, more...)
		return exec.CommandContext(ctx, "strace", slices.Concat(trace, []string{name}, args)...)
	}
	return h
}

var (
	tracedCall = regexp.MustCompile(`^\d+ +(\w+)\((.*)`)
	// at is where a path that is no whole one begins, and last the path that a call ends with.
	at   = regexp.MustCompile(`(?:AT_FDCWD|\d+)<([^>]*)>, "([^"]*)"`)
	made = regexp.MustCompile(`O_CREAT|O_TRUNC`)
)

// pointsOf lists the writes below the state directory that a trace has, each once, in the
// order in which they came first.
func (h home) pointsOf(t *testing.T, log string) (list []killPoint) {
	t.Helper()
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		m := tracedCall.FindStringSubmatch(line)
		if m == nil || m[1] == "openat" && !made.MatchString(m[2]) {
			continue
		}
		paths := at.FindAllStringSubmatch(m[2], -1)
		if len(paths) == 0 {
			continue
		}
		// What is put in its place, where there are two. Of a path below an open directory
		// strace knows the directory.
		last := paths[len(paths)-1]
		path := last[2]
		if !filepath.IsAbs(path) {
			path = last[1]
		}
		rel, err := filepath.Rel(filepath.Join(h.state, "clusters"), path)
		if p := (killPoint{m[1], rel}); err == nil && !strings.HasPrefix(rel, "..") && !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// TestKillPoints kills up and down at every write that they make, one after the other: not
// at moments that dice choose, but at each that there is. The next command puts it right.
// make test has some of the points, by the commit. What dies with up's steps, command or
// keeper, is TestKillDuringUp.
func TestKillPoints(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("there is no strace to kill at a write: apt-get install strace")
	}
	t.Parallel()
	for verb, some := range map[string]int{"up": 6, "down": 2} {
		t.Run(verb, func(t *testing.T) {
			turns.wait(t, 0, nil)
			h := standInHome(t)
			log := filepath.Join(t.TempDir(), "trace")
			calm := h
			if verb == "up" {
				calm = h.traced(log)
			}
			calm.up(t, "killed", oneByOne("killed", oldest))
			if calm = h; verb == "down" {
				calm = h.traced(log)
			}
			calm.must(t, "down", "killed")
			all := h.pointsOf(t, log)
			if len(all) < 10 {
				t.Fatalf("%s writes %v: too little to be true", verb, all)
			}
			chosen := slices.Clone(all)
			if !long() {
				chosen = harness.Some(chosen, some, harness.Commit())
			}
			t.Logf("%d of the %d writes of %s; CROSSRING_LONG=1 takes all:\n%s", len(chosen), len(all), verb, joined(all))
			reached := 0
			for i, p := range chosen {
				t.Run(strings.ReplaceAll(p.String(), "/", "_"), func(t *testing.T) {
					if killAt(t, verb, p, []string{"up", "down"}[i%2]) {
						reached++
					} else {
						t.Logf("not reached: another one was first this time")
					}
				})
			}
			t.Logf("%d kill points of %s, %d reached", len(chosen), verb, reached)
			if reached*10 < len(chosen)*9 {
				t.Errorf("only %d of %d kill points were reached", reached, len(chosen))
			}
		})
	}
}

func joined(points []killPoint) string {
	var b strings.Builder
	for _, p := range points {
		fmt.Fprintf(&b, "  %s\n", p)
	}
	return b.String()
}

// killAt kills a verb at a write, has the next one put it right, and says whether it came
// to that.
func killAt(t *testing.T, verb string, p killPoint, next string) (reached bool) {
	t.Helper()
	h, name := standInHome(t), "killed"
	file := h.spec(t, oneByOne(name, oldest))
	t.Cleanup(func() { h.clear(name) })
	args := []string{"up", "-f", file}
	if verb == "down" {
		h.must(t, args...)
		args = []string{"down", name}
	}
	log := filepath.Join(t.TempDir(), "trace")
	deadly := h.traced(log, "-P", filepath.Join(h.state, "clusters", p.path), "-e", "inject="+p.call+":signal=KILL:when=1")
	inv, made := h.inventory(t, name)
	r := deadly.run(t.Context(), args...)
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	reached = strings.Contains(string(data), "killed by SIGKILL")
	if reached == (r.code == 0) {
		t.Errorf("killed: %t, and %s", reached, r)
	}
	if now, there := h.inventory(t, name); there {
		inv, made = now, true
	}
	if verb == "up" && next == "up" {
		h.must(t, "up", "-f", file)
		h.must(t, "ring", name)
		inv, made = h.inventory(t, name)
	}
	got := h.run(t.Context(), "down", name)
	if none := strings.Contains(got.stderr, "there is no cluster"); got.code != 0 && (!none || made && verb == "up") {
		t.Errorf("want exit 0: %s", got)
	}
	h.checkGone(t, inv)
	return reached
}

// Points are found in what strace writes, whatever form a path has there.
func TestPointsOf(t *testing.T) {
	h := newHome(t)
	log := filepath.Join(t.TempDir(), "trace")
	writeFile(t, log, strings.ReplaceAll(`12 openat(AT_FDCWD</w>, "STATE/locks/a.lock", O_RDWR|O_CREAT, 0644) = 7<STATE/locks/a.lock>
12 openat(AT_FDCWD</w>, "STATE/clusters/a/spec.json", O_RDONLY) = 7<STATE/clusters/a/spec.json>
12 mkdirat(AT_FDCWD</w>, "STATE/clusters/a", 0700) = 0
13 renameat(AT_FDCWD</w>, "STATE/clusters/a/spec.json.new", AT_FDCWD</w>, "STATE/clusters/a/spec.json" <unfinished ...>
12 mkdirat(AT_FDCWD</w>, "STATE/clusters/a", 0700) = -1 EEXIST
13 <... renameat resumed>) = 0
13 unlinkat(14<STATE/clusters/a/nodes>, "b", AT_REMOVEDIR) = 0
14 openat(AT_FDCWD</w>, "STATE/clusters/a/ready", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0644 <unfinished ...>
`, "STATE", h.state))
	want := []killPoint{{"mkdirat", "a"}, {"renameat", "a/spec.json"}, {"unlinkat", "a/nodes"}, {"openat", "a/ready"}}
	if got := h.pointsOf(t, log); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// steps are what up says that it does, in order.
func steps(said string) (list []string) {
	for _, m := range regexp.MustCompile(`(?m)^(.*) \.\.\.$`).FindAllStringSubmatch(said, -1) {
		list = append(list, m[1])
	}
	return list
}

// TestKillDuringUp kills the command, the keeper, and both, in each step of up, and has
// the next command put it right. make test and make test-long have some of it, by the
// commit; the former on the stand-in, the latter on real Cassandra.
func TestKillDuringUp(t *testing.T) {
	beside(t, standIns(2))
	some := map[string]int{oldest: 5}
	if long() {
		some = map[string]int{oldest: 8, newest: 4}
	}
	type kill struct{ victim, step, next string }
	for _, version := range slices.Sorted(maps.Keys(some)) {
		t.Run(version, func(t *testing.T) {
			// An undisturbed up says which steps there are.
			h := processHome(t)
			t.Cleanup(func() { h.clear("calm") })
			said := steps(h.must(t, "up", "-f", h.spec(t, oneByOne("calm", version))).stderr)
			inv, _ := h.inventory(t, "calm")
			h.must(t, "down", "calm")
			h.checkGone(t, inv)
			if len(said) < 4 {
				t.Fatalf("up has the steps %q: too few to be true", said)
			}
			var all []kill
			for _, step := range said {
				for _, victim := range []string{"command", "keeper", "both"} {
					for _, next := range []string{"up", "down"} {
						all = append(all, kill{victim, step, next})
					}
				}
			}
			chosen := harness.Some(slices.Clone(all), some[version], harness.Commit()+version)
			t.Logf("%d of %d kills, in the steps %q", len(chosen), len(all), said)
			for _, k := range chosen {
				t.Run(strings.NewReplacer("calm", "NAME", "/", " ").Replace(fmt.Sprint(k.victim, " in ", k.step, ", then ", k.next)), func(t *testing.T) {
					killDuringUp(t, version, k.victim, strings.ReplaceAll(k.step, "calm", "killed"), k.next)
				})
			}
		})
	}
}

// killDuringUp kills the victim in a step of up, and has the next command put it right.
func killDuringUp(t *testing.T, version, victim, step, next string) {
	h, name := processHome(t), "killed"
	file := h.spec(t, oneByOne(name, version))
	t.Cleanup(func() { h.clear(name) })
	up := h.start(t, "up", "-f", file)
	up.says(t, step+" ...")
	if victim != "keeper" {
		_ = up.cmd.Process.Kill() // it may have ended
		up.wait(t)
	}
	if victim != "command" {
		if pid := h.keeper(t); pid != 0 {
			kill9(t, pid)
		}
	}
	if got := up.wait(t); victim == "keeper" {
		// It had come so far, or not yet; what it must not do is wait for the dead.
		t.Logf("without its keeper up ended with %d", got.code)
		if got.code != 0 {
			checkSays(t, got, "keeper")
		}
	}
	inv, made := h.inventory(t, name)
	if next == "up" {
		h.must(t, "up", "-f", file)
		h.must(t, "ring", name)
		inv, made = h.inventory(t, name)
	}
	got := h.run(t.Context(), "down", name)
	if none := strings.Contains(got.stderr, "there is no cluster"); got.code != 0 && (made || !none) {
		t.Errorf("want exit 0: %s", got)
	}
	h.checkGone(t, inv)
}
