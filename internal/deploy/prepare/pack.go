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

	"crossring/internal/safely"
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
	// Several may pack the same jars at a time.
	err := safely.Stream(path, 0o600, func(f io.Writer) error {
		w := tar.NewWriter(f)
		var err error
		for _, jar := range classPath {
			err = errors.Join(err, addFile(w, "lib/"+filepath.Base(jar), jar))
		}
		if jamm != "" {
			err = errors.Join(err, addFile(w, "agents/jamm.jar", jamm))
		}
		return errors.Join(err, addFile(w, "agents/jolokia.jar", jolokia), w.Close())
	})
	if err != nil {
		return fmt.Errorf("pack jars: %w", err)
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
