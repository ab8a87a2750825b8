package test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"crossring/internal/pki/store"
	"crossring/internal/release"
	"crossring/internal/run"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/internal/trust"
)

// TestRotateOnHosts rotates on machines that are reached by SSH, from behind a
// router: keys are made there, and stay there.
func TestRotateOnHosts(t *testing.T) {
	needLong(t)
	beside(t, 2, hostAddresses)
	for _, version := range []string{newest, oldest} {
		t.Run(version, func(t *testing.T) {
			l := newLab(t)
			l.machines = l.machines[:2]
			rotateHosts(t, l, version)
		})
	}
}

func rotateHosts(t *testing.T, l *lab, version string) {
	h := newHome(t)
	rel, err := release.Find(version)
	if err != nil {
		t.Fatal(err)
	}
	must := func(args ...string) result { t.Helper(); return l.must(t, h, args...) }
	t.Cleanup(func() { l.run(context.Background(), h, "down", "lab", "--no-collect") })
	inv := decode[run.UpResult](t, must("up", "-f", l.specOf(t, version, "tls: {}\n"), "-o", "json")).Inventory
	c := cluster{h, "lab"}
	dir := filepath.Join(h.state, "clusters", "lab")
	before, pids := keysOnMachines(t, inv, dir), pidsOf(statesThrough(t, l, h))

	old := peerFrom(t, c, filepath.Join(dir, "ca"), operatorSeenAs)
	res := decode[trust.RotateResult](t, must("pki", "rotate", "lab", "--ca", "-o", "json"))
	if want := map[bool]string{true: "reload", false: "restart"}[rel.HotReload]; !res.Done || res.Method != want {
		t.Errorf("%+v", res)
	}
	next := peerFrom(t, c, filepath.Join(dir, "ca"), operatorSeenAs)
	l.inside(t, "op", func() {
		for i, n := range inv.Nodes {
			for _, port := range []int{inv.Plan.InternodePort(n), n.Ports.Native} {
				at := net.JoinHostPort(l.machines[i].public, strconv.Itoa(port))
				if err := visit(t, at, next); err != nil {
					t.Errorf("%s refuses the new CA: %v", at, err)
				}
				if err := visit(t, at, old); err == nil {
					t.Errorf("%s takes the old CA", at)
				}
			}
		}
	})
	after := keysOnMachines(t, inv, dir)
	for name, key := range before {
		if after[name] == key {
			t.Errorf("%s has the key of before", name)
		}
	}
	if again := pidsOf(statesThrough(t, l, h)); maps.Equal(pids, again) != rel.HotReload {
		t.Errorf("servers were %v, and are %v", pids, again)
	}
	must("ring", "lab")
	must("repro", "lab", "--rows", "500") // by loaders there, that trust the new CA
}

func statesThrough(t *testing.T, l *lab, h home) map[string]topology.Process {
	t.Helper()
	r := l.must(t, h, "start", "lab", "-o", "json")
	all := map[string]topology.Process{}
	for _, p := range decode[run.NodesResult](t, r).Nodes {
		all[p.Node] = p
	}
	return all
}

// keysOnMachines are the nodes' keys as they lie on their machines, in PKCS#8, by
// node. None of them lies with the operator.
func keysOnMachines(t *testing.T, inv topology.Inventory, dir string) map[string]string {
	t.Helper()
	password, err := state.ReadPassword(filepath.Join(dir, "tls", "password"))
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{}
	for _, n := range inv.Nodes {
		found, err := filepath.Glob(path.Join(n.Layout.TLSDir(), "node.*"))
		if err != nil || len(found) != 1 {
			t.Fatalf("key stores of %s: %v, %v", n.Name, found, err)
		}
		data, err := os.ReadFile(found[0])
		if err != nil {
			t.Fatal(err)
		}
		held, err := store.Read(data, password)
		if err != nil || held.Key == nil {
			t.Fatalf("key of %s: %v", n.Name, err)
		}
		text, err := store.EncodeKey(held.Key)
		if err != nil {
			t.Fatal(err)
		}
		keys[n.Name] = string(text)
	}
	err = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(file)
		for name, key := range keys {
			if strings.Contains(string(data), key) {
				t.Errorf("the key of %s is in %s", name, file)
			}
		}
		if kind := store.Detect(data); kind == store.JKS {
			t.Errorf("%s is a key store", file)
		}
		return err
	})
	if err != nil {
		t.Fatal(fmt.Errorf("look for keys: %w", err))
	}
	return keys
}
