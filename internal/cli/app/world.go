package app

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"crossring/internal/topology"
	"crossring/internal/tunnels"

	"crossring/internal/cluster"
	"crossring/internal/fail"

	"github.com/urfave/cli/v2"
)

// CassandraHomeFlag is for every command that may start servers.
func CassandraHomeFlag() cli.Flag {
	return &cli.StringFlag{Name: "cassandra-home", Usage: "take the jars from the unpacked official tarball in `DIR` instead of Maven's"}
}

// World is what the verbs stand in, as the common flags say.
func (e *Env) World(c *cli.Context) (cluster.World, error) {
	state, err := e.State()
	if err != nil {
		return cluster.World{}, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return cluster.World{}, fail.Usage("finding the cache directory", err, "export XDG_CACHE_HOME=/path/to/cache")
	}
	exe, err := os.Executable()
	if err != nil {
		return cluster.World{}, fmt.Errorf("finding this program: %w", err)
	}
	w := cluster.World{
		StateDir:      state,
		Typed:         e.Typed,
		StateFlag:     e.stateGivenAs(),
		CacheDir:      filepath.Join(cache, "crossring", "jars"),
		Exe:           exe,
		Home:          e.Home(),
		Owner:         e.owner(),
		AgentSocket:   e.Variable("SSH_AUTH_SOCK"),
		Connections:   &e.connections,
		LoaderExe:     c.String("loader-binary"),
		CassandraHome: c.String("cassandra-home"),
		Log:           e.log,
		Report:        e.report,
		Say:           func(format string, args ...any) { Note(e.Stderr, format, args...) },
		Now:           time.Now,
	}
	through := w
	w.Through = func(ctx context.Context, inv topology.Inventory, n topology.Node, addr string) (net.Conn, bool) {
		return tunnels.Through(ctx, through, inv, n, addr)
	}
	return w, nil
}

// Variable is the value of an environment variable; "" when it is not set.
func (e *Env) Variable(name string) string {
	value, _ := e.lookup(name)
	return value
}

// Home is the user's directory, as shells have it.
func (e *Env) Home() string { return e.Variable("HOME") }
