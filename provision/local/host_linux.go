package local

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"crossring/internal/safely"
	"crossring/internal/topology"
)

// outputFile takes what the server prints; its own log is system.log beside it.
const outputFile = "stdout.log"

// Put writes a file whole, or not at all.
func (h Host) Put(ctx context.Context, path string, data []byte, mode fs.FileMode) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return os.Chmod(path, mode)
	}
	return safely.Write(path, data, mode)
}

// Start starts the server unless it runs.
func (h Host) Start(ctx context.Context) error {
	l := h.Node.Layout
	return h.client().call(ctx, "/start", startRequest{
		Node: h.Node.Name,
		Argv: []string{h.Inventory.Local.Java, "@" + filepath.Join(l.Conf, "jvm.options"), h.Main},
		// The JVM needs little, and what it reads it would act on: JAVA_TOOL_OPTIONS
		// and the like stay outside.
		Env:    []string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.Home, "TMPDIR=" + l.Tmp, "LANG=C.UTF-8"},
		Dir:    l.Root,
		Output: filepath.Join(l.Log, outputFile),
	}, nil)
}

// Stop ends the server: SIGTERM, and SIGKILL after grace.
func (h Host) Stop(ctx context.Context, grace time.Duration) error {
	return h.client().call(ctx, "/stop", stopRequest{Node: h.Node.Name, Grace: grace}, nil)
}

// State is that of the server process.
func (h Host) State(ctx context.Context) (topology.Process, error) {
	st, err := h.client().status(ctx)
	if err != nil {
		return topology.Process{}, err
	}
	p, ok := st.Nodes[h.Node.Name]
	if !ok {
		p.Node = h.Node.Name
	}
	return p, nil
}

// Tail gives the last lines of what the server printed and logged.
func (h Host) Tail(_ context.Context, lines int) ([]string, error) {
	for _, name := range []string{"system.log", outputFile} {
		tail, err := TailFile(filepath.Join(h.Node.Layout.Log, name), lines)
		if err != nil && !os.IsNotExist(err) {
			return nil, fmt.Errorf("read log of %s: %w", h.Node.Name, err)
		}
		if len(tail) > 0 {
			return tail, nil
		}
	}
	return nil, nil
}

func (h Host) client() client { return client{h.Inventory.Plan.Name, h.Inventory.Local.Dir} }
