package run

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"crossring/internal/cluster"
	"crossring/internal/spec"
)

// twenty are regions of EC2.
var twenty = []string{
	"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1",
	"eu-north-1", "eu-south-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "me-south-1", "af-south-1",
}

// manyNodes is a spec of fifty nodes in each of the regions, in two zones.
func manyNodes(provider string, regions []string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "version: crossring/v1\nname: many\nprovider: %s\nregions:\n", provider)
	for _, r := range regions {
		fmt.Fprintf(&b, "- {region: %s, zone: %sa, nodes: 25}\n- {region: %s, zone: %sb, nodes: 25}\n", r, r, r, r)
	}
	return []byte(b.String())
}

// planAndRender reads a spec, plans it and writes every node's files.
func planAndRender(tb testing.TB, provider string) Rendered {
	tb.Helper()
	s, err := spec.Parse("cluster.yaml", manyNodes(provider, twenty))
	if err != nil {
		tb.Fatal(err)
	}
	w := cluster.World{StateDir: "/state", CacheDir: "/cache"}
	res, err := Render(tb.Context(), w, RenderRequest{Spec: &s})
	if err != nil {
		tb.Fatal(err)
	}
	return res
}

func TestRenderAThousandNodes(t *testing.T) {
	for _, provider := range []string{"local", "ec2"} {
		res := planAndRender(t, provider)
		files := map[string]bool{}
		for _, n := range res.Nodes {
			for _, f := range n.Files {
				files[f.Content] = true
			}
		}
		if len(res.Nodes) != 1000 || !res.Assumed {
			t.Errorf("%s: %d nodes", provider, len(res.Nodes))
		}
		// Each has a cassandra.yaml of its own, if only for its token.
		if len(files) < 1000 {
			t.Errorf("%s: %d different files of %d nodes", provider, len(files), len(res.Nodes))
		}
	}
}

// processorTime is what this process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkThousandNodes is the plan and the files of twenty regions of fifty nodes;
// the goal is 200 ms.
func BenchmarkThousandNodes(b *testing.B) {
	for _, provider := range []string{"local", "ec2"} {
		b.Run(provider, func(b *testing.B) {
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				planAndRender(b, provider)
			}
			b.ReportMetric(float64((processorTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}
