package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gocql/gocql"

	"crossring/internal/attach"
	"crossring/internal/attach/ask"
	"crossring/internal/cluster"
	"crossring/internal/cql"
	"crossring/internal/fail"
	"crossring/internal/health"
	"crossring/internal/load"
	"crossring/internal/many"
	"crossring/internal/places"
	"crossring/internal/plain"
	"crossring/internal/safely"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// AttachRequest says which cluster that somebody else made is to be worked on.
type AttachRequest struct {
	Choice attach.Choice // its TLS follows from Trust
	Points []attach.Point
	Login  *cql.Login // nil is none
	// Trust is the CA of the nodes' certificates, PEM; nil is plain text. Identity is what
	// the client shows, key and chain, PEM; empty is nothing.
	Trust, Identity []byte
}

// TakenError says that there is a cluster of that name.
type TakenError struct{ Name string }

func (e *TakenError) Error() string { return fmt.Sprintf("there is a cluster %q already", e.Name) }

// ExitCode is that of a name that is taken.
func (e *TakenError) ExitCode() int { return fail.ExitBusy }

// Hint is the command that shows whose it is.
func (e *TakenError) Hint() string { return "crossring ls   # and choose another name" }

// KeyspaceTakenError says that the keyspace is somebody else's.
type KeyspaceTakenError struct {
	Keyspace string
	Why      string
}

func (e *KeyspaceTakenError) Error() string {
	return fmt.Sprintf("keyspace %s is there already, and not crossring's own: %s", e.Keyspace, e.Why)
}

// ExitCode is that of a name that is taken.
func (e *KeyspaceTakenError) ExitCode() int { return fail.ExitBusy }

// Hint is what to add.
func (e *KeyspaceTakenError) Hint() string { return "choose another one with --keyspace NAME" }

// Attach writes down what a cluster tells of itself, so that commands work on it, and asks
// it for its ring. It changes nothing of it.
func Attach(ctx context.Context, w cluster.World, req AttachRequest) (ringcheck.Ring, error) {
	name := req.Choice.Name
	if err := cluster.CheckName(name); err != nil {
		return ringcheck.Ring{}, err
	}
	unlock, err := w.Lock(ctx, name)
	if err != nil {
		return ringcheck.Ring{}, err
	}
	defer unlock()
	dir := state.Dir(w.StateDir, name)
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		return ringcheck.Ring{}, errors.Join(&TakenError{name}, err)
	}
	if err := noTraces(w, name); err != nil {
		return ringcheck.Ring{}, err
	}
	c, found, err := discover(ctx, w, req, dir)
	if err != nil {
		return ringcheck.Ring{}, err
	}
	if err := keep(c, req, found); err != nil {
		return ringcheck.Ring{}, errors.Join(err, os.RemoveAll(dir))
	}
	return health.Look(ctx, w, c)
}

// discover asks the cluster, and makes of what it tells one that can be opened.
func discover(ctx context.Context, w cluster.World, req AttachRequest, dir string) (c cluster.Cluster, keyspaceFound bool, err error) {
	a := ask.Request{Points: req.Points, Login: req.Login}
	if req.Trust != nil {
		if a.TLS, err = cluster.ClientConfig(req.Trust, req.Identity); err != nil {
			return c, false, fail.Usage("", err, "crossring help attach")
		}
	}
	var found ask.Found
	if err := w.Stage("asking "+plain.Count(len(req.Points), "contact point"), func() (err error) {
		found, err = ask.Discover(ctx, a)
		return err
	}); err != nil {
		return c, false, err
	}
	for _, err := range found.Silent {
		w.Say("warning: %v; what others tell of that node is taken as it is", err)
	}
	req.Choice.TLS = a.TLS != nil
	plan, nodes, problems := found.Cluster.Plan(req.Choice)
	if err := many.Join(problems...); err != nil {
		return c, false, fail.Usage("", err, "crossring help attach")
	}
	c = cluster.Cluster{Dir: dir, Rel: found.Cluster.Release, Inv: topology.Inventory{Schema: topology.Schema, Plan: plan, Nodes: nodes, Attached: &topology.Attached{Dir: dir}}}
	for _, p := range req.Points {
		c.Inv.Attached.ContactPoints = append(c.Inv.Attached.ContactPoints, p.String())
	}
	if req.Login != nil {
		c.Inv.Attached.User = req.Login.User
	}
	if c.Place, err = places.For(attach.Provider, w.Deps()); err != nil {
		return c, false, err
	}
	s, err := cql.Open(ctx, firstOf(c, a))
	if err != nil {
		return c, false, err
	}
	defer s.Close()
	there, err := adoptKeyspace(ctx, s, &c.Inv, c, len(req.Choice.Replication) > 0)
	if err != nil {
		return c, false, err
	}
	c.Inv.Attached.KeyspaceFound = there
	if req.Login != nil {
		grants, err := cql.Missing(ctx, s, c.Rel, req.Login.User, c.Inv.Plan.Keyspace.Name, there)
		if err != nil {
			return c, there, err
		}
		if len(grants) > 0 {
			w.Say("warning: %v", &cql.RightsError{User: req.Login.User, Grants: grants})
		}
	}
	return c, there, nil
}

// firstOf is how the first datacenter is reached before anything is written down.
func firstOf(c cluster.Cluster, a ask.Request) cql.Endpoint {
	e := cql.Endpoint{Release: c.Rel, TLS: a.TLS, Login: a.Login}
	for _, n := range c.Inv.InDatacenter(c.Inv.Nodes[0].Datacenter) {
		e.Addresses, e.Port, e.Datacenter = append(e.Addresses, n.PrivateAddress), n.Ports.Native, n.Datacenter
	}
	return e
}

// ourKeyspace looks for crossring's keyspace and how it is replicated. found says that there is
// one; it is an error where somebody else's tables are in it.
func ourKeyspace(ctx context.Context, s *gocql.Session, c cluster.Cluster, ks topology.Keyspace) (options map[string]string, found bool, err error) {
	options, err = cql.Replication(ctx, s, c.Rel, ks.Name)
	var none *cql.NoKeyspaceError
	if errors.As(err, &none) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return options, true, onlyOurs(ctx, s, c, ks)
}

// adoptKeyspace looks whether crossring's keyspace is there. One that is, is taken as it is
// replicated, if there is nothing in it but what crossring makes.
func adoptKeyspace(ctx context.Context, s *gocql.Session, inv *topology.Inventory, c cluster.Cluster, asked bool) (bool, error) {
	ks := inv.Plan.Keyspace
	options, found, err := ourKeyspace(ctx, s, c, ks)
	if !found || err != nil {
		return found, err
	}
	all, err := cql.Keyspaces(ctx, s, c.Rel)
	if err != nil {
		return true, err
	}
	at := slices.IndexFunc(all, func(f cql.Factors) bool { return f.Keyspace == ks.Name })
	if at < 0 || all[at].Class != "NetworkTopologyStrategy" {
		return true, &KeyspaceTakenError{ks.Name, "it is replicated by " + options["class"]}
	}
	factors := all[at].ByDatacenter
	maps.DeleteFunc(factors, func(_ string, n int) bool { return n == 0 })
	if asked && !maps.Equal(factors, ks.Replication) {
		return true, &KeyspaceTakenError{ks.Name, fmt.Sprintf("its replication is %v, not %v", factors, ks.Replication)}
	}
	inv.Plan.Keyspace.Replication = factors
	var with []string
	for _, dc := range inv.Plan.Datacenters() {
		if factors[dc] > 0 {
			with = append(with, dc)
		}
	}
	if len(with) == 0 {
		return true, &KeyspaceTakenError{ks.Name, "it has no replica in any datacenter of the cluster"}
	}
	inv.Plan.Stress.WriteDC, inv.Plan.Stress.ReadDC = with[0], with[min(1, len(with)-1)]
	return true, nil
}

// onlyOurs refuses a keyspace in which there is anything that crossring does not make.
func onlyOurs(ctx context.Context, s *gocql.Session, c cluster.Cluster, ks topology.Keyspace) error {
	tables, err := cql.Tables(ctx, s, c.Rel, ks.Name)
	if err != nil {
		return err
	}
	ours := load.Tables(ks)
	if foreign := slices.DeleteFunc(slices.Clone(tables), func(t string) bool { return slices.Contains(ours, t) }); len(foreign) > 0 {
		return &KeyspaceTakenError{ks.Name, "it has " + plain.Count(len(foreign), "table") + " of somebody else's: " + strings.Join(foreign, ", ")}
	}
	if len(tables) == 0 {
		return &KeyspaceTakenError{ks.Name, "it is empty, so nothing says whose it is"}
	}
	return nil
}

// keep writes a cluster down, the inventory last: without it there is none.
func keep(c cluster.Cluster, req AttachRequest, keyspaceFound bool) error {
	if err := os.MkdirAll(filepath.Join(c.Dir, cluster.TLSDir), 0o700); err != nil {
		return fail.Usage("making the state directory", err, "choose another place with --state DIR")
	}
	files := map[string][]byte{}
	if req.Trust != nil {
		files[c.TLSPath(cluster.TrustFile)], files[c.TLSPath(cluster.ClientFile)] = req.Trust, req.Identity
	}
	if req.Login != nil {
		files[filepath.Join(c.Dir, cluster.LoginFile)] = []byte(req.Login.Password + "\n")
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := safely.Write(path, files[path], 0o600); err != nil {
			return fmt.Errorf("attach %s: %w", c.Inv.Plan.Name, err)
		}
	}
	if keyspaceFound {
		if err := state.Mark(c.Dir, state.Keyspace); err != nil {
			return err
		}
	}
	return state.WriteInventory(c.Dir, c.Inv)
}

// DetachResult says what was forgotten.
type DetachResult struct {
	Schema   string `json:"schema"`
	Name     string `json:"name"`
	Detached bool   `json:"detached"`
	Keyspace string `json:"keyspace"`
	// Dropped says that the keyspace was taken away.
	Dropped bool `json:"keyspace_dropped"`
}

// Detach forgets a cluster that was attached. With drop it takes crossring's keyspace away
// before; nothing else of the cluster is touched.
func Detach(ctx context.Context, w cluster.World, name string, drop bool) (DetachResult, error) {
	res := DetachResult{Schema: topology.Schema, Name: name}
	if err := cluster.CheckName(name); err != nil {
		return res, err
	}
	if _, err := w.Open(name); err != nil {
		return res, err
	}
	unlock, err := w.Lock(ctx, name)
	if err != nil {
		return res, err
	}
	defer unlock()
	c, err := w.Open(name)
	if err != nil {
		return res, err
	}
	if foreign, _ := c.Inv.Foreign(); !foreign {
		return res, fail.Usage("", fmt.Errorf("cluster %s was made by crossring, not attached", name), w.Command("down", name))
	}
	free, err := load.None(w, name, false, w.Command("detach", name))
	if err != nil {
		return res, err
	}
	defer free()
	res.Keyspace = c.Inv.Plan.Keyspace.Name
	if drop {
		if res.Dropped, err = dropKeyspace(ctx, w, c); err != nil {
			return res, err
		}
	}
	err = removeDir(c.Dir)
	res.Detached = err == nil
	return res, err
}

// dropKeyspace takes crossring's keyspace away, if it is there and nothing of anybody else's is
// in it.
func dropKeyspace(ctx context.Context, w cluster.World, c cluster.Cluster) (bool, error) {
	ks := c.Inv.Plan.Keyspace
	e, err := cluster.Endpoint(w, c, c.Inv.InDatacenter(c.Inv.Plan.Stress.WriteDC))
	if err != nil {
		return false, err
	}
	s, err := cql.Open(ctx, e)
	if err != nil {
		return false, err
	}
	defer s.Close()
	if _, found, err := ourKeyspace(ctx, s, c, ks); !found || err != nil {
		return false, err
	}
	err = w.Stage("dropping keyspace "+ks.Name, func() error { return cql.DropKeyspace(ctx, s, ks.Name) })
	return err == nil, cql.Lacking(err, e.Login, []string{cql.GrantToDrop(c.Inv.User(), ks.Name)})
}
