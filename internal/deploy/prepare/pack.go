package prepare

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// WritePack makes a tar file of a class path and its agents, laid out as an
// official tarball is: lib for the jars, agents beside it. The same jars give the
// same bytes. A pack that is there already is left as it is.
func WritePack(path string, classPath []string, jamm, jolokia string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("pack jars: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("pack jars: %w", err)
	}
	w := tar.NewWriter(f)
	for _, jar := range classPath {
		err = errors.Join(err, addFile(w, "lib/"+filepath.Base(jar), jar))
	}
	if jamm != "" {
		err = errors.Join(err, addFile(w, "agents/jamm.jar", jamm))
	}
	err = errors.Join(err, addFile(w, "agents/jolokia.jar", jolokia), w.Close(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("pack jars: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
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
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("checksum: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("checksum of %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
