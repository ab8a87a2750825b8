package computer

import (
	"context"
	"runtime"
	"testing"

	"crossring/internal/topology"
)

func TestShares(t *testing.T) {
	a := times("cpu  100 0 50 800 50 0 0 0 7 0\ncpu0 1 2 3\n")
	b := times("cpu  150 0 60 820 70 0 0 100 7 0\n")
	if a == nil || b == nil {
		t.Fatal("a line of /proc/stat is not read")
	}
	busy, stolen := shares(a, b)
	if busy == nil || stolen == nil || *busy != 0.8 || *stolen != 0.5 {
		t.Errorf("busy %v, stolen %v; of 200 ticks 40 were idle, 100 stolen", busy, stolen)
	}
	if !(topology.Busyness{Busy: busy}).IsBusy() || (topology.Busyness{}).IsBusy() || (topology.Busyness{Busy: new(0.1)}).IsBusy() {
		t.Error("what counts as busy")
	}
	for _, bad := range []string{"", "cpu 1 2", "cpu a 0 50 800 50 0 0 0", "intr 1 2 3 4 5 6 7 8 9"} {
		if times(bad) != nil {
			t.Errorf("%q is read", bad)
		}
	}
	if busy, _ := shares(a, a); busy != nil {
		t.Error("no time has passed, and there is a share of it")
	}
}

func TestFigures(t *testing.T) {
	if m := memory("MemTotal:       24000000 kB\nMemFree: 1 kB\n"); m == nil || *m != 24_000_000*1024 {
		t.Errorf("memory %v", m)
	}
	if memory("") != nil || average("") != nil {
		t.Error("of nothing there is a figure")
	}
	if v := average("1.25 0.5 0.3 1/100 4711\n"); v == nil || *v != 1.25 {
		t.Errorf("load average %v", v)
	}
}

func TestLook(t *testing.T) {
	c := Look(t.Context())
	if c.CPUs < 1 || c.OS != runtime.GOOS || c.Arch != runtime.GOARCH {
		t.Errorf("%+v", c)
	}
	if runtime.GOOS == "linux" && (c.MemoryBytes == nil || c.Load.Busy == nil || c.Load.Average == nil) {
		t.Errorf("Linux tells all of it: %+v", c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	Look(ctx) // does not wait
}
