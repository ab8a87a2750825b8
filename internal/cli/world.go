package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"crossring/internal/run"

	"github.com/urfave/cli/v2"
)

// cassandraHomeFlag is for every command that may start servers.
func cassandraHomeFlag() cli.Flag {
	return &cli.StringFlag{Name: "cassandra-home", Usage: "take the jars from the unpacked official tarball in `DIR` instead of Maven's"}
}

// world is what the verbs stand in, as the common flags say.
func (e *env) world(c *cli.Context) (run.World, error) {
	state, err := e.state()
	if err != nil {
		return run.World{}, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return run.World{}, run.Usage("finding the cache directory", err, "export XDG_CACHE_HOME=/path/to/cache")
	}
	exe, err := os.Executable()
	if err != nil {
		return run.World{}, fmt.Errorf("finding this program: %w", err)
	}
	return run.World{
		StateDir:      state,
		CacheDir:      filepath.Join(cache, "crossring", "jars"),
		Exe:           exe,
		CassandraHome: c.String("cassandra-home"),
		Log:           e.log,
		Report:        e.report,
		Say:           func(format string, args ...any) { note(e.stderr, format, args...) },
		Now:           time.Now,
	}, nil
}
