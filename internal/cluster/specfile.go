package cluster

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"crossring/internal/safely"
	"crossring/internal/spec"
)

// WriteSpec writes down what the cluster in dir was made from.
func WriteSpec(dir string, s spec.Spec) error {
	// All of it or none: half a spec would be in the way of every later up.
	if err := safely.JSON(filepath.Join(dir, SpecFile), s, 0o644); err != nil {
		return fmt.Errorf("write spec: %w", err)
	}
	return nil
}

// ReadSpec reads what the cluster in dir was made from; os.ErrNotExist where that was not
// written down.
func ReadSpec(dir string) (spec.Spec, error) {
	var s spec.Spec
	data, err := os.ReadFile(filepath.Join(dir, SpecFile))
	if err != nil {
		return s, fmt.Errorf("read spec: %w", err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("read spec of %s: %w", dir, err)
	}
	return s, nil
}
