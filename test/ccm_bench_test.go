package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBenchCCM has ccm, by its own commands, and crossring make the same 2 + 2 cluster
// from the same jars with the same heaps and the same garbage collector, turn by turn:
// ccm as its manual has it, crossring's local provider, and crossring with provider ccm.
// Each is timed until it says by itself that all nodes are there: ccm when every node
// has logged every other one as UP and answers CQL, crossring when every node,
// asked itself, sees every node Up/Normal, with the tokens and names of the plan.
func TestBenchCCM(t *testing.T) {
	needBench(t)
	const version, heap = "5.0.5", "384"
	ccm := venv(t, ccmVersion)
	layout := newHome(t)
	layout.must(t, "up", "-q", "--until", "provision", "-f", layout.spec(t, ccmSpec("layout", version, ccm, []int{1}, "")))
	t.Cleanup(func() { layout.takeDown(t, "layout") })
	install := filepath.Join(layout.state, "clusters", "layout", "install")
	local := strings.Replace(ccmSpec("bench", version, ccm, []int{2, 2}, ""), "provider: ccm", "provider: local", 1)

	byCCM := func() float64 {
		config := t.TempDir()
		run := func(args ...string) {
			t.Helper()
			cmd := exec.CommandContext(t.Context(), ccm, append(args, "--config-dir="+config)...)
			cmd.Env = append(os.Environ(), "CCM_MAX_HEAP_SIZE="+heap+"M")
			if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "Traceback") {
				t.Fatalf("ccm %v: %v\n%s", args, err, out)
			}
		}
		t.Cleanup(func() { // if it failed half-way; there is nothing to remove otherwise
			_ = exec.CommandContext(context.Background(), ccm, "remove", "bench", "--config-dir="+config).Run()
		})
		start := time.Now()
		run("create", "bench", "--install-dir="+install, "--partitioner=org.apache.cassandra.dht.Murmur3Partitioner")
		run("populate", "--nodes=2:2", "--ipprefix=127.253.9.")
		run("start", "--root")
		took := time.Since(start).Seconds()
		out, err := exec.CommandContext(t.Context(), ccm, "node1", "status", "--config-dir="+config).CombinedOutput()
		if err != nil || strings.Count(string(out), "\nUN ") != 4 {
			t.Fatalf("ccm's four nodes are not all there (%v):\n%s", err, out)
		}
		run("remove", "bench")
		return took
	}
	byUs := func(spec string) func() float64 {
		return func() float64 {
			h := newHome(t)
			file := h.spec(t, spec)
			t.Cleanup(func() { h.takeDown(t, "bench") })
			start := time.Now()
			h.must(t, "up", "-q", "-f", file)
			took := time.Since(start).Seconds()
			h.must(t, "down", "-q", "bench")
			return took
		}
	}
	contestants := []struct {
		name string
		make func() float64
	}{
		{"ccm itself", byCCM},
		{"crossring, provider local", byUs(local)},
		{"crossring, provider ccm", byUs(ccmSpec("bench", version, ccm, []int{2, 2}, ""))},
	}
	took := make([]sample, len(contestants))
	for round := range benchRounds {
		for i := range contestants {
			i := (i + round) % len(contestants) // who begins takes turns, too
			took[i] = append(took[i], contestants[i].make())
		}
		var line []string
		for i, c := range contestants {
			line = append(line, fmt.Sprintf("%s %.1f s", c.name, took[i][round]))
		}
		t.Logf("round %d: %s", round+1, strings.Join(line, "; "))
	}
	for i, c := range contestants {
		t.Logf("2 + 2 nodes of %s up by %s: %s s", version, c.name, took[i])
	}
	for i := 1; i < len(contestants); i++ {
		ratios := sample{}
		for round := range benchRounds {
			ratios = append(ratios, took[i][round]/took[0][round])
		}
		t.Logf("%s takes %.2f of ccm's time by the medians; round by round: %s; the goal of provider local is 0.50",
			contestants[i].name, took[i].median()/took[0].median(), ratios)
	}
}
