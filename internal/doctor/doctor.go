// Package doctor looks at this computer for what crossring needs of it. It makes nothing
// but what Mend asks for, and asks nobody in the network.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/jars"
	"crossring/internal/places"
	"crossring/internal/plain"
	"crossring/internal/release"
	"crossring/internal/run"
	"crossring/provision/local"
)

// Finding is what one look found.
type Finding struct {
	Name   string
	Detail string // what is there
	Err    error  // what is wrong; it may have a hint, the command that mends it
}

// Ask says what the computer is to be looked at for.
type Ask struct {
	Providers []string          // each as places.For knows it
	Releases  []release.Release // that clusters are to have
	// Mend does what is safe: it makes the state directory and fetches jars.
	Mend bool
}

// What two nodes of the demonstration take, as seen: memory beyond the heap included, and
// 100,000 rows with their commit log.
const (
	demoMemory = 2 << 30
	demoDisk   = 2 << 30
	demoFiles  = 4096 // descriptors of one server
)

// Examine looks at everything, and goes on whatever it finds.
func Examine(ctx context.Context, w cluster.World, ask Ask) ([]Finding, error) {
	var found []Finding
	note := func(name, detail string, err error) { found = append(found, Finding{name, detail, err}) }
	processes := false // of this computer
	for _, provider := range ask.Providers {
		place, err := places.For(provider, w.Deps())
		if err != nil {
			return nil, err
		}
		processes = processes || place.Processes
	}
	for _, rel := range ask.Releases {
		if processes {
			detail, err := javaFor(ctx, rel)
			note("java for "+rel.Series, detail, err)
		}
		detail, err := jarsOf(ctx, w, rel, ask.Mend)
		note("jars of "+rel.Version, detail, err)
	}
	detail, err := stateDir(w, ask.Mend)
	note("state directory", detail, err)
	if processes {
		detail, err = memory()
		note("memory", detail, err)
		detail, err = disk(w.StateDir)
		note("disk", detail, err)
		detail, err = files()
		note("open files", detail, err)
	}
	detail, err = clock()
	note("clock", detail, err)
	for _, provider := range ask.Providers {
		place, err := places.For(provider, w.Deps())
		if err != nil {
			return nil, err
		}
		detail := "nothing more is needed here"
		if place.Needs != nil {
			err = place.Needs()
		}
		if err == nil && place.Ready != nil {
			detail, err = place.Ready(ctx)
		}
		note("provider "+provider, detail, err)
	}
	detail, err = leftovers(ctx, w)
	note("clusters", detail, err)
	return found, ctx.Err()
}

// javaFor finds the Java that a release's servers run on here.
func javaFor(ctx context.Context, rel release.Release) (string, error) {
	path, version, err := cluster.Java(ctx, rel)
	return fmt.Sprintf("Java %d, %s", version, path), err
}

// jarsOf says whether a release's jars are here, or can be fetched.
func jarsOf(ctx context.Context, w cluster.World, rel release.Release, mend bool) (string, error) {
	req := jars.Request{Version: rel.Version, CacheDir: w.CacheDir, Log: w.Log, Progress: func(s string) { w.Say("%s", s) }}
	ready, changed, err := jars.Have(req)
	switch {
	case err != nil:
		return "", err
	case ready:
		return "in " + w.CacheDir + ", as locked", nil
	case mend:
		_, err := jars.Ensure(ctx, req)
		return "fetched to " + w.CacheDir + ", as locked", err
	}
	mvn, err := jars.FindMaven(ctx)
	if changed {
		return "others than the lock has; who needs them next has them fetched anew, by " + mvn, err
	}
	return "not here yet; who needs them first has them fetched, by " + mvn, err
}

// stateDir sees that clusters can be kept where they are to be.
func stateDir(w cluster.World, mend bool) (string, error) {
	hint := plain.Command("mkdir", "-p", w.StateDir)
	if mend {
		if err := os.MkdirAll(w.StateDir, 0o755); err != nil {
			return "", fail.Prerequisite("", err, hint)
		}
	}
	at, detail := w.StateDir, w.StateDir
	if _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) {
		at, detail = standing(at), at+", to be made"
	}
	f, err := os.CreateTemp(at, ".crossring-doctor-*")
	if err != nil {
		return "", fail.Prerequisite("keeping clusters in "+w.StateDir, err, "export CROSSRING_STATE=DIR   # one that you may write to")
	}
	return detail, errors.Join(f.Close(), os.Remove(f.Name()))
}

// standing is the directory above a path that there is.
func standing(path string) string {
	for {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return path
		}
		up := filepath.Dir(path)
		if up == path {
			return path
		}
		path = up
	}
}

// disk compares the room below a directory with what the demonstration writes.
func disk(dir string) (string, error) {
	free, err := local.Free(standing(dir))
	if err != nil {
		return "", err
	}
	detail := gib(free) + " free in " + standing(dir)
	if free < demoDisk {
		return "", fail.Prerequisite("", fmt.Errorf("%s; the demonstration takes %s", detail, gib(demoDisk)), plain.Command("df", "-h", standing(dir)))
	}
	return detail, nil
}

// leftovers are clusters that are half made, damaged, or without their directory.
func leftovers(ctx context.Context, w cluster.World) (string, error) {
	list, err := run.List(ctx, w)
	if err != nil {
		return "", err
	}
	var wrong []string
	var names []string
	for _, c := range list.Clusters {
		if c.Problem != "" {
			wrong = append(wrong, c.Name+": "+c.Problem)
			names = append(names, c.Name)
		}
	}
	if len(wrong) > 0 {
		slices.Sort(names)
		return "", fail.Prerequisite("", errors.New(strings.Join(wrong, "; ")), w.Command("down", names[0]))
	}
	return plain.Count(len(list.Clusters), "cluster") + ", none of them half made or damaged", nil
}

func gib(n uint64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }
