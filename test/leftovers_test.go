package test

import (
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crossring/internal/run"
	"crossring/provision/local/procs"
)

// listeners lists the addresses that a process listens on.
func listeners(t *testing.T, pid int) []string {
	t.Helper()
	socks, err := procs.Sockets()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, s := range socks {
		if s.Listening && procs.HasSocket(pid, s.Inode) {
			all = append(all, s.Local.String())
		}
	}
	slices.Sort(all)
	return all
}

// TestLeavesNothingBehind makes and removes a cluster in an environment of its
// own, does to it what leaves traces, and looks for them.
func TestLeavesNothingBehind(t *testing.T) {
	beside(t, 2, ccmAddresses)
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			if version != oldest {
				needLong(t)
			}
			testLeavesNothing(t, version)
		})
	}
}

func testLeavesNothing(t *testing.T, version string) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	h := newHome(t)
	// A home and a place for temporary files that are empty, so that whatever is
	// put there shows. The jars come from where they always are.
	userHome, tmp, work := t.TempDir(), t.TempDir(), t.TempDir()
	h.env = []string{"HOME=" + userHome, "TMPDIR=" + tmp, "XDG_CACHE_HOME=" + cache, "XDG_STATE_HOME=", "XDG_CONFIG_HOME="}
	h.dir = work
	before := litter(t)
	// The cache is everybody's; what belongs to this version is not touched by a
	// cluster of another.
	jars := filepath.Join(cache, "crossring", "jars", version)
	jarsBefore := files(t, jars)

	c := h.up(t, "traces", oneByOne("traces", version))
	inv, _ := h.inventory(t, c.name)
	slot := netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(inv.Local.Slot), 0, 0}), 16)
	pids := map[int]bool{}
	look := func() {
		t.Helper()
		for _, p := range h.processes(t) {
			pids[p.pid] = true
			for _, a := range listeners(t, p.pid) {
				if at := netip.MustParseAddrPort(a); !slot.Contains(at.Addr()) {
					t.Errorf("process %d of the cluster listens on %s, outside of %s", p.pid, a, slot)
				}
			}
		}
	}
	look()
	if len(pids) != 3 { // two servers and the keeper
		t.Errorf("%d processes, want 3", len(pids))
	}
	c.must(t, "repro", c.name, "--rows", "500")
	c.must(t, "nodetool", c.name+":1", "status")
	c.must(t, "nodetool", c.name+":2", "ring")
	look()
	// What ends without warning cannot tidy up.
	for _, pid := range h.servers(t) {
		kill9(t, pid)
	}
	eventually(t, patience, "the keeper has seen both servers end", func() bool {
		l := decode[run.Listing](t, h.must(t, "ls", "-o", "json"))
		return len(l.Clusters) == 1 && l.Clusters[0].Running == 0
	})
	c.must(t, "up", c.name)
	look()
	c.must(t, "nodetool", c.name+":1", "info")
	if len(pids) != 5 {
		t.Errorf("%d processes in all, want 5", len(pids))
	}
	// All at once, and the keeper first, who would have tidied up.
	kill9(t, h.keeper(t))
	for _, pid := range h.servers(t) {
		kill9(t, pid)
	}
	c.must(t, "down", c.name)

	h.checkGone(t, inv)
	for what, dir := range map[string]string{"home": userHome, "directory of temporary files": tmp, "working directory": work} {
		for _, f := range files(t, dir) {
			t.Errorf("left in the %s: %s", what, f)
		}
	}
	if after := files(t, jars); !slices.Equal(after, jarsBefore) {
		t.Errorf("the jars of %s were complete before, and has changed: %d files, now %d", version, len(jarsBefore), len(after))
	}
	// /tmp is everybody's: what names one of our processes is ours.
	for _, f := range litter(t) {
		for pid := range pids {
			if strings.HasSuffix(f, fmt.Sprint(pid)) {
				t.Errorf("left by process %d: %s", pid, f)
			}
		}
		if named := strings.Contains(f, "_pid") || strings.Contains(f, "hsperfdata_"); !named && !slices.Contains(before, f) {
			t.Errorf("left: %s", f)
		}
	}
}

// litter lists what a JVM and Cassandra's libraries leave in the system's
// directory of temporary files, whatever TMPDIR says.
func litter(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{
		"hsperfdata_*/*", ".java_pid*", ".attach_pid*", "liblz4*", "jna*", "snappy*", "libnetty*", "libsnappy*", "libjffi*", "jffi*", "jolokia*", "hs_err*",
	} {
		found, err := filepath.Glob(filepath.Join("/tmp", pattern))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

// files lists everything below a directory that is not a directory itself; empty
// directories are listed, too.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		if d.IsDir() {
			if entries, err := os.ReadDir(path); err != nil || len(entries) > 0 {
				return err
			}
		}
		all = append(all, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
