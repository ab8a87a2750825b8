// Package computer says what this program runs on, and how busy that is.
package computer

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"crossring/internal/pause"
	"crossring/internal/topology"
)

// moment is how long Look watches the processors.
const moment = 250 * time.Millisecond

// Look says what this computer is, and watches it for a moment, or until ctx ends. What it does
// not tell, as elsewhere than on Linux, is nil.
func Look(ctx context.Context) topology.Computer {
	c := topology.Computer{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.GOMAXPROCS(0)}
	c.Name, _ = os.Hostname() // "" where it has none
	c.MemoryBytes = memory(read("/proc/meminfo"))
	c.Load.Average = average(read("/proc/loadavg"))
	before := times(read("/proc/stat"))
	pause.For(ctx, moment)
	c.Load.Busy, c.Load.Stolen = shares(before, times(read("/proc/stat")))
	return c
}

// read is a file, "" where there is none.
func read(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(data)
}

// cpu is the processors' time since the start, in ticks.
type cpu struct{ all, idle, stolen int64 }

// times reads the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq,
// steal. What follows is part of user and nice (proc(5)).
func times(stat string) *cpu {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return nil
	}
	var c cpu
	for i, f := range fields[1:9] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return nil
		}
		c.all += n
		switch i {
		case 3, 4: // waiting for a disk is no work
			c.idle += n
		case 7:
			c.stolen = n
		}
	}
	return &c
}

func shares(a, b *cpu) (busy, stolen *float64) {
	if a == nil || b == nil || b.all <= a.all {
		return nil, nil
	}
	all := float64(b.all - a.all)
	return new(min(max(1-float64(b.idle-a.idle)/all, 0), 1)), new(min(max(float64(b.stolen-a.stolen)/all, 0), 1))
}

func average(loadavg string) *float64 {
	first, _, _ := strings.Cut(loadavg, " ")
	v, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return nil
	}
	return &v
}

func memory(meminfo string) *int64 {
	for line := range strings.Lines(meminfo) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "MemTotal:" && f[2] == "kB" {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				return new(n * 1024)
			}
		}
	}
	return nil
}
