package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"crossring/internal/deploy"
	"crossring/internal/places"
	"crossring/internal/topology"
)

// At is a cluster of a provider.
func At(t *testing.T, provider string, inv topology.Inventory) Cluster {
	t.Helper()
	inv.Plan.Provider = provider
	place, err := places.For(provider, places.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	return Cluster{Inv: inv, Place: place}
}

// starts is what was started, in order.
type starts struct {
	mu    sync.Mutex
	names []string
}

// startHost is a host whose server does what comes when it is started.
type startHost struct {
	deploy.Host
	name   string
	all    *starts
	comes  func()
	ended  bool
	broken error
}

func (h *startHost) Start(context.Context) error {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	h.all.names = append(h.all.names, h.name)
	if h.comes != nil {
		h.comes()
	}
	return h.broken
}

func (h *startHost) State(context.Context) (topology.Process, error) {
	return topology.Process{Running: !h.ended, Ended: "exit status 1"}, nil
}

func (h *startHost) Tail(context.Context, int) ([]string, error) { return nil, fs.ErrNotExist }

// twoByTwo are four nodes, the first of each region a seed.
func twoByTwo(t *testing.T) ([]deploy.Target, []*startHost, *starts) {
	all := &starts{}
	var targets []deploy.Target
	var hosts []*startHost
	for i, name := range []string{"east-1", "east-2", "west-1", "west-2"} {
		h := &startHost{name: name, all: all}
		n := topology.Node{Name: name, Seed: i%2 == 0, Layout: topology.Layout{Data: filepath.Join(t.TempDir(), "data")}}
		hosts, targets = append(hosts, h), append(targets, deploy.Target{Node: n, Host: h})
	}
	return targets, hosts, all
}

// The others start when the tables of every seed are there, and not before.
func TestSeedsStartFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		targets, hosts, all := twoByTwo(t)
		here := At(t, "local", topology.Inventory{Local: &topology.Local{}})
		tables := map[string]bool{}
		for i := 0; i < 4; i += 2 {
			dir := filepath.Join(targets[i].Node.Layout.Data, "system")
			wait := time.Duration(i+1) * time.Second
			hosts[i].comes = func() {
				go func() {
					time.Sleep(wait) // on a clock that waits for nobody
					all.mu.Lock()
					defer all.mu.Unlock()
					tables[dir] = true
					if len(all.names) > 2 {
						t.Errorf("%v were started before %s was there", all.names, dir)
					}
					if err := os.MkdirAll(dir, 0o755); err != nil {
						t.Error(err)
					}
				}()
			}
		}
		if err := startServers(t.Context(), (World{}), here, targets); err != nil {
			t.Fatal(err)
		}
		if len(tables) != 2 || len(all.names) != 4 {
			t.Errorf("%v, %v", tables, all.names)
		}
		// They are there from now on: a second start waits for nobody.
		for _, h := range hosts {
			h.comes = nil
		}
		begun := time.Now()
		if err := startServers(t.Context(), (World{}), here, targets); err != nil || time.Since(begun) > 0 {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}

// A seed that ends, or that never gets there, keeps nobody from starting.
func TestSeedsThatDoNotCome(t *testing.T) {
	for _, ends := range []bool{true, false} {
		t.Run(fmt.Sprintf("ends %v", ends), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				targets, hosts, all := twoByTwo(t)
				hosts[2].ended = ends
				here := At(t, "ccm", topology.Inventory{CCM: &topology.CCM{}})
				begun := time.Now()
				if err := startServers(t.Context(), (World{}), here, targets); err != nil {
					t.Fatal(err)
				}
				if len(all.names) != 4 {
					t.Errorf("started: %v", all.names)
				}
				if took := time.Since(begun); ends != (took < seedsTime) {
					t.Errorf("after %s", took)
				}
			})
		})
	}
}

func TestStartIsGivenUp(t *testing.T) {
	targets, hosts, all := twoByTwo(t)
	here := At(t, "local", topology.Inventory{Local: &topology.Local{}})
	ctx, cancel := context.WithCancel(t.Context())
	hosts[0].comes = cancel
	if err := startServers(ctx, (World{}), here, targets); !errors.Is(err, context.Canceled) || len(all.names) != 2 {
		t.Errorf("%v, started %v", err, all.names)
	}
	// A seed that can't be started is told at once.
	targets, hosts, all = twoByTwo(t)
	hosts[0].broken = fs.ErrPermission
	if err := startServers(t.Context(), (World{}), here, targets); !errors.Is(err, fs.ErrPermission) || len(all.names) != 2 {
		t.Errorf("%v, started %v", err, all.names)
	}
}

// Where nodes have machines of their own, or only one kind is to start, nobody waits.
func TestStartAllAtOnce(t *testing.T) {
	local := topology.Inventory{Local: &topology.Local{}}
	for name, c := range map[string]struct {
		provider string
		inv      topology.Inventory
		seed     func(topology.Node) bool
	}{
		"machines": {"hosts", topology.Inventory{}, func(topology.Node) bool { return true }},
		"adopted":  {"ccm", topology.Inventory{CCM: &topology.CCM{Adopted: true}}, func(topology.Node) bool { return true }},
		"seeds":    {"local", local, func(n topology.Node) bool { return n.Seed }},
		"others":   {"local", local, func(n topology.Node) bool { return !n.Seed }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				targets, _, all := twoByTwo(t)
				targets = slices.DeleteFunc(targets, func(x deploy.Target) bool { return !c.seed(x.Node) })
				begun := time.Now()
				if err := startServers(t.Context(), (World{}), At(t, c.provider, c.inv), targets); err != nil {
					t.Fatal(err)
				}
				if len(all.names) != len(targets) || time.Since(begun) > 0 {
					t.Errorf("started %v in %s", all.names, time.Since(begun))
				}
			})
		})
	}
}
