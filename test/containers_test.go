package test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossring/internal/fail"
	"crossring/internal/pki/verbs"
	"crossring/internal/release/releasetest"
	"crossring/internal/report"
	"crossring/internal/run"
	"crossring/internal/trust"
	"crossring/ringcheck"
	"crossring/test/debian"
)

// podman is Podman, and its Docker API, for one test: with a configuration of its own,
// on a socket of its own, and with the images of this computer.
type podman struct {
	env []string
	url string
}

// startPodman starts the API, and skips the test where that can't be done.
func startPodman(t *testing.T) podman {
	t.Helper()
	if why := withPodman(cell{version: newest}); why != "" {
		t.Skip(why)
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "containers.conf")
	writeFile(t, conf, "[engine]\nruntime = \"runc\"\n")
	socket := filepath.Join(dir, "s")
	p := podman{env: []string{"CONTAINERS_CONF=" + conf}, url: "unix://" + socket}
	cmd := exec.Command("podman", "system", "service", "--time=0", p.url)
	cmd.Env = append(os.Environ(), p.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed, and says so
	})
	eventually(t, time.Minute, "podman's API listens", func() bool {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return p
}

// do runs one of podman's own commands.
func (p podman) do(t *testing.T, stdin io.Reader, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "podman", args...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdin = stdin
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("podman %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// image is the name of an image with a Cassandra in it as the official one has it:
// the official one can't be pulled everywhere. It is made of Debian's own packages and
// the jars in the cache, once; the Debian in it is kept for all versions.
func (p podman) image(t *testing.T, version string) string {
	t.Helper()
	name := testImage(version)
	if exec.Command("podman", "image", "exists", name).Run() == nil {
		return name
	}
	base, err := baseImage()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "root")
	sh := func(script string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-euc", script, "sh", root, base}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("making image %s: %v\n%s", name, err, out)
		}
	}
	if err := debian.Keep(t.Context(), base); err != nil {
		t.Skip("there is no image to test with: ", err)
	}
	sh(`mkdir "$1"; tar x -C "$1" -f "$2"`)
	jars := filepath.Join(filepath.Dir(base), "jars", version)
	if _, err := os.Stat(jars); err != nil {
		h := newHome(t) // crossring fetches them
		h.must(t, "up", "--until", "provision", "-f", h.spec(t, ccmSpec("jars", version, venv(t, ccmVersion), []int{1}, "")))
	}
	sh(`cd "$1"; mkdir -p opt/cassandra/lib etc/cassandra var/lib/cassandra var/log/cassandra
		for jar in "$3"/*.jar; do case $jar in */jolokia*) ;; *) cp "$jar" opt/cassandra/lib/ ;; esac; done
		printf '#!/bin/sh\nset -e\nexec "$@"\n' >usr/local/bin/docker-entrypoint.sh
		chmod 755 usr/local/bin/docker-entrypoint.sh
		chown -R 999 var/lib/cassandra var/log/cassandra etc/cassandra
		tar c . | podman import --change 'ENTRYPOINT ["docker-entrypoint.sh"]' --change 'CMD ["cassandra","-f"]' --change "ENV CASSANDRA_VERSION=$4" - "$5"`,
		jars, version, name)
	return name
}

// testImage is the name of the image of a version.
func testImage(version string) string { return "localhost/crossring-test/cassandra:" + version }

// baseImage is where the Debian is kept that the images are made of.
func baseImage() (string, error) {
	cache, err := os.UserCacheDir()
	return debian.Archive(filepath.Join(cache, "crossring")), err
}

// containerSpec is the spec of a cluster of containers.
func containerSpec(name, version, image, api string) string {
	return fmt.Sprintf(`version: crossring/v1
name: %s
cassandra: %q
provider: containers
containers: {image: %q, docker_host: %q}
heap_mb: 384
regions:
- {region: us-east-1}
- {region: us-west-2}
`, name, version, image, api)
}

// left lists the containers and networks of a cluster.
func (p podman) left(t *testing.T, name string) string {
	t.Helper()
	label := "label=crossring.cluster=" + name
	return p.do(t, nil, "ps", "--all", "--quiet", "--filter", label) + p.do(t, nil, "network", "ls", "--quiet", "--filter", label)
}

// The whole way in containers, with TLS: up, the experiment, new certificates, a container
// that is killed, and nothing left.
func TestContainers(t *testing.T) {
	beside(t, 2, podmanEngine)
	p := startPodman(t)
	image := p.image(t, newest)
	volumes := p.do(t, nil, "volume", "ls", "--quiet")
	h := newHome(t)
	c := h.up(t, "boxes", containerSpec("boxes", newest, image, p.url)+"tls: {}\n")
	inv, _ := h.inventory(t, c.name)
	// The names, tokens and versions that were planned are those of the servers.
	ring := decode[ringcheck.Ring](t, h.must(t, "ring", c.name, "-o", "json"))
	if len(ring.Mismatches) != 0 || len(ring.Datacenters) != 2 || ring.Datacenters[0].Name != "us-east" || ring.Datacenters[1].Name != "us-west-2" {
		t.Fatalf("%+v", ring)
	}
	before := decode[run.NodesResult](t, h.must(t, "start", c.name, "-o", "json"))
	h.must(t, "up", c.name)
	after := decode[run.NodesResult](t, h.must(t, "start", c.name, "-o", "json"))
	for i, n := range before.Nodes {
		if !n.Running || n.PID != after.Nodes[i].PID {
			t.Errorf("a second up made %v of %v", after.Nodes[i], n)
		}
	}
	c.checkDoors(t)
	const rows = 3000
	doc := decode[report.Document](t, h.must(t, "repro", c.name, "--rows", strconv.Itoa(rows), "-o", "json"))
	if doc.Write == nil || doc.Write.Acknowledged != rows || doc.Read == nil || doc.Read.Found != rows {
		t.Fatalf("%+v, %+v", doc.Write, doc.Read)
	}
	for dc, s := range map[string]map[string]int64{"us-east": doc.Write.Coordinators, "us-west-2": doc.Read.Coordinators} {
		if n := inv.InDatacenter(dc)[0]; s[n.PublicAddress] < rows || len(s) != 1 {
			t.Errorf("%s was loaded by way of %v", dc, s)
		}
	}
	r := h.must(t, "cql", c.name+":2", "SELECT data_center, rack, listen_address FROM system.local", "-o", "json")
	if row := decode[run.CQLResult](t, r).Results[0].Rows[0]; fmt.Sprint(row) != fmt.Sprintf("[us-west-2 2a %s]", inv.Nodes[1].PrivateAddress) {
		t.Error(r)
	}
	if r := h.must(t, "logs", c.name+":1", "--lines", "3"); strings.Count(r.stdout, "\n") != 3 || !strings.Contains(r.stdout, "INFO") {
		t.Error(r)
	}

	// Each node is dialled from the other's container, and by clients from its own.
	verified := func() {
		t.Helper()
		if got := decode[verbs.ClusterVerifyResult](t, h.must(t, "pki", "verify", c.name, "-o", "json")); !got.OK || len(got.Ways) != 4 {
			t.Errorf("%+v, %d ways", got.Wrong, len(got.Ways))
		}
	}
	verified()
	if long() {
		for _, flags := range [][]string{nil, {"--ca"}} {
			got := decode[trust.RotateResult](t, h.must(t, append([]string{"pki", "rotate", c.name, "-o", "json"}, flags...)...))
			if !got.Done || got.Method != "reload" || got.CA != (flags != nil) {
				t.Errorf("%+v", got)
			}
			verified()
		}
	}

	p.do(t, nil, "kill", inv.Containers.IDs["us-west-2-1"])
	eventually(t, time.Minute, "the killed container is seen as gone", func() bool {
		r := h.run(t.Context(), "ring", c.name)
		return r.code == fail.ExitRing && strings.Contains(r.stderr, "us-west-2-1")
	})
	h.must(t, "start", c.name+":2")
	h.must(t, "up", c.name) // gossip takes a moment to reach all

	h.must(t, "down", c.name)
	if left := p.left(t, c.name); left != "" {
		t.Errorf("left behind: %s", left)
	}
	if now := p.do(t, nil, "volume", "ls", "--quiet"); now != volumes {
		t.Errorf("volumes now %s, and before %s", now, volumes)
	}
	if left, err := filepath.Glob(filepath.Join(h.state, "clusters", "*")); err != nil || len(left) > 0 {
		t.Errorf("%v (%v)", left, err)
	}
	h.want(t, fail.ExitFailure, "ring", c.name)
}

// An image that is not what the spec says is found out before anything is started, and
// leaves nothing.
func TestContainersThatCannotBeUsed(t *testing.T) {
	beside(t, 0, podmanEngine)
	h := newHome(t)
	up := func(code int, spec string, words ...string) {
		t.Helper()
		checkSays(t, h.want(t, code, "up", "-f", h.spec(t, spec)), words...)
		if left, err := filepath.Glob(filepath.Join(h.state, "clusters", "*")); err != nil || len(left) > 0 {
			t.Errorf("%v (%v)", left, err)
		}
	}
	up(fail.ExitPrerequisite, containerSpec("none", newest, "some/image:1", "unix:///nonesuch/docker.sock"), "Docker API", "nonesuch", "podman system service")
	old := strings.Replace(containerSpec("none", releasetest.Of("3.11"), "x", "unix:///nonesuch/docker.sock"), `image: "x", `, "", 1)
	up(fail.ExitUsage, old, "containers.image", "Java 11")
	if long() { // one that takes a connection and never says a word: no real one does on request
		l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		up(fail.ExitPrerequisite, containerSpec("none", newest, "some/image:1", "unix://"+l.Addr().String()), "does not answer")
	}

	p := startPodman(t)
	make := func(name string, changes ...string) string {
		t.Helper()
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		name = "localhost/crossring-test/" + name + ":1"
		args := []string{"import"}
		for _, c := range changes {
			args = append(args, "--change", c)
		}
		p.do(t, &b, append(args, "-", name)...)
		t.Cleanup(func() {
			cmd := exec.CommandContext(context.Background(), "podman", "rmi", name)
			cmd.Env = append(os.Environ(), p.env...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
		return name
	}
	other := releasetest.Of("4.1")
	for _, tt := range []struct {
		image string
		words []string
	}{
		{make("empty"), []string{"no Cassandra in it", "docker images"}},
		{make("other", "ENV CASSANDRA_VERSION="+other), []string{"it has Cassandra " + other + ", not " + newest}},
		{"localhost/crossring-test/nonesuch:1", []string{"nonesuch:1", "can't be had"}},
	} {
		up(fail.ExitPrerequisite, containerSpec("none", newest, tt.image, p.url), slices.Concat(tt.words, []string{"image"})...)
		if left := p.left(t, "none"); left != "" {
			t.Errorf("%s left behind: %s", tt.image, left)
		}
	}
}
