package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"crossring/internal/bundle"
	"crossring/internal/cluster"
	"crossring/internal/lag"
	"crossring/internal/report"
	"crossring/internal/runs"
	"crossring/internal/topology"
	"crossring/stress/results"
)

// Bundled is an archive of a run.
type Bundled struct {
	Name  string    // of its one directory
	At    time.Time // that all files have
	Files []bundle.File
}

// Bundle gathers what there is of a run, the report and the seconds of its phases with it. An
// anonymous one is without addresses, without the names of cluster, computer and home, and without
// paths; so it has no raw results, which name coordinators.
func Bundle(ctx context.Context, w cluster.World, path string, anonymous bool) (Bundled, error) {
	res, is, err := LagReport(path)
	if err != nil {
		return Bundled{}, err
	}
	if is {
		return bundleLag(res, path, anonymous)
	}
	doc, course, err := RunReport(ctx, w, path)
	if err != nil {
		return Bundled{}, err
	}
	dir, err := results.Open(path)
	if err != nil {
		return Bundled{}, err
	}
	b := Bundled{Name: filepath.Base(path), At: dir.Meta.Started}
	var csv bytes.Buffer
	if _, err := runs.Export(ctx, dir, runs.PerSecond, "csv", &csv); err != nil {
		return b, err
	}
	names := map[string]string{dir.Meta.Cluster: "cluster"}
	if dir.Meta.Host != nil {
		names[dir.Meta.Host.Name] = "computer"
	}
	mask := newMask(anonymous, names)
	b.Name = mask.text(b.Name)
	shown, err := document(&b, reportFile, doc, mask)
	if err != nil {
		return b, err
	}
	shown.Endpoints, shown.Replication = mask.endpoints(doc.Endpoints), doc.Replication // which are no part of it
	var page bytes.Buffer
	if err := report.HTML(&page, shown, course); err != nil {
		return b, err
	}
	b.Files = append(b.Files, bundle.File{Name: pageFile, Data: page.Bytes()}, bundle.File{Name: "seconds.csv", Data: csv.Bytes()})
	return b, b.rest(path, mask)
}

func bundleLag(res lag.Result, path string, anonymous bool) (Bundled, error) {
	b := Bundled{Name: filepath.Base(path)}
	if res.Started != nil {
		b.At = *res.Started
	}
	mask := newMask(anonymous, map[string]string{res.Cluster: "cluster"})
	b.Name = mask.text(b.Name)
	shown, err := document(&b, runs.LagFile, res, mask)
	if err != nil {
		return b, err
	}
	var page bytes.Buffer
	err = report.LagHTML(&page, shown)
	b.Files = append(b.Files, bundle.File{Name: pageFile, Data: page.Bytes()})
	return b, err
}

// document adds a document, masked, and gives it back so: made anew, since what is decoded into
// a map that is there keeps what that had.
func document[T any](b *Bundled, name string, doc T, m mask) (shown T, err error) {
	data, err := json.MarshalIndent(doc, "", "  ")
	if err == nil {
		data, err = m.json(data)
	}
	if err == nil {
		err = json.Unmarshal(data, &shown)
	}
	if err != nil {
		return shown, fmt.Errorf("bundling %s: %w", name, err)
	}
	b.Files = append(b.Files, bundle.File{Name: name, Data: data})
	return shown, nil
}

// rest adds the other files of the run directory.
func (b *Bundled) rest(path string, m mask) error {
	return filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(path, file)
		if err != nil {
			return err
		}
		for _, f := range b.Files {
			if f.Name == name {
				return nil // as it was made anew
			}
		}
		if m.Mask != nil && !shareable(name) {
			return nil
		}
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a lock that was freed meanwhile
		}
		if err == nil && strings.HasSuffix(name, ".json") {
			data, err = m.json(data)
		}
		if err != nil {
			return fmt.Errorf("bundling %s: %w", name, err)
		}
		b.Files = append(b.Files, bundle.File{Name: filepath.ToSlash(name), Data: data})
		return nil
	})
}

// shareable are the files of a run that say nothing of where it was made once they are masked:
// documents, and histograms, which hold numbers alone.
func shareable(name string) bool {
	return strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".hdr")
}

// mask is a bundle.Mask, or none.
type mask struct{ *bundle.Mask }

func newMask(anonymous bool, names map[string]string) mask {
	if !anonymous {
		return mask{}
	}
	if home, err := os.UserHomeDir(); err == nil {
		if user := filepath.Base(home); len(user) > 1 && user != "root" {
			names[user] = "user"
		}
	}
	return mask{bundle.NewMask(names)}
}

func (m mask) text(s string) string {
	if m.Mask == nil {
		return s
	}
	return m.Text(s)
}

func (m mask) json(data []byte) ([]byte, error) {
	if m.Mask == nil {
		return data, nil
	}
	return m.JSON(data)
}

func (m mask) endpoints(all map[string][]string) map[string][]string {
	out := map[string][]string{}
	for dc, addresses := range all {
		for _, a := range addresses {
			out[dc] = append(out[dc], m.text(a))
		}
	}
	return out
}

// BundleDocument is the document that report answers with when it made an archive.
type BundleDocument struct {
	Schema    string   `json:"schema"`
	Run       string   `json:"run"`
	File      string   `json:"file"`
	Anonymous bool     `json:"anonymous"`
	Files     []string `json:"files"`
}

// Document says what is in the archive.
func (b Bundled) Document(run, file string, anonymous bool) BundleDocument {
	d := BundleDocument{Schema: topology.Schema, Run: run, File: file, Anonymous: anonymous, Files: []string{}}
	for _, f := range b.Files {
		d.Files = append(d.Files, f.Name)
	}
	return d
}
