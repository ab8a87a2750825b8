package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"crossring/internal/journal"
	"crossring/internal/topology"
)

// InventoryFile, in a cluster's directory, is what its commands begin with.
const InventoryFile = "inventory.json"

// ReadInventory reads the inventory in a cluster's directory; os.ErrNotExist when there
// is none.
func ReadInventory(dir string) (topology.Inventory, error) {
	return journal.ReadInventory(filepath.Join(dir, InventoryFile))
}

// WriteInventory writes the inventory of a cluster into its directory, both copies.
func WriteInventory(dir string, inv topology.Inventory) error {
	return journal.WriteInventory(filepath.Join(dir, InventoryFile), inv)
}

// UpdateInventory is WriteInventory for a cluster that was made: its age stays.
func UpdateInventory(dir string, inv topology.Inventory) error {
	return journal.UpdateInventory(filepath.Join(dir, InventoryFile), inv)
}

// Inventory reads what an earlier Make left; os.ErrNotExist when there is none.
func Inventory(root, name string) (topology.Inventory, error) {
	return ReadInventory(Dir(root, name))
}

// Damage says what is wrong with the first copy of an inventory, nil if nothing is.
func Damage(root, name string) error {
	return journal.Damage(filepath.Join(Dir(root, name), InventoryFile))
}

// Restore writes both copies of an inventory anew where the first is lost or damaged.
func Restore(root, name string) error {
	if Damage(root, name) == nil {
		return nil
	}
	inv, err := Inventory(root, name)
	if err != nil {
		return err
	}
	path := filepath.Join(Dir(root, name), InventoryFile)
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
func Made(root, name string) (time.Time, error) {
	path := filepath.Join(Dir(root, name), InventoryFile)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		info, err = os.Stat(journal.SecondCopy(path))
	}
	if errors.Is(err, os.ErrNotExist) {
		info, err = os.Stat(Dir(root, name))
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for the age of cluster %s: %w", name, err)
	}
	return info.ModTime(), nil
}
