package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"crossring/internal/places"
	"crossring/internal/plain"
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

// DownRequest says how a cluster is removed.
type DownRequest struct {
	// Gather says of which clusters logs are fetched before.
	Gather Gathering
	// Loaded removes it under a load that runs on it, too.
	Loaded bool
}

// Down removes a cluster, whole or half made, and everything of it but its run
// directories and what the request has it fetch before.
func (w World) Down(ctx context.Context, name string, req DownRequest) (DownResult, error) {
	res := DownResult{Schema: topology.Schema, Name: name}
	if err := checkName(name); err != nil {
		return res, err
	}
	if _, err := os.Lstat(w.provider("").Dir(name)); errors.Is(err, os.ErrNotExist) {
		// Its directory may have been removed, and what runs for it not.
		if traces, err := w.provider("").Traces(name); err != nil || !traces.Any() {
			known, listErr := w.names()
			none := &NoClusterError{Name: name, Known: known}
			return res, &Fail{Code: ExitFailure, Err: errors.Join(none, listErr, err), Hint: "crossring ls"}
		}
	}
	unlock, err := w.lock(ctx, name)
	if err != nil {
		return res, err
	}
	defer unlock()
	if err := w.checkOwn(name); err != nil && !lost(err) {
		return res, err
	}
	free, err := w.noLoad(name, req.Loaded, plain.Command("crossring", "down", name, "--yes"))
	if err != nil {
		return res, err
	}
	defer free()
	if c, openErr := w.open(name); openErr == nil {
		res.Collected = w.gather(ctx, c, req.Gather)
	}
	err = w.stage("take "+name+" down", func() error { return errors.Join(w.stopTunnelsOf(name), w.remove(ctx, name)) })
	res.Removed = err == nil
	return res, err
}

func (w World) remove(ctx context.Context, name string) error {
	inv, err := w.provider("").Inventory(name)
	if lost(err) {
		return w.removeTraces(ctx, name, err)
	}
	if err != nil {
		return err
	}
	place, err := places.For(inv.Plan.Provider, w.deps())
	if err != nil {
		return err
	}
	if err := place.Maker(release.Release{}, places.Software{}).Unmake(ctx, inv); err != nil {
		return err
	}
	// Of a state directory that was moved the inventory names the place that it was in.
	return removeDir(w.provider("").Dir(name))
}

// checkName refuses what can't be a cluster's name, and so no directory of one.
func checkName(name string) error {
	if name == "" || name[0] == '.' || strings.ContainsRune(name, filepath.Separator) {
		return Usage("", fmt.Errorf("%q is not the name of a cluster", name), "crossring ls")
	}
	return nil
}
