//go:build linux

package awslab

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func split(s string) (first, rest string) {
	first, rest, _ = strings.Cut(s, " ")
	return first, rest
}

// Publish puts Cassandra's jars on the mirror, as the official binary tarball: named
// so, with everything below one directory, and its SHA-512 beside it.
func (l *Lab) Publish(version string, jars []string) error {
	top := "apache-cassandra-" + version
	dir := filepath.Join(l.Files, version)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("publish %s: %w", top, err)
	}
	file := filepath.Join(dir, top+"-bin.tar.gz")
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("publish %s: %w", top, err)
	}
	sum := sha512.New()
	// Jars are compressed already.
	z, err := gzip.NewWriterLevel(io.MultiWriter(f, sum), gzip.NoCompression)
	if err != nil {
		return fmt.Errorf("publish %s: %w", top, err)
	}
	w := tar.NewWriter(z)
	for _, jar := range jars {
		err = errors.Join(err, addFile(w, top+"/lib/"+filepath.Base(jar), jar))
	}
	if err = errors.Join(err, w.Close(), z.Close(), f.Close()); err != nil {
		return fmt.Errorf("publish %s: %w", top, err)
	}
	return os.WriteFile(file+".sha512", []byte(hex.EncodeToString(sum.Sum(nil))+"\n"), 0o644)
}

func addFile(w *tar.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: name, Size: info.Size(), Mode: 0o644, ModTime: time.Unix(0, 0)}); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}
