package runs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// LagFile, in a directory of its own among the runs, is a measurement of lag.
const LagFile = "lag.json"

// Latest is what the newest run of all is called.
const Latest = "latest"

// Find is the directory of a run: given as a path, as its name in dir, as the name of the
// cluster of which it is the newest, or as Latest. What is there under its own name is
// never taken for a cluster.
func Find(dir, ref string) (string, error) {
	path := Path(dir, ref)
	if _, err := os.Stat(path); err == nil || strings.ContainsRune(ref, filepath.Separator) {
		return path, nil
	}
	cluster := ref
	if ref == Latest {
		cluster = ""
	}
	newest, err := newest(dir, cluster)
	if err != nil || newest != "" {
		return newest, err
	}
	if ref == Latest {
		return "", fmt.Errorf("there is no run in %s yet", dir)
	}
	return "", fmt.Errorf("%s is no run, and no cluster that has one", ref)
}

// newest is the directory of the newest run of a cluster, or of all; "" of none.
func newest(dir, cluster string) (string, error) {
	all, err := List(dir, cluster)
	if err != nil {
		return "", err
	}
	var path string
	var at time.Time
	for _, l := range all.Runs {
		if l.Problem == "" && !when(l).Before(at) {
			path, at = l.Path, when(l)
		}
	}
	return path, nil
}
