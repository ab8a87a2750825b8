// Package built has the program that tests run: one for all packages of tests, when
// make test has built it, and one's own otherwise.
package built

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Variable names the environment variable that has the path of a program that is built
// already, from the tree as it is.
const Variable = "CROSSRING_PROGRAM"

// Program returns the path of the program, and builds it into dir if need be, as make
// build does: without C, so that it runs in any image.
func Program(dir string) (string, error) {
	if path := os.Getenv(Variable); path != "" {
		if _, err := exec.LookPath(path); err != nil {
			return "", fmt.Errorf("find the program that %s names: %w", Variable, err)
		}
		return filepath.Abs(path)
	}
	path := filepath.Join(dir, "crossring")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "crossring")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return path, nil
}
