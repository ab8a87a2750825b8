package run

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/journal"
	"crossring/internal/places"
	"crossring/internal/state"
)

// lost says that an inventory can't be had: there is none, or what there is is damaged.
func lost(err error) bool {
	var damaged *journal.DamagedError
	return errors.Is(err, fs.ErrNotExist) || errors.As(err, &damaged)
}

// lostCluster is a cluster whose inventory can't be had.
func lostCluster(w cluster.World, name string) places.Lost {
	l := places.Lost{Name: name}
	s, err := cluster.ReadSpec(state.Dir(w.StateDir, name))
	if err != nil {
		return l // then the files beside it tell
	}
	l.Provider = s.Provider
	l.DockerHost, l.Taken = s.Elsewhere()
	return l
}

// noTraces refuses to make a cluster where processes of one run whose inventory is lost:
// it would stand beside them, and be taken for them.
func noTraces(w cluster.World, name string) error {
	t, err := w.Provider("").Traces(name)
	if err != nil || !t.Any() {
		return err
	}
	return fail.Busy("making cluster "+name, errors.New("processes of a cluster of that name run, and its inventory is lost"), w.Command("down", name))
}

// removeTraces takes a cluster down whose inventory can't be had, as why says. The
// directory goes when nothing else is left of it; until then what is left is named, and
// it stays as it is.
func removeTraces(ctx context.Context, w cluster.World, name string, why error) error {
	if !errors.Is(why, fs.ErrNotExist) {
		w.Say("warning: %v; what is left of cluster %s is found by the traces of it", why, name)
	}
	if err := lostCluster(w, name).RemoveTraces(ctx, w.Deps()); err != nil {
		return err
	}
	return removeDir(state.Dir(w.StateDir, name))
}

// removeDir removes a cluster's directory.
func removeDir(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fail.Leftover("removing "+dir, err, "")
	}
	return nil
}
