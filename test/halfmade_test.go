package test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/run"
	"crossring/internal/topology"
)

func TestNameThatIsTaken(t *testing.T) {
	beside(t, 0)
	h := processHome(t)
	h.must(t, "up", "-f", h.spec(t, oneByOne("taken", oldest)), "--until", "provision")
	keeper := h.keeper(t)
	t.Cleanup(func() { h.clear("taken") })
	for name, text := range map[string]string{
		`cassandra: "` + oldest + `" → "` + newest + `"`: oneByOne("taken", newest),
		"heap_mb: 512 → 384":                             strings.Replace(oneByOne("taken", oldest), "heap_mb: 512", "heap_mb: 384", 1),
	} {
		r := h.want(t, 8, "up", "-f", write(t, "cluster.yaml", text))
		checkSays(t, r, `cluster "taken" is already there with another spec`, name, "crossring down taken")
		// plan shows what the spec is by itself, and says the same.
		r = h.want(t, 8, "plan", "-f", write(t, "cluster.yaml", text), "-o", "json")
		checkSays(t, r, `cluster "taken" is already there with another spec`, name)
		doc := decode[struct {
			Nodes []topology.Node
			Error struct{ Message string }
		}](t, r)
		if len(doc.Nodes) != 2 || !strings.Contains(doc.Error.Message, "another spec") {
			t.Errorf("the document has neither a plan nor the error: %s", r)
		}
	}
	// The same again is no other spec.
	h.must(t, "up", "-f", h.spec(t, "# the same\n"+oneByOne("taken", oldest)), "--until", "provision")
	if now := h.keeper(t); now != keeper {
		t.Errorf("the keeper is %d; it was %d", now, keeper)
	}
	// A spec that was not written down, because up was killed right then, is known
	// by its plan.
	if err := os.Remove(filepath.Join(h.state, "clusters", "taken", "spec.json")); err != nil {
		t.Fatal(err)
	}
	r := h.want(t, 8, "up", "-f", write(t, "cluster.yaml", oneByOne("taken", newest)))
	checkSays(t, r, `cluster "taken" is already there with another spec`)
	h.must(t, "up", "-f", h.spec(t, oneByOne("taken", oldest)), "--until", "provision")
}

func TestDownOfHalfMadeClusters(t *testing.T) {
	beside(t, standIns(2))
	for _, until := range []string{"plan", "provision", "render", "deploy", "start"} {
		t.Run(until, func(t *testing.T) {
			h := processHome(t)
			h.must(t, "up", "-f", h.spec(t, oneByOne("half", oldest)), "--until", until)
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
		h := processHome(t)
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
		h := processHome(t)
		c := cluster{h, "steps"}
		t.Cleanup(func() { h.clear("steps") })
		for _, until := range []string{"provision", "render", "deploy", "start", "ready"} {
			h.must(t, "up", "-f", h.spec(t, oneByOne("steps", oldest)), "--until", until)
		}
		c.must(t, "ring", "steps")
	})
}

func TestServerKilledDuringStart(t *testing.T) {
	beside(t, standIns(2))
	h := processHome(t)
	file := h.spec(t, oneByOne("short", oldest))
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
	beside(t, 2)
	for _, c := range []struct{ version, setting string }{
		{oldest, "concurrent_writes: 1"}, // two at least, of which only the server knows
		{newest, "concurrent_writes: 1"},
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
