//go:build linux

// Command ready makes what tests use and what takes minutes to make: the images of
// hosts and containers, and the emulator of EC2. It keeps them in the user's cache. What
// can't be made is said, and the tests that need it are skipped.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"crossring/test/awsfault"
	"crossring/test/awslab"
	"crossring/test/debian"
)

func main() {
	const most = 30 * time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), most)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	code := ready(ctx)
	stop()
	cancel()
	os.Exit(code)
}

func ready(ctx context.Context) int {
	cache, err := os.UserCacheDir()
	if err != nil {
		say("%v", err)
		return 1
	}
	cache = filepath.Join(cache, "crossring")
	var all sync.WaitGroup
	for what, make := range map[string]func() error{
		"emulator of EC2":          func() error { _, err := awsfault.InstallMoto(ctx, cache); return err },
		"image of the lab's hosts": func() error { return awslab.Prepare(ctx, cache) },
		"Debian for containers":    func() error { return debian.Keep(ctx, debian.Archive(cache)) },
	} {
		begun := time.Now()
		all.Go(func() {
			if err := make(); err != nil {
				say("%s: tests that need it will be skipped: %v", what, err)
				return
			}
			say("%s: %.0f s", what, time.Since(begun).Seconds())
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return 1
	}
	return 0
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "setup: "+format+"\n", args...) }
