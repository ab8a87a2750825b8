package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"crossring/internal/fail"
	"crossring/internal/jars"
	"crossring/internal/places"
	"crossring/internal/plain"
	"crossring/internal/release"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/local"
)

// ListWait bounds what a listing waits for machines.
const ListWait = 10 * time.Second

// Streams are those of a program that runs in the foreground.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Reporter is told how far a verb is. Both may be called from several goroutines.
type Reporter interface {
	// Stage says that a stage begins; the function it returns says that it ended.
	Stage(text string) func(err error)
	// Progress says that done of total operations are finished.
	Progress(done, total int64, note string)
}

// World is what the verbs stand in.
type World struct {
	StateDir string // clusters, locks and run directories
	// StateFlag is what --state said; "" where nothing did. Commands that are printed have it.
	StateFlag string
	// Typed is the command line, for the record; secrets are in none.
	Typed    string
	CacheDir string // jars
	Exe      string // this program, to be run again as a keeper
	Home     string // directory of the user
	Owner    string // who is asking, for the tags of what is made
	// AgentSocket is that of an SSH agent; "" is none.
	AgentSocket string
	// Connections holds what is open to machines and containers; nil opens nothing.
	Connections *places.Connections
	// Through opens a connection to a machine through a tunnel that stands; nil is none.
	Through func(ctx context.Context, inv topology.Inventory, n topology.Node, addr string) (net.Conn, bool)
	// LoaderExe is this program for the machines of a cluster, where their
	// architecture is another one; "" is Exe.
	LoaderExe string
	// CassandraHome is an unpacked official tarball to take the jars from; "" is
	// Maven's.
	CassandraHome string
	Log           *slog.Logger
	Report        Reporter
	// Say takes a line for a person: a warning, or what is waited for.
	Say func(format string, args ...any)
	// Now is the clock.
	Now func() time.Time
}

// Command is a command of crossring's to be typed after this one, in the same shell.
func (w World) Command(words ...string) string {
	if w.StateFlag != "" {
		words = append([]string{"--state", w.StateFlag}, words...)
	}
	return plain.Command(append([]string{"crossring"}, words...)...)
}

// NoClusterError says that there is no cluster of that name, or a directory of it alone,
// which then is among those that are known.
type NoClusterError struct {
	Name  string
	Known []string
}

func (e *NoClusterError) Error() string {
	if slices.Contains(e.Known, e.Name) {
		return fmt.Sprintf("cluster %q has no inventory: it is half made, or the file is lost", e.Name)
	}
	s := fmt.Sprintf("there is no cluster %q", e.Name)
	if len(e.Known) > 0 {
		s += fmt.Sprintf("; there are %v", e.Known)
	}
	return s
}

// Hint is the command that makes one.
func (e *NoClusterError) Hint() string {
	switch {
	case slices.Contains(e.Known, e.Name):
		return plain.Command("crossring", "down", e.Name)
	case len(e.Known) > 0:
		return "crossring ls"
	}
	return "crossring up -f cluster.yaml"
}

// Cluster is one that was made, or half made.
type Cluster struct {
	Dir   string
	Inv   topology.Inventory
	Rel   release.Release
	Place places.Place
}

// Deps is what the providers need.
func (w World) Deps() places.Deps {
	return places.Deps{
		StateDir: w.StateDir, Exe: w.Exe, Home: w.Home, Owner: w.Owner, AgentSocket: w.AgentSocket,
		Connections: w.Connections, Tunnel: w.Through, Log: w.Log, Say: w.Say, Now: w.Now,
	}
}

// Provider is that of local clusters, which starts servers with java; "" starts none.
func (w World) Provider(java string) local.Provider {
	return local.Provider{StateDir: w.StateDir, Exe: w.Exe, Java: java, Log: w.Log, Say: w.Say}
}

// PlaceOf is where the clusters of a plan are made, if this computer can.
func (w World) PlaceOf(p topology.Plan) (places.Place, error) {
	place, err := places.For(p.Provider, w.Deps())
	if err == nil && place.Needs != nil {
		err = place.Needs()
	}
	return place, err
}

// Open reads a cluster that was made.
func (w World) Open(name string) (Cluster, error) {
	c := Cluster{Dir: state.Dir(w.StateDir, name)}
	inv, err := state.Inventory(w.StateDir, name)
	if errors.Is(err, os.ErrNotExist) {
		known, listErr := w.Names()
		return c, errors.Join(&NoClusterError{Name: name, Known: known}, listErr)
	}
	if errors.Is(err, fs.ErrPermission) {
		return c, &local.DeniedError{Cluster: name, Err: err}
	}
	if err != nil {
		return c, err
	}
	if err := ownState(name, c.Dir, inv); err != nil {
		return c, err
	}
	if damage := state.Damage(w.StateDir, name); damage != nil {
		w.Say("warning: %v; its second copy is used: %s writes both anew", damage, w.Command("up", name))
	}
	all, err := places.ReadPrepared(c.Dir)
	if err != nil {
		return c, err
	}
	c.Inv = places.WithPrepared(inv, all)
	if c.Place, err = places.For(inv.Plan.Provider, w.Deps()); err != nil {
		return c, err
	}
	c.Rel, err = release.Of(inv.Plan.Version)
	return c, err
}

// Names lists the clusters of the state directory.
func (w World) Names() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(w.StateDir, "clusters"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list clusters: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// jolokiaJava is the oldest Java that the Jolokia agent runs on.
const jolokiaJava = 11

// Java finds the java command of this computer that a release's nodes run on here, and its
// major version.
func Java(ctx context.Context, rel release.Release) (path string, version int, err error) {
	path, version, err = jars.FindJava(ctx, max(rel.JavaMin, jolokiaJava), rel.JavaMax)
	if err != nil {
		return "", 0, prerequisite(err)
	}
	return path, version, nil
}

// Prepare finds Java and the jars, before anything is made.
func Prepare(ctx context.Context, w World, rel release.Release) (places.Software, error) {
	java, version, err := Java(ctx, rel)
	if err != nil {
		return places.Software{}, err
	}
	sw, err := prepareJars(ctx, w, rel)
	if err != nil {
		return places.Software{}, err
	}
	sw.Java = java
	sw.Archive, err = jars.Archive(ctx, jarsRequest(w, rel), sw.Jars, java, version, func() {
		w.Log.Info("jars", "step", "class archive, once for this Java")
	})
	if err != nil && ctx.Err() == nil {
		// It only makes the start faster.
		w.Log.Warn("jars", "err", err)
		sw.Archive = ""
	}
	return sw, ctx.Err()
}

func jarsRequest(w World, rel release.Release) jars.Request {
	return jars.Request{
		Version: rel.Version, CacheDir: w.CacheDir, Home: w.CassandraHome, Log: w.Log,
		Progress: func(s string) { w.Log.Info("jars", "step", s) },
	}
}

// prepareJars is prepare for nodes that run on machines of their own, with a Java
// of their own.
func prepareJars(ctx context.Context, w World, rel release.Release) (places.Software, error) {
	j, err := jars.Ensure(ctx, jarsRequest(w, rel))
	if err != nil {
		return places.Software{}, prerequisite(err)
	}
	return places.Software{Jars: j}, nil
}

// Software finds what a cluster's nodes run on, as a stage: Java and the jars where they
// are processes of this computer, else the jars.
func Software(ctx context.Context, w World, c Cluster) (sw places.Software, err error) {
	prepare, what := prepareJars, "the jars of Cassandra "
	if c.Place.Processes {
		prepare, what = Prepare, "Java and the jars of Cassandra "
	}
	err = w.Stage(what+c.Rel.Version, func() (err error) {
		sw, err = prepare(ctx, w, c.Rel)
		return err
	})
	return sw, err
}

// prerequisite gives the errors of something missing their exit code.
func prerequisite(err error) error {
	var (
		tool    *jars.MissingToolError
		java    *jars.JavaError
		network *jars.NoNetworkError
		home    *jars.HomeError
	)
	if errors.As(err, &tool) || errors.As(err, &java) || errors.As(err, &network) || errors.As(err, &home) {
		return fail.Prerequisite("", err, "")
	}
	return err
}

// Stage does f as a stage that is reported.
func (w World) Stage(text string, f func() error) error {
	done := w.Report.Stage(text)
	err := f()
	done(err)
	return err
}

// SpecFile, in a cluster's directory, is the spec that it was made from.
const SpecFile = "spec.json"
