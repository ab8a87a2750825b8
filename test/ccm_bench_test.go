package test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestBenchCCM has ccm, by its own commands, and crossring make the same 2 + 2 cluster
// from the same jars with the same heaps and the same garbage collector, turn by turn:
// ccm as its manual has it, crossring's local provider, and crossring with provider ccm.
// Each is timed until all nodes are there: crossring when every node, asked itself,
// sees every node Up/Normal, with the tokens and names of the plan; ccm when its start
// has returned, which it does when every node has logged every other one as UP, and
// the first node's nodetool shows all of them Up/Normal, the time that nodetool takes
// not counted. What the processors worked for it until then is counted, too: it says
// more where others are at work on the computer.
func TestBenchCCM(t *testing.T) {
	needBench(t)
	version, heap := newest, "384"
	ccm := venv(t, ccmVersion)
	layout := newHome(t)
	layout.must(t, "up", "-q", "--until", "provision", "-f", layout.spec(t, ccmSpec("layout", version, ccm, []int{1}, "")))
	t.Cleanup(func() { layout.takeDown(t, "layout") })
	install := filepath.Join(layout.state, "clusters", "layout", "install")
	local := strings.Replace(ccmSpec("bench", version, ccm, []int{2, 2}, ""), "provider: ccm", "provider: local", 1)

	byCCM := func(t *testing.T) (f figures) {
		config := t.TempDir()
		run := func(args ...string) {
			t.Helper()
			cmd := exec.CommandContext(t.Context(), ccm, append(args, "--config-dir="+config)...)
			cmd.Env = append(os.Environ(), "CCM_MAX_HEAP_SIZE="+heap+"M", "CCM_CONFIG_DIR="+config)
			if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "Traceback") {
				t.Fatalf("ccm %v: %v\n%s", args, err, out)
			}
			f.own += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		}
		t.Cleanup(func() { // if it failed half-way; there is nothing to remove otherwise
			_ = exec.CommandContext(context.Background(), ccm, "remove", "bench", "--config-dir="+config).Run()
		})
		start := time.Now()
		run("create", "bench", "--install-dir="+install, "--partitioner=org.apache.cassandra.dht.Murmur3Partitioner")
		run("populate", "--nodes=2:2", "--ipprefix=127.253.9.")
		run("start", "--root")
		returned, own := time.Since(start).Seconds(), f.own
		eventually(t, patience, "nodetool shows ccm's four nodes Up/Normal", func() bool {
			f.took = time.Since(start).Seconds()
			f.servers = processorTime(t, config)
			out, err := exec.CommandContext(t.Context(), ccm, "node1", "status", "--config-dir="+config).CombinedOutput()
			return err == nil && strings.Count(string(out), "\nUN ") == 4
		})
		t.Logf("ccm's start returned after %.1f s", returned)
		run("remove", "bench")
		f.own = own
		return f
	}
	byUs := func(spec string) func(*testing.T) figures {
		return func(t *testing.T) (f figures) {
			h := newHome(t)
			file := h.spec(t, spec)
			t.Cleanup(func() { h.takeDown(t, "bench") })
			cmd := h.command(t.Context(), "up", "-q", "-f", file)
			start := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("up: %v\n%s", err, out)
			}
			f.took = time.Since(start).Seconds()
			f.own = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
			f.servers = processorTime(t, h.state)
			h.must(t, "down", "-q", "bench")
			return f
		}
	}
	contestants := []struct {
		name string
		make func(*testing.T) figures
	}{
		{"ccm itself", byCCM},
		{"crossring, provider local", byUs(local)},
		{"crossring, provider ccm", byUs(ccmSpec("bench", version, ccm, []int{2, 2}, ""))},
	}
	took, cpu := make([]sample, len(contestants)), make([]sample, len(contestants))
	for round := range benchRounds {
		// Each is a test of its own, so that -run picks one.
		t.Run(fmt.Sprintf("round %d", round+1), func(t *testing.T) {
			var line []string
			for i := range contestants {
				i := (i + round) % len(contestants) // who begins takes turns, too
				f := contestants[i].make(t)
				took[i], cpu[i] = append(took[i], f.took), append(cpu[i], f.own+f.servers)
				line = append(line, fmt.Sprintf("%s %.1f s, processor %.1f s of servers and %.1f s of its own", contestants[i].name, f.took, f.servers, f.own))
			}
			t.Logf("%s", strings.Join(line, "; "))
		})
	}
	if slices.ContainsFunc(took, func(s sample) bool { return len(s) == 0 || len(s) != len(took[0]) }) {
		return // no round was whole
	}
	for i, c := range contestants {
		t.Logf("2 + 2 nodes of %s up by %s: %s s; processor %s s", version, c.name, took[i], cpu[i])
	}
	for i := 1; i < len(contestants); i++ {
		ratios := sample{}
		for round := range took[0] {
			ratios = append(ratios, took[i][round]/took[0][round])
		}
		t.Logf("%s takes %.2f of ccm's time by the medians, and %.2f of its processor time; round by round: %s; the goal of provider local is 0.50 of the time",
			contestants[i].name, took[i].median()/took[0].median(), cpu[i].median()/cpu[0].median(), ratios)
	}
}

// figures are those of one cluster that was made, in seconds.
type figures struct {
	took    float64
	servers float64 // processor time of the servers, and of a keeper
	own     float64 // of the commands that made the cluster
}

// processorTime is what the processes have worked so far, in seconds, that have a
// path below dir among their arguments: a cluster's servers, and its keeper.
func processorTime(t *testing.T, dir string) float64 {
	t.Helper()
	const ticks = 100 // a second, on every Linux there is
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var sum, found float64
	for _, e := range entries {
		args, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil || !bytes.Contains(args, []byte(dir+"/")) {
			continue // no process, or one that has just ended, or none of ours
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		const userField, systemField = 11, 12
		for _, f := range fields[userField : systemField+1] {
			n, err := strconv.ParseFloat(f, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += n / ticks
		}
		found++
	}
	if found < 4 {
		t.Fatalf("%g processes of a cluster of four nodes", found)
	}
	return sum
}
