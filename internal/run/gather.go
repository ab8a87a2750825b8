package run

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/deploy/prepare"
	"crossring/internal/plain"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// Gathering says of which clusters logs and configuration are fetched before they
// are taken down, or when up failed.
type Gathering int

// Values of Gathering.
const (
	GatherRemote Gathering = iota // of those on machines of their own
	GatherNever
	GatherAlways
)

// Evidence is what was fetched of a cluster.
type Evidence struct {
	Dir     string   `json:"dir"`
	Nodes   []string `json:"nodes"`   // that something was fetched of
	Missing []string `json:"missing"` // that did not answer in time
}

// gatherMost bounds all of it: a machine that does not answer must not keep anybody
// from taking the others down.
const gatherMost = time.Minute

// gatherBytes is the most that is taken of one directory of a node, unpacked.
const gatherBytes = 256 << 20

// gather fetches logs, configuration and a machine's facts of every node, and the
// ring as it is seen now, into a directory that survives down. What can't be had is
// said and noted, and is no error. nil is that there was nothing to ask for.
func gather(ctx context.Context, w cluster.World, c cluster.Cluster, which Gathering) *Evidence {
	nodes := c.Inv.Nodes
	if c.Remote() {
		nodes = slices.DeleteFunc(slices.Clone(nodes), func(n topology.Node) bool { return n.Host == nil || n.Host.Address == "" })
	}
	if which == GatherNever || which == GatherRemote && !c.Remote() || len(nodes) == 0 || ctx.Err() != nil {
		return nil
	}
	name := c.Inv.Plan.Name
	e := &Evidence{Nodes: []string{}, Missing: []string{}}
	e.Dir = filepath.Join(w.StateDir, "collected", name+"-"+w.Now().UTC().Format("20060102T150405.000Z"))
	if err := os.MkdirAll(e.Dir, 0o700); err != nil {
		w.Say("warning: logs of %s are not collected: %v", name, err)
		return nil
	}
	err := w.Stage("collect logs and configuration of "+plain.Count(len(nodes), "node"), func() error {
		gatherInto(ctx, w, c, nodes, e)
		return nil
	})
	if err == nil {
		w.Say("logs and configuration are in %s", e.Dir)
	}
	return e
}

func gatherInto(ctx context.Context, w cluster.World, c cluster.Cluster, nodes []topology.Node, e *Evidence) {
	ctx, cancel := context.WithTimeoutCause(ctx, gatherMost, fmt.Errorf("not within %s: %w", gatherMost, context.DeadlineExceeded))
	defer cancel()
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() { errs[i] = gatherNode(ctx, w, c, n, filepath.Join(e.Dir, n.Name)) })
	}
	wg.Go(func() { gatherRing(ctx, w, c, e.Dir) })
	wg.Wait()
	for i, err := range errs {
		if err == nil {
			e.Nodes = append(e.Nodes, nodes[i].Name)
			continue
		}
		e.Missing = append(e.Missing, nodes[i].Name)
		w.Say("warning: not all of %s was collected: %v", nodes[i].Name, err)
		noteInto(filepath.Join(e.Dir, nodes[i].Name, "missing.txt"), err.Error())
	}
}

// noteInto leaves a line where something could not be had. That it can't be left
// either was said in other words already.
func noteInto(path, text string) {
	if os.MkdirAll(filepath.Dir(path), 0o700) == nil {
		_ = os.WriteFile(path, []byte(text+"\n"), 0o600)
	}
}

// gatherRing writes down the ring as its nodes see it now.
func gatherRing(ctx context.Context, w cluster.World, c cluster.Cluster, dir string) {
	const most = 20 * time.Second
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	ring, err := ringcheck.Collect(ctx, cluster.Query(w, c))
	if err != nil {
		noteInto(filepath.Join(dir, "ring.txt"), "the ring could not be asked: "+err.Error())
		return
	}
	data, err := json.MarshalIndent(ring, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "ring.json"), append(data, '\n'), 0o600)
	}
	if err != nil {
		w.Say("warning: the ring is not collected: %v", err)
	}
}

func gatherNode(ctx context.Context, w cluster.World, c cluster.Cluster, n topology.Node, dir string) error {
	parts := []struct {
		from, to string
		file     func(name string, data io.Reader) (io.Reader, error) // nil takes all as it is
	}{{n.Layout.Conf, "conf", withoutSecrets}, {n.Layout.Log, "log", nil}}
	var errs []error
	for _, p := range parts {
		to := filepath.Join(dir, p.to)
		if err := os.MkdirAll(to, 0o700); err != nil {
			return fmt.Errorf("collect from %s: %w", n.Name, err)
		}
		if !c.Remote() {
			errs = append(errs, copyFiles(p.from, to, p.file))
			continue
		}
		m, err := c.Machine(n)
		if err == nil {
			var archive string
			if archive, err = prepare.Archive(ctx, m, n, p.from); err == nil {
				err = unpackFiles(strings.NewReader(archive), to, p.file)
			}
		}
		if err != nil {
			return err // what was not reached for one is not reached for the other
		}
	}
	if c.Remote() {
		m, err := c.Machine(n)
		if err == nil {
			var facts string
			if facts, err = prepare.Describe(ctx, m, n); err == nil {
				err = os.WriteFile(filepath.Join(dir, "machine.txt"), []byte(facts), 0o600)
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// confFiles are the kinds of configuration that are taken along. Keys and key stores
// stay where they are.
var confFiles = []string{".yaml", ".properties", ".options", ".xml", ".service"}

// secrets find passwords in configuration files: as the value of a line, which is all
// of the rest, and within a line, as {keystore_password: "x"} has it.
var secrets = []*regexp.Regexp{
	regexp.MustCompile(`(?im)^(\s*(?:-\s+|-D)?[\w.]*pass(?:word|phrase)?\s*[:=]\s*)\S.*$`),
	regexp.MustCompile(`(?i)([\w.]*pass(?:word|phrase)?["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\n,}]+)`),
}

// withoutSecrets is a file of the configuration as it may be kept: nil for one that
// may not.
func withoutSecrets(name string, data io.Reader) (io.Reader, error) {
	if !slices.Contains(confFiles, filepath.Ext(name)) {
		return nil, nil
	}
	text, err := io.ReadAll(data)
	if err != nil {
		return nil, err
	}
	for _, s := range secrets {
		text = s.ReplaceAll(text, []byte("$1(not collected)"))
	}
	return bytes.NewReader(text), nil
}

// unpackFiles writes the files of a gzipped tar archive into a directory, by their
// last names.
func unpackFiles(r io.Reader, dir string, file func(string, io.Reader) (io.Reader, error)) error {
	z, err := gzip.NewReader(r)
	if errors.Is(err, io.EOF) {
		return nil // there was nothing
	}
	if err != nil {
		return fmt.Errorf("unpack what was collected: %w", err)
	}
	t := tar.NewReader(io.LimitReader(z, gatherBytes))
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unpack what was collected: %w", err)
		}
		if h.Typeflag == tar.TypeReg {
			if err := takeFile(dir, h.Name, t, file); err != nil {
				return err
			}
		}
	}
}

// copyFiles is unpackFiles for a directory of this computer. One that is not there
// has no files.
func copyFiles(from, to string, file func(string, io.Reader) (io.Reader, error)) error {
	entries, err := os.ReadDir(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("collect: %w", err)
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		f, err := os.Open(filepath.Join(from, entry.Name()))
		if err != nil {
			return fmt.Errorf("collect: %w", err)
		}
		err = takeFile(to, entry.Name(), io.LimitReader(f, gatherBytes), file)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func takeFile(dir, name string, data io.Reader, file func(string, io.Reader) (io.Reader, error)) error {
	name = filepath.Base(filepath.Clean("/" + name))
	if file != nil {
		var err error
		if data, err = file(name, data); err != nil || data == nil {
			return err
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("collect %s: %w", name, err)
	}
	_, err = io.Copy(f, data)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("collect %s: %w", name, err)
	}
	return nil
}
