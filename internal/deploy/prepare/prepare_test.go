package prepare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crossring/internal/release"
	"crossring/internal/release/releasetest"
	"crossring/internal/topology"
)

// here is this computer as a Machine.
type here struct{}

func (here) Script(ctx context.Context, name, script string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-s", "--"}, args...)...)
	cmd.Stdin = strings.NewReader("set -eu\n{\n" + script + "\n} </dev/null\n")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", name, err, errs.String())
	}
	return out.String(), nil
}

func (here) ScriptIn(ctx context.Context, name, script string, in []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", "set -eu\n" + script, "sh"}, args...)...)
	cmd.Stdin = bytes.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", name, err, errs.String())
	}
	return out.String(), nil
}

func put(path string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, mode)
}

func (here) Upload(_ context.Context, local, path string, mode fs.FileMode, _ func(int64, int64)) error {
	data, err := os.ReadFile(local)
	if err != nil {
		return err
	}
	return put(path, data, mode)
}

// request is one for a node below a directory of the test's own, with a Java of
// its own, so that nothing of the computer is touched.
func request(t *testing.T) Request {
	t.Helper()
	root := t.TempDir()
	disks := topology.Disks{Data: "fs1", Commitlog: "fs2", SavedCaches: "fs2"}
	rel, err := release.Find("5.0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	jar := filepath.Join(dir, "a.jar")
	if err := os.WriteFile(jar, []byte("a jar"), 0o644); err != nil {
		t.Fatal(err)
	}
	pack := filepath.Join(dir, "pack.tar")
	if err := WritePack(pack, []string{jar}, jar, jar); err != nil {
		t.Fatal(err)
	}
	jre := filepath.Join(dir, "jre")
	script := "#!/bin/sh\necho 'openjdk version \"17.0.1\" 2021-10-19' >&2\n"
	if err := put(filepath.Join(jre, "bin", "java"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	n := topology.Node{
		Name: "us-east-1-1", PrivateAddress: "127.0.0.1", Layout: topology.HostLayout(root, disks),
		Host: &topology.Host{Root: root, JavaHome: jre},
	}
	return Request{
		Cluster: "test", ID: "id-of-the-cluster", Node: n, Disks: disks, Release: rel,
		Software: Software{Pack: pack}, Fstab: filepath.Join(dir, "fstab"), Now: time.Now,
	}
}

// tree lists what is below a directory, with the times of change.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		fmt.Fprintf(&b, "%s %s", info.Mode(), rel)
		if info.Mode().IsRegular() {
			fmt.Fprintf(&b, " %d %d", info.Size(), info.ModTime().UnixNano())
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPrepareTwiceChangesNothing(t *testing.T) {
	req := request(t)
	res, err := Prepare(t.Context(), here{}, req)
	if err != nil {
		t.Fatal(err)
	}
	if res.Java != filepath.Join(req.Node.Host.JavaHome, "bin", "java") || res.Facts.CPUs < 1 || res.Facts.MemoryMB < 1 {
		t.Errorf("%+v", res)
	}
	if res.Facts.ClockOffset.Abs() > res.Facts.ClockError+time.Millisecond {
		t.Errorf("this computer's clock is %s off itself, give or take %s", res.Facts.ClockOffset, res.Facts.ClockError)
	}
	l := req.Node.Layout
	for _, p := range []string{l.Data, l.Commitlog, l.Tmp, l.Log, l.Root + "/lib/a.jar", Agent(req.Node, "jolokia"), Agent(req.Node, "jamm")} {
		if _, err := os.Stat(p); err != nil {
			t.Error(err)
		}
	}
	before := tree(t, req.Node.Host.Root)
	if _, err := Prepare(t.Context(), here{}, req); err != nil {
		t.Fatal(err)
	}
	if after := tree(t, req.Node.Host.Root); after != before {
		t.Errorf("a second time changed\n%s\nto\n%s", before, after)
	}
}

func TestRemoveLeavesNothingOfOursAndAllOfOthers(t *testing.T) {
	req := request(t)
	root := req.Node.Host.Root
	theirs := filepath.Join(root, "fs", "fs1", "somebody's")
	if err := put(theirs, []byte("data"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := tree(t, root)
	if _, err := Prepare(t.Context(), here{}, req); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(req.Node.Layout.Data, "rows.db"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if id, err := Claimed(t.Context(), here{}, req.Node); err != nil || id != req.ID {
		t.Errorf("claimed by %q, %v", id, err)
	}
	for range 2 {
		left, err := Remove(t.Context(), here{}, req)
		if err != nil || left != nil {
			t.Fatalf("left %q, %v", left, err)
		}
		if after := tree(t, root); after != before {
			t.Errorf("left\n%s\nwhere there was\n%s", after, before)
		}
	}
	if id, err := Claimed(t.Context(), here{}, req.Node); err != nil || id != "" {
		t.Errorf("still claimed by %q, %v", id, err)
	}
}

func TestAnotherClustersMachineIsRefused(t *testing.T) {
	req := request(t)
	if _, err := Prepare(t.Context(), here{}, req); err != nil {
		t.Fatal(err)
	}
	other := req
	other.ID, other.Cluster = "another", "other"
	var claimed *ClaimedError
	if _, err := Prepare(t.Context(), here{}, other); !errors.As(err, &claimed) || claimed.Cluster != "test" {
		t.Errorf("%v", err)
	}
	before := tree(t, req.Node.Host.Root)
	if _, err := Remove(t.Context(), here{}, other); err != nil {
		t.Fatal(err)
	}
	if after := tree(t, req.Node.Host.Root); after != before {
		t.Errorf("another cluster's removal changed\n%s\nto\n%s", before, after)
	}
}

func TestWhatIsThereAlreadyIsRefused(t *testing.T) {
	for _, place := range []func(topology.Layout) string{
		func(l topology.Layout) string { return l.Conf + "/cassandra.yaml" },
		func(l topology.Layout) string { return l.Data + "/system/rows.db" },
		func(l topology.Layout) string { return l.Root + "/bin/cassandra" },
	} {
		req := request(t)
		path := place(req.Node.Layout)
		if err := put(path, []byte("somebody's"), 0o644); err != nil {
			t.Fatal(err)
		}
		var foreign *ForeignError
		if _, err := Prepare(t.Context(), here{}, req); !errors.As(err, &foreign) || !strings.HasPrefix(path, foreign.Path) {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := Remove(t.Context(), here{}, req); err != nil {
			t.Error(err)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != "somebody's" {
			t.Errorf("%s: %q, %v", path, data, err)
		}
	}
}

func TestMirror(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if _, err := exec.LookPath("wget"); err != nil {
			t.Skip("there is neither curl nor wget")
		}
	}
	req := request(t)
	dir := t.TempDir()
	tarball := filepath.Join(dir, "apache-cassandra-"+releasetest.Of("5.0")+"-bin.tar.gz")
	script := `cd "$1"; mkdir -p apache-cassandra-$3/lib
echo jamm >apache-cassandra-$3/lib/jamm-0.4.0.jar; tar czf "$2" apache-cassandra-$3
sha512sum "$2" | cut -d ' ' -f 1 >"$2.sha512"`
	if _, err := (here{}).Script(t.Context(), "make a tarball", script, dir, tarball, releasetest.Of("5.0")); err != nil {
		t.Fatal(err)
	}
	serve := httpFiles(t, dir)
	req.Software = Software{Mirror: serve + filepath.Base(tarball), Jolokia: req.Software.Pack}
	if _, err := Prepare(t.Context(), here{}, req); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{req.Node.Layout.Root + "/lib/jamm-0.4.0.jar", Agent(req.Node, "jamm"), Agent(req.Node, "jolokia")} {
		if _, err := os.Stat(p); err != nil {
			t.Error(err)
		}
	}
	bad := request(t)
	bad.Software = req.Software
	bad.Software.Sum = strings.Repeat("0", 128)
	var sum *ChecksumError
	if _, err := Prepare(t.Context(), here{}, bad); !errors.As(err, &sum) {
		t.Errorf("a wrong checksum gave %v", err)
	}
}

func TestFactsAreHeldAgainstTheNeed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	req := request(t)
	req.Node.Ports = topology.Ports{Storage: l.Addr().(*net.TCPAddr).Port}
	var port *PortError
	if _, err := Prepare(t.Context(), here{}, req); !errors.As(err, &port) {
		t.Errorf("a port in use gave %v", err)
	}
	if id, err := Claimed(t.Context(), here{}, req.Node); err != nil || id != "" {
		t.Errorf("a machine that can't be used was claimed by %q, %v", id, err)
	}
	req.Node.Ports = topology.Ports{}
	req.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	var clock *ClockError
	if _, err := Prepare(t.Context(), here{}, req); !errors.As(err, &clock) || clock.Offset < 59*time.Minute {
		t.Errorf("a clock an hour off gave %v", err)
	}
	f := Facts{FreeMB: 10, OpenFiles: -1}
	var space *SpaceError
	if err := f.Check(req.Node, func(string) {}); !errors.As(err, &space) {
		t.Errorf("a full disk gave %v", err)
	}
}

func TestParseListen(t *testing.T) {
	for in, want := range map[string]string{
		"0100007F:1B58":                         "127.0.0.1:7000",
		"00000000:2352":                         "0.0.0.0:9042",
		"00000000000000000000000000000000:0016": "[::]:22",
		"0000000000000000FFFF00000100007F:1B58": "127.0.0.1:7000",
	} {
		if got, err := parseListen(in); err != nil || got.String() != want {
			t.Errorf("%s: %s, want %s (%v)", in, got, want, err)
		}
	}
	if _, err := parseListen("local_address"); err == nil {
		t.Error("a heading was taken for an address")
	}
}

// A machine that has both addresses itself listens at both, where the version can.
func TestBothAddresses(t *testing.T) {
	req := request(t)
	res, err := Prepare(t.Context(), here{}, req)
	if err != nil || !slices.Contains(res.Facts.Addresses, netip.MustParseAddr("127.0.0.1")) {
		t.Fatalf("%v, %v", res.Facts.Addresses, err)
	}
	n := req.Node
	for public, want := range map[string]bool{"127.0.0.1": false, "203.0.113.9": false, "": false} {
		if n.PublicAddress = public; res.Facts.PublicHere(n) != want {
			t.Errorf("%q: %t", public, !want)
		}
	}
	n.PrivateAddress, n.PublicAddress = "10.99.0.9", "127.0.0.1"
	if !res.Facts.PublicHere(n) {
		t.Error("its own address is not known")
	}
	req.Node = n
	if req.Release, err = release.Find("1.2"); err != nil {
		t.Fatal(err)
	}
	var two *TwoAddressesError
	if _, err := Prepare(t.Context(), here{}, req); !errors.As(err, &two) || !strings.Contains(two.Hint(), "private: 127.0.0.1") {
		t.Errorf("%v", err)
	}
}
