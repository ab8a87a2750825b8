package prepare

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossring/internal/topology"
)

// scripts are all that this package has root run. notWalked are those that need what a
// jail has not, and why they lead root nowhere.
var (
	scripts = map[string]string{
		"asScript": asScript, "ourScript": ourScript, "takeScript": takeScript, "putScript": putScript, "readScript": readScript,
		"claimScript": claimScript, "userScript": userScript, "markScript": markScript, "dirsScript": dirsScript, "javaScript": javaScript,
		"haveScript": haveScript, "unpackScript": unpackScript, "removeScript": removeScript, "releaseScript": releaseScript,
		"requestScript": requestScript, "identityScript": identityScript, "aliveScript": aliveScript, "startScript": startScript,
		"stopScript": stopScript, "stateScript": stateScript, "unitScript": unitScript, "stopUnitScript": stopUnitScript, "stateUnitScript": stateUnitScript,
		"tailScript": tailScript, "archiveScript": archiveScript, "describeScript": describeScript, "factsScript": factsScript,
		"mountedScript": mountedScript, "unmountScript": unmountScript, "aptScript": aptScript,
	}
	notWalked = map[string]string{
		"fetchScript":  "a download, into the state directory alone",
		"blankScript":  "devices, which the person names",
		"surveyScript": "devices",
		"formatScript": "devices",
		"mountScript":  "devices, and /fs, which is root's",
	}
)

// Whatever root does on a machine, from its first question to the removal: no name in a
// directory of the server's user is followed, written, changed or run, and no password is
// an argument of a command. All is traced.
func TestRootGoesByNoNameOfTheUsers(t *testing.T) {
	j := newJail(t, true)
	req := jailedNode(t, j)
	s := Server{Machine: j, Node: req.Node, ID: req.ID, Main: "Main"}
	lifeOf(t, j, req, s)

	// Under systemd, too, as far as that is root's: what is put in its place only notes.
	if err := put(j.at("jail/systemctl"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(j.at("etc/systemd/system"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.Systemd = true
	if _, err := Prepare(t.Context(), j, req); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), filepath.Join(req.Node.Layout.Conf, unit), []byte("[Service]\nUser=cassandra\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(j.at(unitPath)); err != nil || !strings.Contains(string(data), "User=cassandra") {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := s.State(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Stop(t.Context(), time.Second); err != nil {
		t.Error(err)
	}
	removed(t, j, req)

	if len(j.theirs) < 6 || !j.theirs[req.Node.Layout.Data] || !j.theirs[req.Node.Layout.Tmp] || j.theirs[req.Node.Layout.Conf] {
		t.Errorf("the user's directories are %v", slices.Sorted(maps.Keys(j.theirs)))
	}
	for _, step := range j.led() {
		t.Error(step)
	}
	for _, command := range j.told(password) {
		t.Errorf("everybody on the machine may read the password: %s", command)
	}
	if len(j.told(req.ID)) == 0 {
		t.Error("no argument was seen at all")
	}
	for name, script := range scripts {
		if !slices.ContainsFunc(j.ran, func(ran string) bool { return strings.Contains(ran, script) }) {
			t.Errorf("%s was not run: nothing is known of what root does in it", name)
		}
	}
}

// password opens the JKS store of lifeOf.
const password = "sesame-opens"

// lifeOf has all that is done for a node on a machine be done, some of it twice.
func lifeOf(t *testing.T, j *jail, req Request, s Server) {
	t.Helper()
	ctx, l := t.Context(), req.Node.Layout
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var res Result
	for range 2 {
		var err error
		res, err = Prepare(ctx, j, req)
		must(err)
	}
	s.Node.Host.Java = res.Java
	for _, name := range []string{"cassandra.yaml", "jvm.options", unit, "cassandra.yaml"} {
		must(s.Put(ctx, filepath.Join(l.Conf, name), []byte("# "+name+"\n"), 0o644))
	}
	for _, kind := range []string{"pem", "jks"} {
		request, err := s.MakeKey(ctx, l.TLSDir(), "ecdsa-p256")
		must(err)
		chain := signed(t, request)
		must(s.Put(ctx, filepath.Join(l.TLSDir(), "ca.pem"), chain, 0o644))
		must(s.PutIdentity(ctx, l.TLSDir(), kind, chain, password))
		back, err := Read(ctx, j, req.Node, filepath.Join(l.TLSDir(), "chain.pem"))
		if err != nil || string(back) != string(chain) {
			t.Errorf("%s: %q, %v", kind, back, err)
		}
	}
	must(s.PutIdentity(ctx, l.TLSDir(), "pem", signed(t, waits(t, s)), password))
	for range 2 {
		must(s.Start(ctx))
	}
	p := state(t, s)
	if !p.Running {
		t.Fatalf("%+v", p)
	}
	uid, _ := j.user()
	info, err := os.Stat("/proc/" + strconv.Itoa(p.PID) + "/stat")
	if err != nil || int(info.Sys().(*syscall.Stat_t).Uid) != uid {
		t.Errorf("the server is not the user's: %v", err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		lines, err := s.Tail(ctx, 3)
		must(err)
		if len(lines) == 1 && lines[0] == "started" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("its log is %q", lines)
		}
	}
	for _, dir := range []string{l.Conf, l.Log} {
		if archive, err := Archive(ctx, j, req.Node, dir); err != nil || archive == "" {
			t.Errorf("%s: %d bytes, %v", dir, len(archive), err)
		}
	}
	if text, err := Describe(ctx, j, req.Node); err != nil || !strings.Contains(text, "Max open files") {
		t.Errorf("%v, %s", err, text)
	}
	must(s.Stop(ctx, 10*time.Second))
	if p := state(t, s); p.Running || p.Ended != "signal 15" {
		t.Errorf("%+v", p)
	}
	_, err = Claimed(ctx, j, req.Node)
	must(err)
	owners(t, j, req)
	removed(t, j, req)
}

// waits makes a key that waits for its certificate, twice: it is the same, and both
// requests say all that is to be signed.
func waits(t *testing.T, s Server) (request []byte) {
	t.Helper()
	name := pkix.Name{Country: []string{"US"}, Organization: []string{`A/B+C\D, Ltd`}, OrganizationalUnit: []string{"Zürich"}, CommonName: "us-east-1-1"}
	ips := []netip.Addr{netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2001:db8::1")}
	var key []byte
	for range 2 {
		var err error
		if request, err = s.WaitingKey(t.Context(), s.Node.Layout.TLSDir(), "ecdsa-p256", name, ips); err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(request)
		if block == nil {
			t.Fatalf("no request: %q", request)
		}
		csr, err := x509.ParseCertificateRequest(block.Bytes)
		if err != nil || csr.CheckSignature() != nil {
			t.Fatal(err)
		}
		if csr.Subject.String() != name.String() || len(csr.IPAddresses) != 2 || csr.IPAddresses[0].String() != "203.0.113.10" || csr.IPAddresses[1].String() != "2001:db8::1" {
			t.Errorf("asked for %q, %v", csr.Subject, csr.IPAddresses)
		}
		var uses []string
		for _, e := range csr.Extensions {
			uses = append(uses, fmt.Sprintf("%s %t %x", e.Id, e.Critical, e.Value))
		}
		for _, want := range []string{"2.5.29.37 false 301406082b0601050507030106082b06010505070302", "2.5.29.15 true 03020780"} {
			if !slices.Contains(uses, want) {
				t.Errorf("no %s in %q", want, uses)
			}
		}
		if key != nil && !bytes.Equal(key, csr.RawSubjectPublicKeyInfo) {
			t.Error("a key that waits is replaced")
		}
		key = csr.RawSubjectPublicKeyInfo
	}
	return request
}

// owners looks at who owns what, and who may read it.
func owners(t *testing.T, j *jail, req Request) {
	t.Helper()
	l := req.Node.Layout
	uid, gid := j.user()
	look := func(p string, uid, gid int, mode fs.FileMode) {
		t.Helper()
		info, err := os.Lstat(j.at(p))
		if err != nil {
			t.Error(err)
			return
		}
		st := info.Sys().(*syscall.Stat_t)
		if int(st.Uid) != uid || int(st.Gid) != gid || info.Mode().Perm() != mode {
			t.Errorf("%s: %d:%d %v, want %d:%d %v", p, st.Uid, st.Gid, info.Mode(), uid, gid, mode)
		}
	}
	for _, d := range append(req.rootDirs(), l.TLSDir()) {
		look(d, 0, 0, 0o755)
	}
	for _, d := range []string{l.Data, l.Commitlog, l.SavedCaches, l.Hints, l.CDC, l.Log, l.Home, l.Tmp} {
		look(d, uid, gid, 0o755)
	}
	for _, f := range []string{l.Conf + "/cassandra.yaml", l.Conf + "/" + unit, l.TLSDir() + "/node.pem", l.TLSDir() + "/node.jks", l.TLSDir() + "/ca.pem"} {
		look(f, 0, gid, 0o640)
	}
}

func removed(t *testing.T, j *jail, req Request) {
	t.Helper()
	left, err := Remove(t.Context(), j, req)
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	for _, d := range append(req.marked(), stateDir(req.Node), req.home(), req.Node.Layout.Root) {
		if _, err := os.Lstat(j.at(d)); !os.IsNotExist(err) {
			t.Errorf("%s: %v", d, err)
		}
	}
	if uid, _ := j.user(); uid >= 0 {
		t.Errorf("the user is still there: %d", uid)
	}
}

// A script that is new has to be walked, or to have a reason.
func TestEveryScriptIsWalked(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for _, id := range spec.Names {
				_, walked := scripts[id.Name]
				if _, reason := notWalked[id.Name]; strings.HasSuffix(id.Name, "Script") && !walked && !reason {
					t.Errorf("%s: %s is not walked by TestRootGoesByNoNameOfTheUsers", f, id.Name)
				}
			}
			return true
		})
	}
}

// A machine that an older crossring prepared, on which the user has put links, files and
// directories wherever it could: none of it becomes root's word, and up, start and down
// do their work.
func TestAMachineOfAnOlderCrossring(t *testing.T) {
	j := newJail(t, false)
	req := jailedNode(t, j)
	ctx, l := t.Context(), req.Node.Layout
	s := Server{Machine: j, Node: req.Node, ID: req.ID, Main: "Main"}
	res, err := Prepare(ctx, j, req)
	if err != nil {
		t.Fatal(err)
	}
	s.Node.Host.Java = res.Java
	older := func(plant string) {
		t.Helper()
		// As it was: everything the user's, and the marks in the directories.
		_, err := j.Script(ctx, "as an older crossring left it", `id=$1 conf=$2; shift 2
rm -f /var/lib/crossring/marks
mkdir -p "$conf/tls"
for d in "$@"; do rm -f "$d/.crossring"; echo "$id" >"$d/.crossring"; chown cassandra:cassandra "$d"; done
for f in cassandra.yaml cassandra.service jvm.options; do echo "# $f" >"$conf/$f"; chmod 644 "$conf/$f"; done
echo "[Service]" >"$conf/cassandra.service"
for f in node.jks chain.pem; do echo "old $f" >"$conf/tls/$f"; done
chmod 755 "$conf/tls"; chmod 600 "$conf/tls/node.jks"; chown cassandra "$conf/tls/node.jks"
`+plant, append([]string{req.ID, l.Conf}, req.marked()...)...)
		if err != nil {
			t.Fatal(err)
		}
	}
	as := func(script string) string { return "runuser -u cassandra -- sh -euc '" + script + "'\n" }
	victims := []string{"root/victim", "root/other"}
	for _, v := range victims {
		if err := put(j.at(v), []byte("root's"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	unharmed := func(what string) {
		t.Helper()
		for _, v := range victims {
			info, err := os.Stat(j.at(v))
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if data, _ := os.ReadFile(j.at(v)); string(data) != "root's" || info.Mode() != 0o600 || info.Sys().(*syscall.Stat_t).Uid != 0 {
				t.Errorf("%s: %s is now %q, %v", what, v, data, info.Mode())
			}
		}
		for _, d := range []string{"etc", "root"} {
			if info, err := os.Stat(j.at(d)); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
				t.Errorf("%s: %s is not root's any more: %v", what, d, err)
			}
		}
	}
	if err := errors.Join(put(j.at("jail/systemctl"), []byte("#!/bin/sh\n"), 0o755), os.MkdirAll(j.at("etc/systemd/system"), 0o755)); err != nil {
		t.Fatal(err)
	}
	systemd := s
	systemd.Systemd = true
	links := "for f in cassandra.yaml cassandra.yaml.new jvm.options tls; do mv /etc/cassandra/$f /etc/cassandra/$f.$$ 2>/dev/null || true; ln -s /root/victim /etc/cassandra/$f; done\n" +
		"for d in /var/log/cassandra /var/lib/cassandra; do for f in crossring.pid crossring.pid.new crossring.exit system.log stdout.log; do ln -sf /root/victim $d/$f; done; done\n" +
		"rm -rf /var/lib/cassandra/tmp; ln -s /root /var/lib/cassandra/tmp\n"
	for _, c := range []struct {
		name, plant string
		undo        string // what Prepare refuses
		missing     bool   // of Start with systemd
	}{
		{name: "as it was"},
		{name: "links", plant: as(links)},
		{name: "hard links", plant: "sysctl -q fs.protected_hardlinks >/dev/null\n" + as("rm -f /etc/cassandra/jvm.options; ln /etc/cassandra/cassandra.yaml /etc/cassandra/jvm.options || true")},
		{name: "directories", plant: as("for f in cassandra.yaml jvm.options .crossring.d; do rm -rf /etc/cassandra/$f; mkdir -p /etc/cassandra/$f/a; done")},
		{name: "a unit of its own", missing: true, plant: as("rm -f /etc/cassandra/cassandra.service; printf \"[Service]\\nUser=root\\nExecStart=/tmp/evil\\n\" >/etc/cassandra/cassandra.service")},
		{name: "a link for a mark", undo: "rm /var/log/cassandra/.crossring; echo " + req.ID + " >/var/log/cassandra/.crossring", plant: as("echo x >/var/log/cassandra/x; ln -sf /root/victim /var/log/cassandra/.crossring")},
		{name: "a link for the data", undo: "rm /fs/fs1/cassandra/data; mv /fs/fs1/cassandra/was /fs/fs1/cassandra/data", plant: as("mv /fs/fs1/cassandra/data /fs/fs1/cassandra/was; ln -s /etc /fs/fs1/cassandra/data")},
		{name: "the configuration again and again", plant: "setsid " + strings.TrimSuffix(as("while [ -e /var/lib/cassandra ]; do for f in cassandra.yaml cassandra.yaml.new cassandra.service; do ln -sfn /root/victim /etc/cassandra/$f; done; done"), "\n") + " </dev/null >/dev/null 2>&1 &\n", missing: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			older(c.plant)
			// start, without an up before.
			err := systemd.Start(ctx)
			var missing *MissingUnitError
			if c.missing && err != nil && !errors.As(err, &missing) || !c.missing && err != nil {
				t.Errorf("start: %v", err)
			}
			if data, _ := os.ReadFile(j.at(unitPath)); strings.Contains(string(data), "User=root") || strings.Contains(string(data), "root's") {
				t.Errorf("root is to run %q", data)
			}
			unharmed("start")
			older(c.plant)
			_, err = Prepare(ctx, j, req)
			var foreign *ForeignError
			if c.undo != "" {
				if !errors.As(err, &foreign) {
					t.Errorf("up: %v", err)
				}
				unharmed("up")
				if _, err := j.Script(ctx, "undo", c.undo); err != nil {
					t.Fatal(err)
				}
				if _, err := Prepare(ctx, j, req); err != nil {
					t.Fatal(err)
				}
			} else if err != nil {
				t.Fatalf("up: %v", err)
			}
			for _, name := range []string{"cassandra.yaml", "jvm.options", unit} {
				if err := s.Put(ctx, filepath.Join(l.Conf, name), []byte("# "+name+"\n[Service]\nUser=cassandra\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := systemd.Start(ctx); err != nil {
				t.Errorf("start after up: %v", err)
			}
			if _, err := s.Tail(ctx, 3); err != nil {
				t.Error(err)
			}
			if text, err := Archive(ctx, j, req.Node, l.Log); err != nil || strings.Contains(text, "root's") {
				t.Errorf("%v", err)
			}
			unharmed("up")
			if c.undo == "" {
				older(c.plant)
			}
			if left, err := Remove(ctx, j, req); err != nil || len(left) > 0 && !slices.Equal(left, []string{"user cassandra"}) {
				t.Errorf("down: %v, %v", left, err)
			}
			unharmed("down")
			if _, err := os.Lstat(j.at(l.Conf)); !os.IsNotExist(err) {
				t.Errorf("%v", err)
			}
			if _, err := j.Script(ctx, "forget", `rm -rf /var/lib/crossring /opt/cassandra*; userdel -f cassandra 2>/dev/null || true`); err != nil {
				t.Fatal(err)
			}
			if _, err := Prepare(ctx, j, req); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A server that an older crossring started without systemd is found and stopped; what its
// user says is a server, and is not the user's, is nobody's business to kill.
func TestAServerOfAnOlderCrossring(t *testing.T) {
	j := newJail(t, false)
	req := jailedNode(t, j)
	ctx := t.Context()
	if _, err := Prepare(ctx, j, req); err != nil {
		t.Fatal(err)
	}
	s := Server{Machine: j, Node: req.Node, ID: req.ID, Main: "Main"}
	start := func(user string) {
		t.Helper()
		_, err := j.Script(ctx, "start as an older crossring did", `setsid runuser -u "$1" -- sh -c 'sleep 600 & echo "$! $(cut -d " " -f 22 /proc/$!/stat)" >/tmp/pid.new; mv /tmp/pid.new /tmp/pid; wait $!; echo $? >/var/lib/cassandra/crossring.exit' >/dev/null 2>&1 </dev/null &
while [ ! -s /tmp/pid ]; do sleep 0.1; done
runuser -u cassandra -- sh -c 'rm -f /var/lib/cassandra/crossring.exit; cat /tmp/pid >/var/lib/cassandra/crossring.pid'; rm -f /tmp/pid`, user)
		if err != nil {
			t.Fatal(err)
		}
	}
	start("cassandra")
	p := state(t, s)
	if !p.Running {
		t.Fatalf("%+v", p)
	}
	if err := s.Stop(ctx, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if p := state(t, s); p.Running || p.Ended != "signal 15" {
		t.Errorf("%+v", p)
	}
	start("root") // root's, and noted by the user
	pid := strings.Fields(string(readJail(t, j, "var/lib/cassandra/crossring.pid")))[0]
	if p := state(t, s); p.Running {
		t.Errorf("%+v", p)
	}
	if err := s.Stop(ctx, time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/" + pid); err != nil {
		t.Errorf("root killed a process of its own that the user named: %v", err)
	}
	if _, err := j.Script(ctx, "end it", `kill "$1"`, pid); err != nil {
		t.Error(err)
	}
}

func readJail(t *testing.T, j *jail, p string) []byte {
	t.Helper()
	data, err := os.ReadFile(j.at(p))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Put writes whole files, leaves one with the same bytes alone, and follows nothing.
func TestPut(t *testing.T) {
	root := t.TempDir()
	n := topology.Node{Name: "a", Host: &topology.Host{Root: root}, Layout: topology.HostLayout(root, topology.Disks{Data: "fs1", Commitlog: "fs1", SavedCaches: "fs1"})}
	s := Server{Machine: here{}, Node: n}
	file := filepath.Join(n.Layout.Conf, "it's a file")
	data := []byte("one\x00two\n")
	if err := s.Put(t.Context(), file, data, 0o640); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if got, _ := os.ReadFile(file); err != nil || string(got) != string(data) || info.Mode() != 0o640 {
		t.Errorf("%q %v, %v", got, info.Mode(), err)
	}
	if err := s.Put(t.Context(), file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := os.Stat(file)
	if err != nil || !os.SameFile(info, again) || !again.ModTime().Equal(info.ModTime()) || again.Mode() != 0o600 {
		t.Errorf("the same bytes made another file, or its mode is wrong: %v, %v", again, err)
	}
	if err := s.Put(t.Context(), filepath.Join(file, "below a file"), data, 0o600); err == nil {
		t.Error("a file below a file was written")
	}
	victim := filepath.Join(t.TempDir(), "victim")
	if err := errors.Join(os.WriteFile(victim, []byte("mine"), 0o600), os.Remove(file), os.Symlink(victim, file)); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(victim); string(got) != "mine" {
		t.Errorf("a link was followed: %q", got)
	}
	entries, err := os.ReadDir(n.Layout.Conf)
	if err != nil || len(entries) != 1 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// signed makes a certificate for a request, by a CA that is gone afterwards.
func signed(t *testing.T, request []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(request)
	if block == nil {
		t.Fatalf("no request: %q", request)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: csr.Subject, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, &x509.Certificate{Subject: pkix.Name{CommonName: "CA"}}, csr.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
