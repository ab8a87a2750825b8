package local

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"crossring/internal/topology"
)

// Host is one node's place on this computer: files in its directories, and its
// server process through the keeper.
type Host struct {
	Inventory topology.Inventory
	Node      topology.Node
	Main      string // main class of the server
}

// TailFile reads the last lines of a file, from its last 64 KB.
func TailFile(path string, lines int) ([]string, error) {
	const window = 64 << 10
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(max(0, end-window), io.SeekStart); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	text := strings.TrimRight(string(data), "\n")
	if text == "" {
		return nil, nil
	}
	all := strings.Split(text, "\n")
	return all[max(0, len(all)-max(0, lines)):], nil
}

// RemoveAttachFile removes the socket that a JVM makes in /tmp when a tool is
// attached to it, and leaves there when it is killed. A JVM that runs makes it
// anew for the next tool.
func RemoveAttachFile(pid int) {
	_ = os.Remove(filepath.Join("/tmp", ".java_pid"+strconv.Itoa(pid))) // mostly there is none
}
