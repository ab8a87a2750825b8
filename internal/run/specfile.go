package run

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"crossring/internal/journal"
	"crossring/internal/spec"
)

func writeSpec(dir string, s spec.Spec) error {
	// All of it or none: half a spec would be in the way of every later up.
	if err := journal.ReplaceJSON(filepath.Join(dir, specFile), s, 0o644); err != nil {
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
