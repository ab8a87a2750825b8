// Lockgen writes the locks of package jars: it has mvn resolve a pom and
// records the checksum of every file that arrives. Run it from the top of the
// source tree, after changing a pom:
//
//	go run ./internal/jars/lockgen 5.0.5
//
// Without arguments it does them all.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"crossring/internal/jars"
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
	return nil
}
