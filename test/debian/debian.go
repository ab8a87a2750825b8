// Package debian makes trees of Debian for tests, which hosts and containers are made of.
package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// suite is the release.
const suite = "bookworm"

// Name says which Debian it is, for names of images.
const Name = suite

// Bootstrap fills an empty directory with Debian and packages, which takes a minute and
// needs root and a mirror. One that fails is begun again once: mirrors lose connections.
func Bootstrap(ctx context.Context, tree string, packages []string) error {
	err := bootstrap(ctx, tree, packages)
	if err == nil || ctx.Err() != nil {
		return err
	}
	entries, readErr := os.ReadDir(tree)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	for _, e := range entries {
		if rmErr := os.RemoveAll(filepath.Join(tree, e.Name())); rmErr != nil {
			return errors.Join(err, rmErr)
		}
	}
	return bootstrap(ctx, tree, packages)
}

func bootstrap(ctx context.Context, tree string, packages []string) error {
	cmd := exec.CommandContext(ctx, "debootstrap", "--variant=minbase", "--include="+strings.Join(packages, ","), suite, tree)
	out, err := cmd.CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("debootstrap %s: %w: %s", suite, err, lines[len(lines)-1])
	}
	return nil
}

// Archive is where the Debian of containers with a Cassandra is kept, below a cache. It
// has a Java, and the user that Cassandra's images have.
func Archive(cache string) string {
	return filepath.Join(cache, "cassandra-image-"+suite+".tar")
}

// Keep makes the archive, unless it is there.
func Keep(ctx context.Context, archive string) (err error) {
	if _, err := os.Stat(archive); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(archive), 0o755); err != nil {
		return fmt.Errorf("make a Debian for containers: %w", err)
	}
	// Beside the archive: a place for temporary files may be small, or allow no devices.
	work, err := os.MkdirTemp(filepath.Dir(archive), "debian")
	if err != nil {
		return fmt.Errorf("make a Debian for containers: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	tree, tar := filepath.Join(work, "tree"), filepath.Join(work, "tar")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return fmt.Errorf("make a Debian for containers: %w", err)
	}
	if err := Bootstrap(ctx, tree, []string{"openjdk-17-jre-headless"}); err != nil {
		return err
	}
	const finish = `chroot "$1" useradd --system --uid 999 --home-dir /var/lib/cassandra --shell /usr/sbin/nologin cassandra
		rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*
		tar c -C "$1" -f "$2" .`
	if out, err := exec.CommandContext(ctx, "sh", "-euc", finish, "sh", tree, tar).CombinedOutput(); err != nil {
		return fmt.Errorf("make a Debian for containers: %w: %s", err, out)
	}
	if err := os.Rename(tar, archive); err != nil {
		return fmt.Errorf("keep the Debian for containers: %w", err)
	}
	return nil
}
