package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"crossring/internal/safely"
	"crossring/internal/topology"
)

// SecondCopy is where the other copy of an inventory lies. It is written twice, since all
// that is known of a cluster begins with it: the second copy first, so that it is never
// older than the file itself.
func SecondCopy(path string) string { return strings.TrimSuffix(path, ".json") + ".copy.json" }

// signed is an inventory as it lies on disk. The checksum is of all other keys, in any
// order and spacing; one without it is of an older crossring.
type signed struct {
	topology.Inventory
	Checksum string `json:"checksum,omitempty"`
}

// ReadInventory reads what WriteInventory wrote. Where the file is lost or damaged it
// reads the second copy; Damage tells. The error is os.ErrNotExist, wrapped, where there
// is neither, a *NewerError, a *DamagedError, or another one of the file system.
func ReadInventory(path string) (topology.Inventory, error) {
	inv, err := readOne(path)
	if err == nil || !lostOrDamaged(err) {
		return inv, err
	}
	second, secondErr := readOne(SecondCopy(path))
	if secondErr == nil || errors.Is(err, fs.ErrNotExist) || IsNewer(secondErr) {
		return second, secondErr
	}
	return inv, err
}

// Damage says what is wrong with an inventory's file; nil if nothing is, and also if
// neither it nor its second copy is there.
func Damage(path string) error {
	_, err := readOne(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, second := os.Lstat(SecondCopy(path)); second != nil {
		return nil
	}
	return err
}

func lostOrDamaged(err error) bool {
	var damaged *DamagedError
	return errors.Is(err, fs.ErrNotExist) || errors.As(err, &damaged)
}

func readOne(path string) (topology.Inventory, error) {
	data, err := readAll(path)
	if err != nil {
		return topology.Inventory{}, err
	}
	var doc signed
	if err := decodeJSON(path, data, &doc); err != nil {
		return topology.Inventory{}, err
	}
	if err := doc.Inventory.Check(); err != nil {
		return topology.Inventory{}, &DamagedError{Path: path, Reason: err.Error()}
	}
	if doc.Checksum == "" {
		return doc.Inventory, nil
	}
	if sum, err := checksum(data); err != nil || sum != doc.Checksum {
		return topology.Inventory{}, &DamagedError{Path: path, Reason: "it was changed by something else: its checksum does not match"}
	}
	return doc.Inventory, nil
}

// checksum is that of a JSON object without its key of that name.
func checksum(data []byte) (string, error) {
	var all map[string]any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&all); err != nil {
		return "", err
	}
	delete(all, "checksum")
	sorted, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(sorted)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// WriteInventory writes an inventory, and its directory where that is missing, so
// that after a crash there is all of it or what was there before.
func WriteInventory(path string, inv topology.Inventory) error {
	if err := PrivateDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("write inventory: %w", err)
	}
	inv.Schema = topology.Schema
	data, err := json.Marshal(inv)
	if err != nil {
		return fmt.Errorf("encode inventory: %w", err)
	}
	doc := signed{Inventory: inv}
	if doc.Checksum, err = checksum(data); err != nil {
		return fmt.Errorf("sum up inventory: %w", err)
	}
	if err := safely.JSON(SecondCopy(path), doc, 0o644); err != nil {
		return err
	}
	return safely.JSON(path, doc, 0o644)
}

// PrivateDir makes the directory of a cluster, which nobody but its owner may look into,
// whatever the umask is; and closes one that is there.
func PrivateDir(dir string) error {
	const ownerOnly = 0o700
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, ownerOnly); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Chmod(dir, ownerOnly)
}

// UpdateInventory is WriteInventory over one that is there. The file keeps its age, which
// is the cluster's.
func UpdateInventory(path string, inv topology.Inventory) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Stat(SecondCopy(path))
	}
	if err != nil {
		return fmt.Errorf("update inventory: %w", err)
	}
	if err := WriteInventory(path, inv); err != nil {
		return err
	}
	for _, file := range []string{path, SecondCopy(path)} {
		if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
			return fmt.Errorf("keep the age of cluster %s: %w", inv.Plan.Name, err)
		}
	}
	return nil
}
