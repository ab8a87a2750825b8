// Lockgen writes the poms and the locks of package jars: the pom follows from the
// release, mvn resolves it, and the checksum of every file that arrives is recorded.
// And it asks the release's own classes for the table of package settings.
// Run it from the top of the source tree, after changing a release:
//
//	go run ./internal/jars/lockgen 5.0.9
//
// Without arguments it does them all.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"crossring/internal/jars"
	"crossring/internal/release"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	sets := os.Args[1:]
	if len(sets) == 0 {
		sets = jars.Sets()
	}
	for _, set := range sets {
		if err := write(ctx, set); err != nil {
			fmt.Fprintf(os.Stderr, "lockgen: error: %v\n", err)
			os.Exit(1)
		}
	}
}

func write(ctx context.Context, set string) error {
	dir, err := os.MkdirTemp("", "lockgen-")
	if err != nil {
		return fmt.Errorf("locking %s: %w", set, err)
	}
	defer os.RemoveAll(dir)
	// The program itself makes the pom when it needs it; make fetches with this one.
	pom, err := jars.Pom(set)
	if err != nil {
		return fmt.Errorf("locking %s: %w", set, err)
	}
	if err := os.WriteFile(filepath.Join("internal", "jars", "poms", set+".xml"), pom, 0o644); err != nil {
		return fmt.Errorf("locking %s: %w", set, err)
	}
	if err := jars.Resolve(ctx, set, dir); err != nil {
		return fmt.Errorf("locking %s: %w", set, err)
	}
	text, err := jars.Sum(dir)
	if err != nil {
		return fmt.Errorf("locking %s: %w", set, err)
	}
	file := filepath.Join("internal", "jars", "locks", set+".lock")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("locking %s: %w", set, err)
	}
	fmt.Println(file)
	if _, err := release.Find(set); err != nil {
		return nil // the agent's, which reads no cassandra.yaml
	}
	return writeKeys(ctx, set, dir)
}

// writeKeys writes what the release takes in cassandra.yaml, as its classes say it.
func writeKeys(ctx context.Context, version, dir string) error {
	file := filepath.Join("internal", "settings", "keys", version+".txt")
	cmd := exec.CommandContext(ctx, "java", "-cp", filepath.Join(dir, "*"), filepath.Join("internal", "settings", "Keys.java"))
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("listing the keys of %s: %w", version, err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("listing the keys of %s: %w", version, err)
	}
	fmt.Println(file)
	return nil
}
