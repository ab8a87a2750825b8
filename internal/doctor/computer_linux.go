package doctor

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"crossring/internal/fail"
)

// memory compares what is available with what two nodes take.
func memory() (string, error) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "", err
	}
	available, err := availableOf(data)
	if err != nil {
		return "", err
	}
	detail := gib(available) + " available"
	if available < demoMemory {
		return "", fail.Prerequisite("", fmt.Errorf("%s; two nodes of the demonstration take %s", detail, gib(demoMemory)),
			"crossring plan -f cluster.yaml   # with heap_mb: 384 in it")
	}
	return detail, nil
}

// availableOf reads the bytes that are available from /proc/meminfo.
func availableOf(meminfo []byte) (uint64, error) {
	lines := bufio.NewScanner(bytes.NewReader(meminfo))
	for lines.Scan() {
		var kb uint64
		if _, err := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &kb); err == nil {
			return kb << 10, nil
		}
	}
	return 0, errors.Join(lines.Err(), errors.New("/proc/meminfo has no MemAvailable"))
}

// files compares how many descriptors a process may have with what a server takes.
func files() (string, error) {
	var have unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &have); err != nil {
		return "", fmt.Errorf("reading the limit of open files: %w", err)
	}
	if have.Max < demoFiles {
		return "", fail.Prerequisite("", fmt.Errorf("a process may have %d open, a server of Cassandra takes %d", have.Max, demoFiles), "ulimit -n 65536")
	}
	return fmt.Sprintf("a process may have %d", have.Max), nil
}

// clock asks the kernel whether something keeps the time right.
func clock() (string, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return "", fmt.Errorf("asking the kernel for its clock: %w", err)
	}
	const unsynchronised = 5 // TIME_ERROR
	if state == unsynchronised || t.Status&unix.STA_UNSYNC != 0 {
		// One computer's clusters have one clock, right or wrong.
		return "nothing says that it is kept right; local clusters do not mind, certificates, hosts and EC2 do: timedatectl", nil
	}
	return fmt.Sprintf("kept right, to %d ms at worst", t.Maxerror/1000), nil
}
