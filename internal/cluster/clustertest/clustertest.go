// Package clustertest has worlds for tests of what works on clusters.
package clustertest

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/places"
	"crossring/internal/topology"
)

// Quiet is a world that says nothing to anybody.
func Quiet() cluster.World {
	return cluster.World{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Report: noReport{}, Say: func(string, ...any) {}, Now: time.Now}
}

type noReport struct{}

func (noReport) Stage(string) func(error)      { return func(error) {} }
func (noReport) Progress(int64, int64, string) {}

// Heard is a world that keeps what it says.
func Heard(state string) (cluster.World, func() []string) {
	var mu sync.Mutex
	var lines []string
	w := cluster.World{StateDir: state, Say: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, fmt.Sprintf(format, args...))
	}}
	return w, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), lines...)
	}
}

// At is a cluster of a provider.
func At(t *testing.T, provider string, inv topology.Inventory) cluster.Cluster {
	t.Helper()
	inv.Plan.Provider = provider
	place, err := places.For(provider, places.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	return cluster.Cluster{Inv: inv, Place: place}
}
