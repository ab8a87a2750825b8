package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"crossring/internal/topology"
)

// sample is the least that an inventory has.
func sample(dir string) topology.Inventory {
	return topology.Inventory{
		Schema: topology.Schema, Plan: topology.Plan{Name: "a", RTTMillis: new(float64(80.5)), Settings: map[string]any{"b": "<&>", "a": 1e21}},
		Nodes: []topology.Node{{Name: "us-east-1-1", Tokens: []string{"0"}}}, Local: &topology.Local{ID: "id", Slot: 62, Dir: dir},
	}
}

func TestInventoryIsReadAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clusters", "a", "inventory.json")
	if _, err := ReadInventory(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	want := sample(filepath.Dir(path))
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
	if err != nil || len(left) != 2 { // and its second copy
		t.Errorf("%v, %v", left, err)
	}
}

func TestUpdateInventoryKeepsTheAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.json")
	if err := UpdateInventory(path, topology.Inventory{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing to update gave %v", err)
	}
	inv := sample(filepath.Dir(path))
	if err := WriteInventory(path, inv); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	inv.Plan.Name = "b"
	if err := UpdateInventory(path, inv); err != nil {
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

// Whatever one copy is, the other is read; what both are is told from what neither is.
func TestInventoryThatIsDamaged(t *testing.T) {
	for what, damage := range damages(t) {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a", "inventory.json")
			want := sample(filepath.Dir(path))
			check(t, WriteInventory(path, want))
			if err := Damage(path); err != nil {
				t.Fatal(err)
			}
			damage(t, path)
			got, err := ReadInventory(path)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("one is damaged: %v, %+v", err, got)
			}
			if Damage(path) == nil {
				t.Error("nothing tells that one is damaged")
			}
			damage(t, SecondCopy(path))
			_, err = ReadInventory(path)
			var damaged *DamagedError
			switch {
			case what == "lost":
				if !errors.Is(err, os.ErrNotExist) || Damage(path) != nil {
					t.Errorf("both are lost: %v, %v", err, Damage(path))
				}
			case !errors.As(err, &damaged) || damaged.Hint() != "crossring down a":
				t.Errorf("both are damaged: %v", err)
			}
			// Written again, it is whole.
			if what == "a directory" {
				check(t, errors.Join(os.Remove(path), os.Remove(SecondCopy(path))))
			}
			check(t, WriteInventory(path, want))
			if _, err := ReadInventory(path); err != nil || Damage(path) != nil {
				t.Errorf("%v, %v", err, Damage(path))
			}
		})
	}
}

// damages are what may have become of a file.
func damages(t *testing.T) map[string]func(t *testing.T, path string) {
	t.Helper()
	as := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) { check(t, os.WriteFile(path, []byte(text), 0o644)) }
	}
	change := func(f func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			check(t, err)
			check(t, os.WriteFile(path, f(data), 0o644))
		}
	}
	replace := func(old, new string) func(*testing.T, string) {
		return change(func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) })
	}
	return map[string]func(*testing.T, string){
		"lost":            func(t *testing.T, path string) { check(t, os.Remove(path)) },
		"empty":           as(""),
		"random":          as("\x00\x8f\x17PK\x03\x04"),
		"{}":              as("{}"),
		"null":            as("null"),
		"[1]":             as("[1]"),
		"3":               as("3"),
		"truncated":       change(func(b []byte) []byte { return b[:len(b)/2] }),
		"of no schema":    replace(`"crossring/v1"`, `"somebody/v1"`),
		"of a slot":       replace(`"slot": 62`, `"slot": 77`),
		"of a type":       replace(`"slot": 62`, `"slot": "62"`),
		"more at its end": change(func(b []byte) []byte { return append(b, "}\n"...) }),
		"a directory": func(t *testing.T, path string) {
			check(t, os.Remove(path))
			check(t, os.Mkdir(path, 0o755))
		},
	}
}

func TestInventoryOfOtherVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "inventory.json")
	check(t, WriteInventory(path, sample(filepath.Dir(path))))
	data, err := os.ReadFile(path)
	check(t, err)
	// One without a checksum is of an older crossring, in any spacing.
	old := regexp.MustCompile(`,\s*"checksum": "[^"]*"`).ReplaceAll(data, nil)
	if bytes.Equal(old, data) {
		t.Fatalf("no checksum in %s", data)
	}
	check(t, os.WriteFile(path, old, 0o644))
	if _, err := ReadInventory(path); err != nil || Damage(path) != nil {
		t.Errorf("an older one: %v, %v", err, Damage(path))
	}
	// Spacing and order are no change, and keys that are not known count.
	var all map[string]any
	check(t, json.Unmarshal(data, &all))
	all["later"] = map[string]any{"z": 1, "a": []int{1}}
	raw, err := json.Marshal(all)
	check(t, err)
	sum, err := checksum(raw)
	check(t, err)
	all["checksum"] = sum
	raw, err = json.Marshal(all)
	check(t, err)
	check(t, os.WriteFile(path, raw, 0o644))
	if _, err := ReadInventory(path); err != nil || Damage(path) != nil {
		t.Errorf("another spacing: %v, %v", err, Damage(path))
	}
	// A newer one is refused, and left as it is, whatever the other copy is.
	newer := bytes.ReplaceAll(data, []byte("crossring/v1"), []byte("crossring/v9"))
	check(t, os.WriteFile(path, newer, 0o644))
	_, err = ReadInventory(path)
	var refused *NewerError
	if !errors.As(err, &refused) || refused.Schema != "crossring/v9" || refused.ExitCode() != 7 {
		t.Errorf("a newer one: %v", err)
	}
	check(t, os.Remove(path))
	check(t, os.WriteFile(SecondCopy(path), newer, 0o644))
	if _, err = ReadInventory(path); !IsNewer(err) {
		t.Errorf("a newer second copy: %v", err)
	}
	if now, err := os.ReadFile(SecondCopy(path)); err != nil || !bytes.Equal(now, newer) {
		t.Errorf("it was touched: %v", err)
	}
}
