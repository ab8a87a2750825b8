package nodetool

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	"crossring/internal/cluster"
	"crossring/internal/topology"
)

// nodetoolSource is Nodetool.java.
//
//go:embed Nodetool.java
var nodetoolSource []byte

// nodetoolMain is what java is told to run: the main class, or a file of Java source
// where the class does not start by itself. The file is the node's, and goes with it.
func nodetoolMain(c cluster.Cluster, n topology.Node) (string, error) {
	if !c.Rel.NodetoolFromSource {
		return c.Rel.Nodetool, nil
	}
	file := filepath.Join(n.Layout.Tmp, "Nodetool.java")
	if err := os.WriteFile(file, nodetoolSource, 0o644); err != nil {
		return "", fmt.Errorf("nodetool on %s: %w", n.Name, err)
	}
	return file, nil
}
