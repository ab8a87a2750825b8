//go:build linux

package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossring/internal/jars"
	"crossring/internal/release/releasetest"
	"crossring/internal/topology"
	"crossring/test/awsfault"
	"crossring/test/awslab"
	"crossring/test/harness"
)

// TestSuiteOnEC2 runs the suite of all providers on the lab that stands for EC2, each
// version once. It is a test of its own and not in TestMatrix since there is one lab on
// a computer, and test/awslab has it while the matrix runs.
func TestSuiteOnEC2(t *testing.T) {
	needLong(t)
	lab := startLab(t)
	before, err := awsfault.Count(t.Context(), lab.Emulator(), lab.Regions())
	if err != nil {
		t.Fatal(err)
	}
	at := place{"ec2", nil, false, func(cell) string { return "" }, func(t *testing.T, h home, c cell) ground { return layEC2(t, h, c, lab, before) }}
	var table []outcome
	var all []cell
	for _, c := range allCells(releasetest.All()) {
		if c.provider != "local" { // one provider's cells, to choose among
			continue
		}
		c.provider = at.provider
		all = append(all, c)
	}
	chosen, _ := choose(all, "pairs", harness.Commit())
	for _, c := range chosen {
		runCell(t, c, func(t *testing.T, o *outcome) {
			defer func() { table = append(table, *o) }()
			o.run(t, at, 20_000)
		})
	}
	t.Logf("the suite on EC2's lab:\n%s", matrixTable(table))
}

// startLab starts the lab, which ends with the test, or says why there can be none.
func startLab(t *testing.T) *awslab.Lab {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	// The image is made if there is none, and the lab of other tests waited for.
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Minute)
	defer cancel()
	lab, err := awslab.Start(ctx, awslab.Config{Cache: filepath.Join(cache, "crossring"), Dir: t.TempDir(), Say: t.Logf})
	var unavailable *awslab.Unavailable
	if errors.As(err, &unavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return lab
}

// layEC2 has the program run where the lab's operator is, with an account of nothing.
func layEC2(t *testing.T, h home, c cell, lab *awslab.Lab, before awsfault.Stock) ground {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	j, err := jars.Ensure(t.Context(), jars.Request{Version: c.version, CacheDir: filepath.Join(cache, "crossring", "jars")})
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.Publish(c.version, j.ClassPath); err != nil {
		t.Fatal(err)
	}
	h.via = lab.Command
	h.env = append(h.env, lab.Environment()...)
	instances := map[string]string{} // by node, kept for when the cluster is gone
	inside := func(t *testing.T, node, line string) (string, error) {
		t.Helper()
		if inv, ok := h.inventory(t, c.name()); ok && inv.EC2 != nil {
			for name, host := range inv.EC2.Hosts {
				instances[name] = host.Instance
			}
		}
		return lab.Inside(context.Background(), instances[node], line)
	}
	return ground{
		home: h,
		spec: h.spec(t, c.spec(lab.Block())),
		kill: func(t *testing.T, p topology.Process) {
			if out, err := inside(t, p.Node, fmt.Sprintf("kill -9 %d", p.PID)); err != nil {
				t.Fatalf("kill process %d of %s: %v\n%s", p.PID, p.Node, err, out)
			}
		},
		dead: func(p topology.Process) bool {
			out, err := inside(t, p.Node, fmt.Sprintf("test -e /proc/%d && echo alive || echo dead", p.PID))
			if err != nil { // there is no such host any more, or it is asked again
				left, listErr := lab.Left(context.Background())
				return listErr == nil && len(left) == 0
			}
			return strings.TrimSpace(out) == "dead"
		},
		gone: func(t *testing.T, _ topology.Inventory) {
			stock, err := awsfault.Count(t.Context(), lab.Emulator(), lab.Regions())
			if left := stock.Without(before); err != nil || len(left) > 0 {
				t.Errorf("left in the emulator: %v (%v)", left, err)
			}
			if left, err := lab.Left(t.Context()); err != nil || len(left) > 0 {
				t.Errorf("left on this computer: %v (%v)", left, err)
			}
			if err := lab.Problems(); err != nil {
				t.Errorf("the lab itself: %v", err)
			}
		},
	}
}
