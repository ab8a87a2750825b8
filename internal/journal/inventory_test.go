package journal

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"crossring/internal/topology"
)

func TestInventoryIsReadAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clusters", "a", "inventory.json")
	if _, err := ReadInventory(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	want := topology.Inventory{Plan: topology.Plan{Name: "a"}, Nodes: []topology.Node{{Name: "us-east-1-1", Tokens: []string{"0"}}}}
	for _, name := range []string{"a", "b"} { // the second one takes the place of the first
		want.Plan.Name = name
		if err := WriteInventory(path, want); err != nil {
			t.Fatal(err)
		}
		got, err := ReadInventory(path)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, %+v", err, got)
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestUpdateInventoryKeepsTheAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.json")
	if err := UpdateInventory(path, topology.Inventory{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing to update gave %v", err)
	}
	if err := WriteInventory(path, topology.Inventory{}); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	if err := UpdateInventory(path, topology.Inventory{Plan: topology.Plan{Name: "b"}}); err != nil {
		t.Fatal(err)
	}
	got, err := ReadInventory(path)
	info, statErr := os.Stat(path)
	if err != nil || statErr != nil || got.Plan.Name != "b" || !info.ModTime().Equal(old) {
		t.Errorf("%+v, %v, %v, %v", got, err, info, statErr)
	}
}

func TestInventoryThatIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.json")
	if err := os.WriteFile(path, []byte(`{"nodes": 3}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadInventory(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	if err := WriteInventory(filepath.Join(path, "below-a-file"), topology.Inventory{}); err == nil {
		t.Error("written below a file")
	}
}
