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

// RaceVariable and StandInVariable name what Race and StandIn find, where make test has
// built it already.
const (
	RaceVariable    = "CROSSRING_RACE_PROGRAM"
	StandInVariable = "CROSSRING_STANDIN"
)

// Race returns the path of the program as Program does, built with the race detector.
func Race(dir string) (string, error) {
	return extra(RaceVariable, filepath.Join(dir, "crossring-race"), "-race", "crossring")
}

// StandIn returns the path of the program that stands in for java where crossring's own
// processes are the subject.
func StandIn(dir string) (string, error) {
	return extra(StandInVariable, filepath.Join(dir, "standin"), "crossring/test/standin")
}

func extra(variable, path string, args ...string) (string, error) {
	if named := os.Getenv(variable); named != "" {
		if _, err := exec.LookPath(named); err != nil {
			return "", fmt.Errorf("find the program that %s names: %w", variable, err)
		}
		return filepath.Abs(named)
	}
	if out, err := exec.Command("go", append([]string{"build", "-o", path}, args...)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", args[len(args)-1], err, out)
	}
	return path, nil
}
