package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"crossring/internal/places"
	"crossring/internal/release"
	"crossring/internal/topology"
)

// DownResult says what was removed.
type DownResult struct {
	Schema  string `json:"schema"`
	Name    string `json:"name"`
	Removed bool   `json:"removed"`
	// Collected is nil when nothing was fetched.
	Collected *Evidence `json:"collected"`
}

// Down removes a cluster, whole or half made, and everything of it but its run
// directories and what which has it fetch before.
func (w World) Down(ctx context.Context, name string, which Gathering) (DownResult, error) {
	res := DownResult{Schema: topology.Schema, Name: name}
	if err := checkName(name); err != nil {
		return res, err
	}
	if _, err := os.Stat(w.provider("").Dir(name)); errors.Is(err, os.ErrNotExist) {
		known, listErr := w.names()
		none := &NoClusterError{Name: name, Known: known}
		return res, &Fail{Code: ExitFailure, Err: errors.Join(none, listErr), Hint: "crossring ls"}
	}
	unlock, err := w.lock(ctx, name)
	if err != nil {
		return res, err
	}
	defer unlock()
	if err := w.checkOwn(name); err != nil {
		return res, err
	}
	if c, openErr := w.open(name); openErr == nil {
		res.Collected = w.gather(ctx, c, which)
	}
	err = w.stage("take "+name+" down", func() error { return errors.Join(w.stopTunnelsOf(name), w.remove(ctx, name)) })
	res.Removed = err == nil
	return res, err
}

func (w World) remove(ctx context.Context, name string) error {
	p := w.provider("")
	inv, err := p.Inventory(name)
	if errors.Is(err, os.ErrNotExist) {
		// A command that died before it wrote the inventory had started nothing.
		if err := os.RemoveAll(p.Dir(name)); err != nil {
			return Leftover("removing "+p.Dir(name), err, "")
		}
		return nil
	}
	if err != nil {
		return err
	}
	place, err := places.For(inv.Plan.Provider, w.deps())
	if err != nil {
		return err
	}
	return place.Maker(release.Release{}, places.Software{}).Unmake(ctx, inv)
}

// checkName refuses what can't be a cluster's name, and so no directory of one.
func checkName(name string) error {
	if name == "" || name[0] == '.' || strings.ContainsRune(name, filepath.Separator) {
		return Usage("", fmt.Errorf("%q is not the name of a cluster", name), "crossring ls")
	}
	return nil
}
