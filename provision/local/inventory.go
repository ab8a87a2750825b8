package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"crossring/internal/journal"
	"crossring/internal/topology"
)

// inventoryFile, in a cluster's directory, is what its commands begin with. Reading
// and writing it is all of this package that works for clusters of every provider,
// and on every system.
const inventoryFile = "inventory.json"

// Inventory reads what an earlier Make left; os.ErrNotExist when there is none.
func (p Provider) Inventory(name string) (topology.Inventory, error) {
	return readInventory(p.Dir(name))
}

// Damage says what is wrong with the first copy of an inventory, nil if nothing is.
func (p Provider) Damage(name string) error {
	return journal.Damage(filepath.Join(p.Dir(name), inventoryFile))
}

// Restore writes both copies of an inventory anew where the first is lost or damaged.
func (p Provider) Restore(name string) error {
	if p.Damage(name) == nil {
		return nil
	}
	inv, err := p.Inventory(name)
	if err != nil {
		return err
	}
	path := filepath.Join(p.Dir(name), inventoryFile)
	// What is not a file could not be written over.
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("restore the inventory of %s: %w", name, err)
		}
	}
	return journal.WriteInventory(path, inv)
}

// Made is when a cluster was made: the age of its inventory, which whoever writes it
// again keeps. Of one that is half made it is when its directory last changed.
func (p Provider) Made(name string) (time.Time, error) {
	path := filepath.Join(p.Dir(name), inventoryFile)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		info, err = os.Stat(journal.SecondCopy(path))
	}
	if errors.Is(err, os.ErrNotExist) {
		info, err = os.Stat(p.Dir(name))
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for the age of cluster %s: %w", name, err)
	}
	return info.ModTime(), nil
}

// SaveNodes writes the inventory with other nodes: all of it, or none after a crash.
func (p Provider) SaveNodes(inv topology.Inventory, nodes []topology.Node) (topology.Inventory, error) {
	inv.Nodes = nodes
	inv.Plan.Nodes = nil
	for _, n := range nodes {
		inv.Plan.Nodes = append(inv.Plan.Nodes, unplaced(n))
	}
	return inv, p.SaveInventory(inv)
}

// SaveInventory writes the inventory of a cluster that was made: all of it, or none
// after a crash. It says nothing to the keeper.
func (p Provider) SaveInventory(inv topology.Inventory) error {
	return journal.UpdateInventory(filepath.Join(inv.Local.Dir, inventoryFile), inv)
}

// unplaced is a node as a plan has it: without addresses and directories.
func unplaced(n topology.Node) topology.Node {
	n.PrivateAddress, n.PublicAddress, n.Layout = "", "", topology.Layout{}
	n.Ports.Metadata = 0
	return n
}

func readInventory(dir string) (topology.Inventory, error) {
	return journal.ReadInventory(filepath.Join(dir, inventoryFile))
}
