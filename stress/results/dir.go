// Package results is the directory of a run and what is folded from the raw results in
// it: the summaries, the course over time, and the ledger that holds each key's read
// against its write. It can do so again years later, and needs no cluster.
package results

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"crossring/internal/safely"
	"crossring/internal/topology"
	"crossring/stress/record"
)

// Meta says what a run directory is about.
type Meta struct {
	Schema           string    `json:"schema"`
	RunID            uint64    `json:"run_id,string"`
	Started          time.Time `json:"started"`
	Cluster          string    `json:"cluster"`
	CassandraVersion string    `json:"cassandra_version"`
	Crossring        string    `json:"crossring"` // version of this program
	// Endpoints are the broadcast addresses by datacenter.
	Endpoints map[string][]string `json:"endpoints"`
	Keyspace  topology.Keyspace   `json:"keyspace"`
	// FirstKey is where the keys of the run begin; 0 in runs of before each had its own.
	FirstKey int64           `json:"first_key,string,omitempty"`
	Stress   topology.Stress `json:"stress"`
	Nodes    []topology.Node `json:"nodes,omitempty"`
	// Host is the computer that the run was made from; nil in runs of before it was noted.
	Host *topology.Computer `json:"host,omitempty"`
}

// Summary is what summary.json holds: the phases that there are, and what became
// of the rows.
type Summary struct {
	Schema string        `json:"schema"`
	Write  *WriteSummary `json:"write"`
	Read   *ReadSummary  `json:"read"`
	Account
}

// Dir is a run directory:
//
//	meta.json                  what was run
//	write.raw                  raw results of the write; those of loaders are write-NAME.raw
//	read.1/, read.2/, …        each read's, read.raw or read-NAME.raw; the newest is what counts
//	write.hdr, read.hdr        histogram logs, made from them
//	summary.json               the summaries, made from them
type Dir struct {
	Path string
	Meta Meta
}

const (
	metaFile    = "meta.json"
	summaryFile = "summary.json"
)

// Create makes a run directory. One that exists already, with a run in it, is
// left alone and gives an error that matches fs.ErrExist.
func Create(path string, m Meta) (*Dir, error) {
	m.Schema = topology.Schema
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("creating run directory: %w", err)
	}
	doc, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("creating run directory %s: %w", path, err)
	}
	f, err := os.OpenFile(filepath.Join(path, metaFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating run directory: %w", err)
	}
	_, err = f.Write(append(doc, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("creating run directory: %w", err)
	}
	return &Dir{Path: path, Meta: m}, nil
}

// Open opens a run directory.
func Open(path string) (*Dir, error) {
	doc, err := os.ReadFile(filepath.Join(path, metaFile))
	if err != nil {
		return nil, fmt.Errorf("opening run directory: %w", err)
	}
	d := &Dir{Path: path}
	if err := json.Unmarshal(doc, &d.Meta); err != nil {
		return nil, fmt.Errorf("opening run directory: %s: %w", filepath.Join(path, metaFile), err)
	}
	if d.Meta.Schema != topology.Schema {
		return nil, fmt.Errorf("opening run directory: %s has schema %q, not %q", filepath.Join(path, metaFile), d.Meta.Schema, topology.Schema)
	}
	return d, nil
}

// Acks loads what became of each write. An error matches fs.ErrNotExist if there
// are no results of a write.
func (d *Dir) Acks(ctx context.Context) (*record.Acks, error) {
	var acks *record.Acks
	err := d.with(ctx, record.OpWrite, func(raws []io.Reader) (err error) {
		acks, err = record.LoadAcks(raws...)
		return err
	})
	return acks, err
}

// Summary folds the raw results in the directory, whatever summary.json says.
func (d *Dir) Summary(ctx context.Context) (Summary, error) {
	s := Summary{Schema: topology.Schema}
	folds := map[string]*fold{}
	for _, op := range []string{record.OpWrite, record.OpRead} {
		err := d.with(ctx, op, func(raws []io.Reader) (err error) {
			folds[op], err = foldAll(op, raws)
			return err
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return s, err
		}
	}
	write, read := folds[record.OpWrite], folds[record.OpRead]
	if read != nil {
		r := read.read()
		s.Read = &r
	}
	if write == nil {
		return s, nil
	}
	w := write.write()
	s.Write = &w
	var seen *ledger
	if read != nil {
		seen = &read.rows
	}
	outcomes, lost, strangers := account(&write.rows, seen)
	s.Outcomes = &outcomes
	if read == nil {
		return s, nil
	}
	// What follows the damage may have been acknowledged and lost, too.
	if !w.Damaged && !s.Read.Damaged {
		s.Lost = &lost
	}
	s.Read.MissingAcknowledged = s.Lost
	if strangers > 0 {
		s.Read.Warnings = append(s.Read.Warnings, fmt.Sprintf("%d of the rows that were read are not on record as written", strangers))
	}
	return s, nil
}

// Seconds gives the course of a phase over time.
func (d *Dir) Seconds(ctx context.Context, op string) ([]Second, error) {
	var secs []Second
	err := d.with(ctx, op, func(raws []io.Reader) (err error) {
		secs, err = Seconds(raws...)
		return err
	})
	return secs, err
}

// Refresh makes the histogram logs and summary.json anew from the raw results.
func (d *Dir) Refresh(ctx context.Context) (Summary, error) {
	for _, op := range []string{record.OpWrite, record.OpRead} {
		err := d.with(ctx, op, func(raws []io.Reader) error {
			return d.replace(op+".hdr", func(w io.Writer) error { return WriteHDR(w, raws...) })
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return Summary{}, err
		}
	}
	s, err := d.Summary(ctx)
	if err != nil {
		return s, err
	}
	return s, d.replace(summaryFile, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	})
}

// replace writes a file under another name first, so that it is whole or absent.
func (d *Dir) replace(name string, write func(io.Writer) error) error {
	return safely.Stream(filepath.Join(d.Path, name), 0o644, write)
}

// until is a reader that ends, with the cause, when ctx does. A hundred million records
// take a minute to sum up, and somebody may not want to wait for it.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(p)
}

// with opens the raw results of all loaders of a phase, to be read until ctx ends.
func (d *Dir) with(ctx context.Context, op string, use func([]io.Reader) error) error {
	all, err := d.Files(op)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("run directory %s: no results of a %s: %w", d.Path, op, os.ErrNotExist)
	}
	var raws []io.Reader
	for _, r := range all {
		f, err := os.Open(r.Path)
		if err != nil {
			return fmt.Errorf("reading results: %w", err)
		}
		defer f.Close()
		raws = append(raws, until{ctx, f})
	}
	if err := use(raws); err != nil {
		return fmt.Errorf("run directory %s: %w", d.Path, err)
	}
	return nil
}
