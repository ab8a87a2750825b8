package test

import (
	"bytes"
	"context"
	"encoding/json"
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
	"time"

	"crossring/internal/load"
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
	loaded := func() {}
	if rel.HotReload { // elsewhere the only node of a datacenter goes away
		loaded = loadedBeside(t, l, h)
	}
	res := decode[trust.RotateResult](t, must("pki", "rotate", "lab", "--ca", "-o", "json"))
	loaded()
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

// loadedBeside has a loader on a machine write, with new connections all the time, until
// the function that it returns is called, and then as long again: by then the nodes have
// thrown out the CA that the loader began with, if it was thrown out in the meantime.
func loadedBeside(t *testing.T, l *lab, h home) func() {
	t.Helper()
	cmd := l.command(t.Context(), h, "stress", "write", "lab", "--rows", manyRows, "--rate", "50", "--loaders", "1", "--connections", "renew:20req", "-o", "json")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	return func() {
		t.Helper()
		time.Sleep(time.Since(began)) // what is measured is a share of this
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it says that it was interrupted
		var got load.StressResult
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Write == nil {
			t.Fatalf("the loader: %v\n%s\n%s", err, out.String(), errs.String())
		}
		t.Logf("a loader through the replacement of a CA: acknowledged %d, failed %d, unknown %d; %+v", got.Write.Acknowledged, got.Write.Failed, got.Write.Unknown, got.Write.Connections)
		if bad := got.Write.Failed + got.Write.Unknown; got.Write.Acknowledged < 100 || bad > got.Write.Acknowledged/10 {
			t.Errorf("of a loader's rows %d were acknowledged, and %d were not", got.Write.Acknowledged, bad)
		}
	}
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
