package test

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestBenchManyNodes measures plan and render of a thousand nodes in twenty regions,
// as commands: time, processor time and the most memory that they held. Only a plan of
// provider ec2 has firewall rules.
func TestBenchManyNodes(t *testing.T) {
	needBench(t)
	var spec strings.Builder
	spec.WriteString("version: crossring/v1\nname: many\nregions:\n")
	for _, r := range []string{
		"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1",
		"eu-north-1", "eu-south-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
		"me-south-1", "af-south-1",
	} {
		fmt.Fprintf(&spec, "- {region: %s, nodes: 50}\n", r)
	}
	h := newHome(t)
	file := h.spec(t, spec.String())
	onEC2 := h.spec(t, spec.String()+"provider: ec2\n")
	// Large enough before the clock starts: where it had to grow, the commands waited for it.
	out := bytes.NewBuffer(make([]byte, 0, 32<<20))
	for command, args := range map[string][]string{"plan": {"plan", "-f", file}, "plan on EC2": {"plan", "-f", onEC2}, "render": {"render", "-f", file}} {
		var wall, cpu, memory sample
		for range benchRounds {
			cmd := h.command(t.Context(), append(args, "-o", "json")...)
			out.Reset()
			cmd.Stdout = out
			start := time.Now()
			if err := cmd.Run(); err != nil {
				t.Fatalf("crossring %s: %v", command, err)
			}
			wall = append(wall, time.Since(start).Seconds())
			cpu = append(cpu, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
			memory = append(memory, float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024)
			if n := bytes.Count(out.Bytes(), []byte("us-east-1-")); n < 50 {
				t.Fatalf("crossring %s: %d mentions of nodes of us-east-1", command, n)
			}
		}
		t.Logf("%s of 1,000 nodes in 20 regions: %s s; processor %s s; at most %s MB; the goal is 0.2 s", command, wall, cpu, memory)
	}
}
