package run

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"crossring/internal/spec"
)

func writeSpec(dir string, s spec.Spec) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode spec: %w", err)
	}
	// All of it or none: half a spec would be in the way of every later up.
	path := filepath.Join(dir, specFile)
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write spec: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write spec: %w", err)
	}
	return nil
}

func readSpec(dir string) (spec.Spec, error) {
	var s spec.Spec
	data, err := os.ReadFile(filepath.Join(dir, specFile))
	if err != nil {
		return s, fmt.Errorf("read spec: %w", err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("read spec of %s: %w", dir, err)
	}
	return s, nil
}
