package stress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
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
	Stress    topology.Stress     `json:"stress"`
	Nodes     []topology.Node     `json:"nodes,omitempty"`
}

// Summary is what summary.json holds: the phases that there are.
type Summary struct {
	Schema string        `json:"schema"`
	Write  *WriteSummary `json:"write"`
	Read   *ReadSummary  `json:"read"`
}

// Dir is a run directory:
//
//	meta.json                  what was run
//	write.raw, read.raw        raw results; those of further loaders are write-NAME.raw
//	read.1.raw, …              raw results of reads that a later one took the place of
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
func (d *Dir) Write(ctx context.Context, cfg Config, progress func(Progress)) (WriteSummary, error) {
	cfg.Op, cfg.RunID = OpWrite, d.Meta.RunID
	err := d.run(ctx, cfg, progress)
	s, foldErr := d.Summary()
	if s.Write == nil {
		return WriteSummary{}, errors.Join(err, foldErr)
	}
	return *s.Write, errors.Join(err, foldErr, s.Write.Check())
}

// Read runs a read phase into the directory and sums it up, like Write. If the
// directory has the results of the write, the acknowledgements come from there.
func (d *Dir) Read(ctx context.Context, cfg Config, progress func(Progress)) (ReadSummary, error) {
	cfg.Op, cfg.RunID = OpRead, d.Meta.RunID
	if cfg.Acks == nil {
		acks, err := d.Acks()
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return ReadSummary{}, err
		}
		cfg.Acks = acks
	}
	err := d.run(ctx, cfg, progress)
	s, foldErr := d.Summary()
	if s.Read == nil {
		return ReadSummary{}, errors.Join(err, foldErr)
	}
	return *s.Read, errors.Join(err, foldErr, s.Read.Check())
}

// run makes the raw results and, from them, the other files.
func (d *Dir) run(ctx context.Context, cfg Config, progress func(Progress)) error {
	name := filepath.Join(d.Path, cfg.Op+".raw")
	if cfg.Op == OpRead {
		if err := setAside(name); err != nil {
			return fmt.Errorf("starting the read: %w", err)
		}
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("starting the %s: %w", cfg.Op, err)
	}
	err = Run(ctx, cfg, f, progress)
	if size, seekErr := f.Seek(0, io.SeekCurrent); err != nil && seekErr == nil && size == 0 {
		// Nothing was begun: leave the directory as it was.
		return errors.Join(err, f.Close(), os.Remove(name))
	}
	return errors.Join(err, f.Close(), d.Refresh())
}

// Has says whether the directory has raw results of a phase, whole or not.
func (d *Dir) Has(op string) bool { return exists(filepath.Join(d.Path, op+".raw")) }

// Add takes the raw results of a further loader into the directory. The name
// must be new.
func (d *Dir) Add(op, loader string, raw io.Reader) error {
	if loader == "" || loader != filepath.Base(loader) || op != OpWrite && op != OpRead {
		return fmt.Errorf("adding results: loader %q of a %q", loader, op)
	}
	f, err := os.OpenFile(filepath.Join(d.Path, op+"-"+loader+".raw"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("adding results of loader %s: %w", loader, err)
	}
	_, err = io.Copy(f, raw)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("adding results of loader %s: %w", loader, err)
	}
	return nil
}

// Acks loads what became of each write. An error matches fs.ErrNotExist if there
// are no results of a write.
func (d *Dir) Acks() (*Acks, error) {
	var acks *Acks
	err := d.with(OpWrite, func(raws []io.Reader) (err error) {
		acks, err = LoadAcks(raws...)
		return err
	})
	return acks, err
}

// Summary folds the raw results in the directory, whatever summary.json says.
func (d *Dir) Summary() (Summary, error) {
	s := Summary{Schema: schema}
	err := d.with(OpWrite, func(raws []io.Reader) error {
		w, err := FoldWrite(raws...)
		if err == nil {
			s.Write = &w
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return s, err
	}
	err = d.with(OpRead, func(raws []io.Reader) error {
		r, err := FoldRead(raws...)
		if err == nil {
			s.Read = &r
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return s, err
	}
	return s, nil
}

// Seconds gives the course of a phase over time.
func (d *Dir) Seconds(op string) ([]Second, error) {
	var secs []Second
	err := d.with(op, func(raws []io.Reader) (err error) {
		secs, err = Seconds(raws...)
		return err
	})
	return secs, err
}

// Refresh makes the histogram logs and summary.json anew from the raw results.
func (d *Dir) Refresh() error {
	for _, op := range []string{OpWrite, OpRead} {
		err := d.with(op, func(raws []io.Reader) error {
			return d.replace(op+".hdr", func(w io.Writer) error { return WriteHDR(w, raws...) })
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	s, err := d.Summary()
	if err != nil {
		return err
	}
	return d.replace(summaryFile, func(w io.Writer) error {
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

// with opens the raw results of all loaders of a phase.
func (d *Dir) with(op string, use func([]io.Reader) error) error {
	names, err := filepath.Glob(filepath.Join(globQuote(d.Path), op+"-*.raw"))
	if err != nil {
		return fmt.Errorf("listing run directory %s: %w", d.Path, err)
	}
	sort.Strings(names)
	if own := filepath.Join(d.Path, op+".raw"); exists(own) {
		names = append([]string{own}, names...)
	}
	if len(names) == 0 {
		return fmt.Errorf("run directory %s: no results of a %s: %w", d.Path, op, os.ErrNotExist)
	}
	var raws []io.Reader
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("reading results: %w", err)
		}
		defer f.Close()
		raws = append(raws, f)
	}
	if err := use(raws); err != nil {
		return fmt.Errorf("run directory %s: %w", d.Path, err)
	}
	return nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// globQuote keeps the characters of a path from being taken for a pattern.
func globQuote(path string) string {
	out := make([]byte, 0, len(path))
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			out = append(out, '\\')
		}
		out = append(out, path[i])
	}
	return string(out)
}

// Split divides rows keys from first on into ranges for loaders, equal but for
// one row. Loaders that would get no rows are left out.
func Split(first, rows int64, loaders int) []Range {
	var out []Range
	n := int64(max(loaders, 1))
	for i := range n {
		size := rows / n
		if i < rows%n {
			size++
		}
		if size > 0 {
			out = append(out, Range{First: first, Rows: size})
			first += size
		}
	}
	return out
}

// Range is a range of keys.
type Range struct{ First, Rows int64 }

// setAside gives the results of an earlier read a name that is not summed up.
func setAside(name string) error {
	if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for i := 1; ; i++ {
		aside := fmt.Sprintf("%s.%d.raw", strings.TrimSuffix(name, ".raw"), i)
		// A link fails where the name is taken; a rename would replace it.
		err := os.Link(name, aside)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		return os.Remove(name)
	}
}
