package load

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/journal"
	"crossring/internal/safely"
	"crossring/internal/topology"
)

// runFaultsFile, in a run's directory, says which faults of the network were in force
// while its phases ran.
const runFaultsFile = "faults.json"

// runFaults is that file.
type runFaults struct {
	Schema string `json:"schema"`
	// Phases are those that were looked after.
	Phases []runPhase `json:"phases"`
	// Faults were in force during one of them. null: what they were can't be known.
	Faults []topology.NetworkFault `json:"faults"`
}

type runPhase struct {
	Op    string     `json:"op"` // write or read
	Since time.Time  `json:"since"`
	Until *time.Time `json:"until"` // null of one that is under way, or was killed
}

// WatchFaults notes which faults are in force in the directory of a run, until the
// function that it returns is called. Only crossring's own network has any.
func WatchFaults(w cluster.World, c cluster.Cluster, dir, op string) (done func()) {
	if c.Place.Network == nil {
		return func() {}
	}
	since := w.Now().UTC()
	note := func(until *time.Time) {
		if err := noteFaults(w, c, dir, runPhase{Op: op, Since: since, Until: until}); err != nil {
			w.Say("warning: which faults of the network were in force is not noted with the run: %v", err)
		}
	}
	note(nil)
	return func() {
		until := w.Now().UTC()
		note(&until)
	}
}

func noteFaults(w cluster.World, c cluster.Cluster, dir string, phase runPhase) error {
	path := filepath.Join(dir, runFaultsFile)
	doc, err := ReadRunFaults(dir)
	if err != nil {
		return err
	}
	if doc == nil {
		doc = &runFaults{Schema: topology.Schema}
	}
	if n := len(doc.Phases); n > 0 && doc.Phases[n-1].Op == phase.Op && doc.Phases[n-1].Since.Equal(phase.Since) {
		doc.Phases = doc.Phases[:n-1]
	}
	doc.Phases = append(doc.Phases, phase)
	all, err := w.Provider("").Faults(c.Inv.Plan.Name)
	if err != nil {
		doc.Faults = nil
		return errors.Join(err, safely.JSON(path, doc, 0o644))
	}
	doc.Faults = []topology.NetworkFault{}
	now := w.Now().UTC()
	for _, f := range all {
		for _, p := range doc.Phases {
			until := now
			if p.Until != nil {
				until = *p.Until
			}
			// A moment later than it ended: what began right then is not left out.
			if f.During(p.Since, until.Add(time.Nanosecond)) {
				doc.Faults = append(doc.Faults, f)
				break
			}
		}
	}
	return safely.JSON(path, doc, 0o644)
}

// ReadRunFaults reads what a run noted; nil of one that noted nothing.
func ReadRunFaults(dir string) (*runFaults, error) {
	var doc runFaults
	err := journal.ReadJSON(filepath.Join(dir, runFaultsFile), &doc)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the faults of a run: %w", err)
	}
	return &doc, nil
}

// FaultsOfRun are those of a run's directory, for its report: nil where they can't be
// known.
func FaultsOfRun(w cluster.World, dir string) []topology.NetworkFault {
	doc, err := ReadRunFaults(dir)
	if err != nil {
		w.Say("warning: %v", err)
	}
	if doc == nil {
		return nil
	}
	return doc.Faults
}
