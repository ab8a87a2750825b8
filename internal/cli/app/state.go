package app

import (
	"errors"
	"fmt"
	"path/filepath"

	"crossring/internal/fail"

	"github.com/urfave/cli/v2"
)

// stateEnv names the state directory where no flag does.
const stateEnv = "CROSSRING_STATE"

// stateDir is where clusters are kept: the flag, else CROSSRING_STATE, else
// crossring under the XDG state directory. It is absolute, because background
// processes outlive the working directory.
func stateDir(flag string, given bool, lookup func(string) (string, bool)) (string, error) {
	dir, from := flag, "--state"
	if !given {
		dir, from = "", stateEnv
		if env, ok := lookup(stateEnv); ok && env != "" {
			dir = env
		} else if xdg, ok := lookup("XDG_STATE_HOME"); ok && filepath.IsAbs(xdg) { // a relative one is to be ignored
			dir = filepath.Join(xdg, "crossring")
		} else if home, ok := lookup("HOME"); ok && home != "" {
			dir = filepath.Join(home, ".local", "state", "crossring")
		} else {
			return "", fail.Usage("finding the state directory", errors.New("neither HOME nor "+stateEnv+" is set"), "export "+stateEnv+"=/path/to/state")
		}
	}
	if dir == "" {
		return "", fail.Usage("", fmt.Errorf("%s is empty; it names the state directory", from), "")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding the state directory %s: %w", dir, err)
	}
	return abs, nil
}

// Override puts a flag's value in place of *into, where the flag was given. So
// a flag beats cluster.yaml, and cluster.yaml beats the default, when *into
// holds what the file, or else the default, says. T is the flag's own type.
func Override[T any](c *cli.Context, flag string, into *T) {
	if !c.IsSet(flag) {
		return
	}
	if v, ok := c.Value(flag).(T); ok {
		*into = v
		return
	}
	panic(fmt.Sprintf("flag --%s holds %T, not %T", flag, c.Value(flag), *into)) // a slip in a command's code
}
