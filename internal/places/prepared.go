package places

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"crossring/internal/deploy/prepare"
	"crossring/internal/fail"
	"crossring/internal/journal"
	"crossring/internal/plain"
	"crossring/internal/safely"
	"crossring/internal/topology"
)

// preparedFile, in a cluster's directory, says what the machines turned out to be.
const preparedFile = "prepared.json"

// ReadPrepared reads what the machines of a cluster turned out to be, by the node on
// it; nil where none was made ready.
func ReadPrepared(dir string) (map[string]prepare.Result, error) {
	data, err := os.ReadFile(filepath.Join(dir, preparedFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what the machines are: %w", err)
	}
	var all map[string]prepare.Result
	if err := json.Unmarshal(data, &all); err != nil {
		path := filepath.Join(dir, preparedFile)
		return nil, &fail.Error{Code: fail.ExitFailure, Err: &journal.DamagedError{Path: path, Reason: err.Error()},
			Hint: plain.Command("rm", path) + " && " + plain.Command("crossring", "up", filepath.Base(dir))}
	}
	return all, nil
}

// WritePrepared writes what ReadPrepared reads.
func WritePrepared(dir string, all map[string]prepare.Result) error {
	if err := safely.JSON(filepath.Join(dir, preparedFile), all, 0o644); err != nil {
		return fmt.Errorf("writing what the machines are: %w", err)
	}
	return nil
}

// WithPrepared notes at each node what its machine turned out to be.
func WithPrepared(inv topology.Inventory, all map[string]prepare.Result) topology.Inventory {
	nodes := append([]topology.Node{}, inv.Nodes...)
	for i, n := range nodes {
		if r, ok := all[n.Name]; ok && n.Host != nil {
			h := *n.Host
			h.Java, h.Systemd = r.Java, r.Facts.Systemd && h.Root == ""
			h.PublicHere = r.Facts.PublicHere(n)
			nodes[i].Host = &h
		}
	}
	inv.Nodes = nodes
	return inv
}
