package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"crossring/internal/topology"
)

// ReadInventory reads what WriteInventory wrote; os.ErrNotExist, wrapped, when
// there is none.
func ReadInventory(path string) (topology.Inventory, error) {
	var inv topology.Inventory
	data, err := os.ReadFile(path)
	if err != nil {
		return inv, fmt.Errorf("read inventory: %w", err)
	}
	if err := json.Unmarshal(data, &inv); err != nil {
		return inv, fmt.Errorf("read inventory %s: %w", path, err)
	}
	return inv, nil
}

// WriteInventory writes an inventory, and its directory where that is missing, so
// that after a crash there is all of it or what was there before.
func WriteInventory(path string, inv topology.Inventory) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write inventory: %w", err)
	}
	return ReplaceJSON(path, inv, 0o644)
}

// UpdateInventory is WriteInventory over one that is there. The file keeps its age, which
// is the cluster's.
func UpdateInventory(path string, inv topology.Inventory) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("update inventory: %w", err)
	}
	if err := WriteInventory(path, inv); err != nil {
		return err
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		return fmt.Errorf("keep the age of cluster %s: %w", inv.Plan.Name, err)
	}
	return nil
}

// ReplaceJSON is Replace with a value's JSON form, indented.
func ReplaceJSON(path string, v any, mode fs.FileMode) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return Replace(path, append(data, '\n'), mode)
}

// Replace writes a file so that after a crash there is all of it or what was there
// before. mode is that of a file which was not there.
func Replace(path string, data []byte, mode fs.FileMode) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
