package stress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"crossring/internal/topology"
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

// CreateDir makes a run directory. One that exists already, with a run in it, is
// left alone and gives an error that matches fs.ErrExist.
func CreateDir(path string, m Meta) (*Dir, error) {
	m.Schema = schema
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

// OpenDir opens a run directory.
func OpenDir(path string) (*Dir, error) {
	doc, err := os.ReadFile(filepath.Join(path, metaFile))
	if err != nil {
		return nil, fmt.Errorf("opening run directory: %w", err)
	}
	d := &Dir{Path: path}
	if err := json.Unmarshal(doc, &d.Meta); err != nil {
		return nil, fmt.Errorf("opening run directory: %s: %w", filepath.Join(path, metaFile), err)
	}
	if d.Meta.Schema != schema {
		return nil, fmt.Errorf("opening run directory: %s has schema %q, not %q", filepath.Join(path, metaFile), d.Meta.Schema, schema)
	}
	return d, nil
}

// Write runs a write phase into the directory and sums it up. A summary comes
// with an error too, as far as there are results.
func (d *Dir) Write(ctx context.Context, cfg Config, progress func(Progress)) (Summary, error) {
	cfg.Op, cfg.RunID = OpWrite, d.Meta.RunID
	s, err := d.run(ctx, cfg, progress)
	if s.Write != nil {
		err = errors.Join(err, s.Write.Check())
	}
	return s, err
}

// Read runs a read phase into the directory and sums it up, like Write. If the
// directory has the results of the write, the acknowledgements come from there.
func (d *Dir) Read(ctx context.Context, cfg Config, progress func(Progress)) (Summary, error) {
	cfg.Op, cfg.RunID = OpRead, d.Meta.RunID
	if cfg.Acks == nil {
		acks, err := d.Acks(ctx)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return Summary{}, err
		}
		cfg.Acks = acks
	}
	s, err := d.run(ctx, cfg, progress)
	if s.Read != nil {
		err = errors.Join(err, s.Read.Check())
	}
	return s, err
}

// run makes the raw results and, from them, the other files.
func (d *Dir) run(ctx context.Context, cfg Config, progress func(Progress)) (Summary, error) {
	g, err := d.Begin(cfg.Op)
	if err != nil {
		return Summary{}, err
	}
	f, err := os.OpenFile(g.file(""), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return Summary{}, errors.Join(fmt.Errorf("starting the %s: %w", cfg.Op, err), g.Close())
	}
	err = Run(ctx, cfg, f, progress)
	size, seekErr := f.Seek(0, io.SeekCurrent)
	err = errors.Join(err, f.Close(), g.Close())
	if err != nil && seekErr == nil && size == 0 {
		return Summary{}, err // nothing was begun
	}
	s, refreshErr := d.Refresh(context.WithoutCancel(ctx)) // what was recorded is summed up, also after a Ctrl-C
	return s, errors.Join(err, refreshErr)
}

// Acks loads what became of each write. An error matches fs.ErrNotExist if there
// are no results of a write.
func (d *Dir) Acks(ctx context.Context) (*Acks, error) {
	var acks *Acks
	err := d.with(ctx, OpWrite, func(raws []io.Reader) (err error) {
		acks, err = LoadAcks(raws...)
		return err
	})
	return acks, err
}

// Summary folds the raw results in the directory, whatever summary.json says.
func (d *Dir) Summary(ctx context.Context) (Summary, error) {
	s := Summary{Schema: schema}
	folds := map[string]*fold{}
	for _, op := range []string{OpWrite, OpRead} {
		err := d.with(ctx, op, func(raws []io.Reader) (err error) {
			folds[op], err = foldAll(op, raws)
			return err
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return s, err
		}
	}
	write, read := folds[OpWrite], folds[OpRead]
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
	for _, op := range []string{OpWrite, OpRead} {
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
	f, err := os.CreateTemp(d.Path, name+".*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	err = errors.Join(write(f), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(d.Path, name))
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, errors.Join(err, os.Remove(f.Name())))
	}
	return nil
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
	all, err := d.Results(op)
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
