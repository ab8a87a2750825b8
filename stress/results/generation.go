package results

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"crossring/stress/record"
)

// Generation is the raw results of one phase while it runs: a file for each
// loader. A write's are in the run directory itself, since a run is written once;
// each read has a directory of its own. So the results of a read are put in the
// place of an earlier one's as a whole, whoever is killed when.
type Generation struct {
	op  string
	dir string
	own bool // the directory is its own
}

// Begin makes room for the results of a phase. A second write gives an error that
// matches fs.ErrExist.
func (d *Dir) Begin(op string) (*Generation, error) {
	switch op {
	case record.OpWrite:
		if d.Has(op) {
			return nil, fmt.Errorf("starting the write: run directory %s has one already: %w", d.Path, os.ErrExist)
		}
		return &Generation{op: op, dir: d.Path}, nil
	case record.OpRead:
		made, err := d.reads()
		if err != nil {
			return nil, err
		}
		n := 1
		if len(made) > 0 {
			n = made[len(made)-1] + 1
		}
		g := &Generation{op: op, dir: d.readDir(n), own: true}
		if err := os.Mkdir(g.dir, 0o755); err != nil {
			return nil, fmt.Errorf("starting the read: %w", err)
		}
		return g, nil
	}
	return nil, fmt.Errorf("starting a phase: there is no operation %q", op)
}

// file is where a loader's results are; "" is this process.
func (g *Generation) file(loader string) string {
	if loader == "" {
		return filepath.Join(g.dir, g.op+".raw")
	}
	return filepath.Join(g.dir, g.op+"-"+loader+".raw")
}

// Create makes the file of this process's own results.
func (g *Generation) Create() (*os.File, error) {
	f, err := os.OpenFile(g.file(""), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("starting the %s: %w", g.op, err)
	}
	return f, nil
}

// Add takes the raw results of a loader. The name must be new.
func (g *Generation) Add(loader string, raw io.Reader) error {
	if loader == "" || loader != filepath.Base(loader) {
		return fmt.Errorf("adding results: loader %q of a %q", loader, g.op)
	}
	f, err := os.OpenFile(g.file(loader), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("adding results of loader %s: %w", loader, err)
	}
	_, err = io.Copy(f, raw)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("adding results of loader %s: %w", loader, err)
	}
	return nil
}

// Close forgets what never began: files with nothing in them, and the directory
// of a read that has no other.
func (g *Generation) Close() error {
	names, err := rawFiles(g.dir, g.op)
	if err != nil {
		return err
	}
	var all error
	kept := 0
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.Size() == 0 {
			all = errors.Join(all, os.Remove(name))
		} else {
			kept++
		}
	}
	if g.own && kept == 0 {
		all = errors.Join(all, os.Remove(g.dir))
	}
	return all
}

// File is the raw results of one loader.
type File struct {
	Loader string // name of its node; "" is the process that made the run
	Path   string
}

// Files lists those of a phase: of a read, those of the newest.
func (d *Dir) Files(op string) ([]File, error) {
	dir := d.Path
	if op == record.OpRead {
		made, err := d.reads()
		if err != nil {
			return nil, err
		}
		for _, n := range slices.Backward(made) {
			names, err := rawFiles(d.readDir(n), op)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(names, hasBytes) {
				dir = d.readDir(n)
				break
			}
		}
	}
	names, err := rawFiles(dir, op)
	if err != nil {
		return nil, err
	}
	var out []File
	for _, name := range names {
		if !hasBytes(name) {
			continue // killed before it began
		}
		loader := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), op), ".raw")
		out = append(out, File{Loader: strings.TrimPrefix(loader, "-"), Path: name})
	}
	return out, nil
}

// Has says whether a phase has begun here, whatever is on record of it.
func (d *Dir) Has(op string) bool {
	names, err := rawFiles(d.Path, op)
	made, readErr := []int(nil), error(nil)
	if op == record.OpRead {
		made, readErr = d.reads()
	}
	return err != nil || readErr != nil || len(names)+len(made) > 0
}

// reads are the numbers of the reads that have directories, ascending.
func (d *Dir) reads() ([]int, error) {
	all, err := os.ReadDir(d.Path)
	if err != nil {
		return nil, fmt.Errorf("listing run directory: %w", err)
	}
	var made []int
	for _, e := range all {
		text, ok := strings.CutPrefix(e.Name(), record.OpRead+".")
		if n, err := strconv.Atoi(text); ok && err == nil && n > 0 && e.IsDir() {
			made = append(made, n)
		}
	}
	slices.Sort(made)
	return made, nil
}

func (d *Dir) readDir(n int) string {
	return filepath.Join(d.Path, record.OpRead+"."+strconv.Itoa(n))
}

// rawFiles lists the results of an operation in a directory, those of this
// process first.
func rawFiles(dir, op string) ([]string, error) {
	all, err := os.ReadDir(dir) // in order
	if err != nil {
		return nil, fmt.Errorf("listing results: %w", err)
	}
	var names []string
	for _, e := range all {
		if e.IsDir() {
			continue
		}
		switch name := e.Name(); {
		case name == op+".raw":
			names = slices.Insert(names, 0, filepath.Join(dir, name))
		case strings.HasPrefix(name, op+"-") && strings.HasSuffix(name, ".raw"):
			names = append(names, filepath.Join(dir, name))
		}
	}
	return names, nil
}

func hasBytes(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Size() > 0
}
