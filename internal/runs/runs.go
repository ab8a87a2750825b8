// Package runs finds the runs that were made, and makes what they are compared by of them.
package runs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"crossring/internal/topology"
	"crossring/stress/results"
)

// Dir has the run directories of all clusters of a state directory.
func Dir(state string) string { return filepath.Join(state, "runs") }

// Path is that of a run, given as a path or as its name in dir.
func Path(dir, run string) string {
	if strings.ContainsRune(run, filepath.Separator) {
		return run
	}
	if _, err := os.Stat(run); errors.Is(err, fs.ErrNotExist) {
		return filepath.Join(dir, run)
	}
	return run
}

// Listing is all runs, oldest first.
type Listing struct {
	Schema string   `json:"schema"`
	Runs   []Listed `json:"runs"`
}

// Listed is one run.
type Listed struct {
	Name       string     `json:"name"`
	Path       string     `json:"path"`
	Cluster    string     `json:"cluster"`
	Version    string     `json:"cassandra_version"`
	Started    *time.Time `json:"started"`
	What       string     `json:"what"` // repro, write, read, write and read, nothing yet, or lag
	Rows       *int64     `json:"rows"` // attempted: null before there are results
	ValueBytes int        `json:"value_bytes"`
	WriteRate  *float64   `json:"write_per_second"`
	ReadRate   *float64   `json:"read_per_second"`
	Lost       *int64     `json:"lost"`
	// Interrupted is of any phase of it.
	Interrupted bool               `json:"interrupted"`
	Host        *topology.Computer `json:"host"`
	// Problem is why there is no more to say.
	Problem string `json:"problem,omitempty"`
}

// List lists the runs of a cluster, or with "" those of all. They are those on disk: the cluster
// may be gone. Figures are those that the run left; report makes them anew.
func List(dir, cluster string) (Listing, error) {
	l := Listing{Schema: topology.Schema, Runs: []Listed{}}
	all, err := filepath.Glob(filepath.Join(dir, "*", "meta.json"))
	if err != nil {
		return l, fmt.Errorf("listing runs: %w", err)
	}
	for _, meta := range all {
		path := filepath.Dir(meta)
		d, err := results.Open(path)
		switch {
		case err != nil && cluster == "":
			l.Runs = append(l.Runs, Listed{Name: filepath.Base(path), Path: path, Problem: err.Error()})
		case err == nil && (cluster == "" || d.Meta.Cluster == cluster):
			l.Runs = append(l.Runs, listed(d))
		}
	}
	kept, err := filepath.Glob(filepath.Join(dir, "*", LagFile))
	if err != nil {
		return l, fmt.Errorf("listing measurements of lag: %w", err)
	}
	for _, file := range kept {
		if m := listedLag(file); cluster == "" || m.Cluster == cluster {
			l.Runs = append(l.Runs, m)
		}
	}
	slices.SortStableFunc(l.Runs, func(a, b Listed) int {
		return when(a).Compare(when(b))
	})
	return l, nil
}

// listedLag is a measurement of lag, kept in a directory of its own.
func listedLag(file string) Listed {
	path := filepath.Dir(file)
	l := Listed{Name: filepath.Base(path), Path: path, What: WhatLag}
	var res struct {
		Cluster     string     `json:"cluster"`
		Version     string     `json:"cassandra_version"`
		Started     *time.Time `json:"started"`
		Interrupted bool       `json:"interrupted"`
		Writes      []struct {
			Rows int64 `json:"rows"`
		} `json:"writes"`
	}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &res)
	}
	if err != nil {
		l.Problem = fmt.Sprintf("reading its document: %v", err)
		return l
	}
	l.Cluster, l.Version, l.Started, l.Interrupted, l.Rows = res.Cluster, res.Version, res.Started, res.Interrupted, new(int64)
	for _, w := range res.Writes {
		*l.Rows += w.Rows
	}
	return l
}

// WhatLag is what a measurement of lag is listed as.
const WhatLag = "lag"

func when(l Listed) time.Time {
	if l.Started == nil {
		return time.Time{}
	}
	return *l.Started
}

func listed(d *results.Dir) Listed {
	l := Listed{
		Name: filepath.Base(d.Path), Path: d.Path, Cluster: d.Meta.Cluster, Version: d.Meta.CassandraVersion,
		ValueBytes: d.Meta.Stress.ValueBytes, Host: d.Meta.Host, What: "nothing yet",
	}
	if !d.Meta.Started.IsZero() {
		l.Started = &d.Meta.Started
	}
	data, err := os.ReadFile(filepath.Join(d.Path, "summary.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return l
	}
	var s results.Summary
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		l.Problem = fmt.Sprintf("reading its summary: %v", err)
		return l
	}
	var what []string
	if w := s.Write; w != nil {
		what = append(what, "write")
		l.Rows, l.WriteRate, l.Interrupted = &w.Rows, &w.OpsPerSec, w.Interrupted
	}
	if r := s.Read; r != nil {
		what = append(what, "read")
		if l.Rows == nil {
			l.Rows = &r.Rows
		}
		l.ReadRate, l.Interrupted = &r.OpsPerSec, l.Interrupted || r.Interrupted
	}
	if l.What = strings.Join(what, " and "); l.What == "" {
		l.What = "nothing yet"
	}
	if _, err := os.Stat(filepath.Join(d.Path, "report.json")); err == nil {
		l.What = "repro"
	}
	l.Lost = s.Lost
	return l
}
