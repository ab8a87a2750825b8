package ec2

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"crossring/internal/fail"
	"crossring/internal/journal"
	"crossring/internal/plain"
	clusters "crossring/internal/state"
	"crossring/internal/topology"
)

// LeavesTraces says whether a cluster's directory has what only a cluster on EC2 leaves.
func (p Provider) LeavesTraces(name string) bool {
	return slices.ContainsFunc([]string{stateFile, journalFile, keyFile}, func(file string) bool {
		_, err := os.Lstat(filepath.Join(clusters.Dir(p.StateDir, name), file))
		return err == nil
	})
}

// NamesakeError says that there are clusters of that name on EC2 of which nothing here
// proves that they are this one.
type NamesakeError struct {
	Name  string
	Found []Listed
}

func (e *NamesakeError) Error() string {
	var all []string
	for _, l := range e.Found {
		all = append(all, fmt.Sprintf("run %s of %s (%s in %s)", l.Run, l.Owner, plain.Count(l.Nodes, "instance"), strings.Join(l.Regions, ", ")))
	}
	return fmt.Sprintf("tags in EC2 tell of a cluster %s, and what would say whether it is this one is lost: %s", e.Name, strings.Join(all, "; "))
}

// ExitCode is that of something left behind.
func (e *NamesakeError) ExitCode() int { return fail.ExitLeftover }

// Hint is the command that shows whose it is, asks, and removes it.
func (e *NamesakeError) Hint() string { return "crossring down " + e.Name + " --ec2" }

// UnmakeTraces is Unmake for a cluster whose inventory is lost: by its state, or else by
// its journal, as far as that can be read, and by tags. It removes nothing of the
// directory before it has looked at EC2.
func (p Provider) UnmakeTraces(ctx context.Context, name string) error {
	st, err := p.readState(name)
	var damaged *journal.DamagedError
	switch {
	case err == nil:
		return p.Unmake(ctx, p.inventoryOf(st))
	case !errors.Is(err, fs.ErrNotExist) && !errors.As(err, &damaged):
		return err
	}
	known, err := p.recollect(name)
	if err != nil {
		return err
	}
	all, err := p.List(ctx)
	if err != nil {
		return err
	}
	namesakes := &NamesakeError{Name: name}
	for _, l := range all {
		switch {
		case known.has(l):
			known.run = l.Run
			for _, region := range l.Regions {
				known.regions[region] = true
			}
		case l.Name == name:
			namesakes.Found = append(namesakes.Found, l)
		}
	}
	if known.run != "" {
		inv := topology.Inventory{Plan: topology.Plan{Name: name, Provider: "ec2", EC2: &topology.EC2Plan{}}, EC2: &topology.EC2{Run: known.run}}
		for region := range known.regions {
			inv.Plan.Nodes = append(inv.Plan.Nodes, topology.Node{Region: region})
		}
		return p.Unmake(ctx, inv)
	}
	if len(namesakes.Found) > 0 {
		return namesakes
	}
	return nil
}

// recollection is what the lines of a journal tell that can be read.
type recollection struct {
	run     string
	regions map[string]bool
	made    map[string]bool // ids
}

func (r recollection) has(l Listed) bool {
	return l.Run == r.run || slices.ContainsFunc(l.Things, func(t Thing) bool { return r.made[t.ID] })
}

func (p Provider) recollect(name string) (recollection, error) {
	r := recollection{regions: map[string]bool{}, made: map[string]bool{}}
	path := filepath.Join(clusters.Dir(p.StateDir, name), journalFile)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("read the journal of %s: %w", name, err)
	}
	defer f.Close()
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		var e journal.Entry
		var data struct {
			ID   string            `json:"id"`
			Tags map[string]string `json:"tags"`
		}
		if json.Unmarshal(line, &e) == nil {
			if newer := journal.CheckSchema(path, e.Schema); journal.IsNewer(newer) {
				return r, newer
			}
			if region, _, ok := strings.Cut(e.ID, "/"); ok && e.Schema == topology.Schema {
				r.regions[region] = true
			}
			// What does not tell is passed over.
			if json.Unmarshal(e.Data, &data) == nil && data.ID != "" {
				r.made[data.ID] = true
			}
			if run := data.Tags[TagRun]; run != "" {
				r.run = run
			}
		}
		if err != nil {
			return r, nil // the end, or as far as it can be read
		}
	}
}

// setAside puts a journal that can't be read out of the way. What was made is then known
// by its tags alone.
func (p Provider) setAside(name string, why error) error {
	path := filepath.Join(clusters.Dir(p.StateDir, name), journalFile)
	p.Say("warning: %v; what was made is found by its tags", why)
	if err := os.Rename(path, path+".damaged"); err != nil {
		return fmt.Errorf("set the journal of %s aside: %w", name, err)
	}
	return nil
}
