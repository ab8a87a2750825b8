package run

import (
	"context"
	"errors"
	"os"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/load"
	"crossring/internal/places"
	"crossring/internal/plain"
	"crossring/internal/release"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/internal/tunnels"
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
func Down(ctx context.Context, w cluster.World, name string, req DownRequest) (DownResult, error) {
	res := DownResult{Schema: topology.Schema, Name: name}
	if err := cluster.CheckName(name); err != nil {
		return res, err
	}
	if _, err := os.Lstat(state.Dir(w.StateDir, name)); errors.Is(err, os.ErrNotExist) {
		// Its directory may have been removed, and what runs for it not.
		if traces, err := w.Provider("").Traces(name); err != nil || !traces.Any() {
			known, listErr := w.Names()
			none := &cluster.NoClusterError{Name: name, Known: known}
			return res, &fail.Error{Code: fail.ExitFailure, Err: errors.Join(none, listErr, err), Hint: "crossring ls"}
		}
	}
	if c, err := w.Open(name); err == nil {
		if err := c.Place.NoServers(name, w.Command("detach", name)); err != nil {
			return res, err
		}
	}
	unlock, err := w.Lock(ctx, name)
	if err != nil {
		return res, err
	}
	defer unlock()
	if err := w.CheckOwn(name); err != nil && !lost(err) {
		return res, err
	}
	free, err := load.None(w, name, req.Loaded, plain.Command("crossring", "down", name, "--yes"))
	if err != nil {
		return res, err
	}
	defer free()
	if c, openErr := w.Open(name); openErr == nil {
		res.Collected = gather(ctx, w, c, req.Gather)
	}
	err = w.Stage("take "+name+" down", func() error { return errors.Join(tunnels.StopOf(w, name), remove(ctx, w, name)) })
	res.Removed = err == nil
	return res, err
}

func remove(ctx context.Context, w cluster.World, name string) error {
	inv, err := state.Inventory(w.StateDir, name)
	if lost(err) {
		return removeTraces(ctx, w, name, err)
	}
	if err != nil {
		return err
	}
	place, err := places.For(inv.Plan.Provider, w.Deps())
	if err != nil {
		return err
	}
	if err := place.Maker(release.Release{}, places.Software{}).Unmake(ctx, inv); err != nil {
		return err
	}
	// Of a state directory that was moved the inventory names the place that it was in.
	return removeDir(state.Dir(w.StateDir, name))
}
