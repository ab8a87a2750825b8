package test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossring/internal/topology"
	"crossring/provision/local"
	"crossring/ringcheck"
	"crossring/ringcheck/replaytest"
)

// TestBenchLargeRing measures `ring` of 200 nodes as a command: time, processor time and the
// most memory that it held. The nodes' answers are recorded ones of a real ring of two,
// multiplied; they come over as many listeners, from this process.
func TestBenchLargeRing(t *testing.T) {
	needBench(t)
	for _, tokens := range []int{1, 16} {
		name := fmt.Sprintf("tokens of each: %d", tokens)
		h := newHome(t)
		nodes := manyAgents(t, h, "many", tokens)
		var wall, cpu, memory sample
		for range benchRounds {
			cmd := h.command(t.Context(), "ring", "many", "-o", "json")
			start := time.Now()
			out, err := cmd.Output()
			wall = append(wall, time.Since(start).Seconds())
			cpu = append(cpu, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
			memory = append(memory, float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024)
			var ring ringcheck.Ring
			if json.Unmarshal(out, &ring) != nil || cmd.ProcessState.ExitCode() != 4 {
				t.Fatalf("crossring ring: %v\n%.2000s", err, out)
			}
			// Nothing carries bytes between these regions; all else is as planned.
			if len(ring.Mismatches) != 1 || ring.Mismatches[0].Kind != "keeper" {
				t.Fatalf("%d mismatches, the first of them %+v", len(ring.Mismatches), ring.Mismatches[:min(3, len(ring.Mismatches))])
			}
			for _, dc := range ring.Datacenters {
				for _, n := range dc.Nodes {
					if n.SeenUpBy == nil || *n.SeenUpBy != nodes || n.Rack == "" {
						t.Fatalf("%+v", n)
					}
				}
			}
		}
		t.Logf("ring of %d nodes, %s: %s s; processor %s s; at most %s MB; the goal is 2 s and 150 MB", nodes, name, wall, cpu, memory)
	}
}

// manyAgents makes the state of a local cluster of 200 nodes, and the agents of its
// nodes as listeners of this process.
func manyAgents(t *testing.T, h home, name string, tokens int) int {
	t.Helper()
	var spec strings.Builder
	fmt.Fprintf(&spec, "version: crossring/v1\nname: %s\nnum_tokens: %d\nregions:\n", name, tokens)
	for _, region := range []string{"us-east-1", "us-west-2", "eu-west-1", "ap-south-1"} {
		fmt.Fprintf(&spec, "- {region: %s, nodes: 50}\n", region)
	}
	r := h.run(t.Context(), "plan", "-f", h.spec(t, spec.String()), "-o", "json")
	p := decode[topology.Plan](t, r)
	// What the recorded ring is.
	p.ClusterName, p.Version, p.Partitioner = "GK Cluster", "5.0.5", "RandomPartitioner"
	answer, err := os.ReadFile("../ringcheck/testdata/5.0/keyspace/us-east-1-1.json")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(h.state, "clusters", name)
	for slot := 250; slot > 2; slot-- {
		nodes, err := local.Assign(p, slot, dir)
		if err != nil {
			t.Fatal(err)
		}
		var listeners []net.Listener
		for _, n := range nodes {
			l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", n.PrivateAddress, n.Ports.Jolokia))
			if err != nil {
				break
			}
			listeners = append(listeners, l)
			t.Cleanup(func() { l.Close() })
		}
		if len(listeners) < len(nodes) {
			continue // somebody else's slot
		}
		var ring []replaytest.Node
		for _, n := range nodes {
			ring = append(ring, replaytest.Node{Address: n.PublicAddress, Datacenter: n.Datacenter, Rack: n.Rack, Tokens: n.Tokens})
		}
		played, err := replaytest.New(answer, ring)
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range listeners {
			go func() { _ = http.Serve(l, played.Of(i, nil)) }()
		}
		inv, err := json.Marshal(topology.Inventory{
			Schema: topology.Schema, Plan: p, Nodes: nodes, Local: &topology.Local{ID: "0123456789ab", Slot: slot, Dir: dir, Java: "java"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "inventory.json"), string(inv))
		return len(nodes)
	}
	t.Fatal("no slot is free")
	return 0
}
