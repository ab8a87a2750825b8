package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossring/internal/pki/verbs"
	"crossring/internal/pki/wire"
)

// needProgram finds a program, or installs the package that has it where the test
// may do that, and skips with the reason where it may not.
func needProgram(t *testing.T, program, pkg string) string {
	t.Helper()
	// Where system programs are, which PATH may leave out.
	look := func() (string, error) {
		path, err := exec.LookPath(program)
		for _, dir := range []string{"/usr/sbin", "/sbin"} {
			if err != nil {
				path, err = exec.LookPath(filepath.Join(dir, program))
			}
		}
		return path, err
	}
	if path, err := look(); err == nil {
		return path
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		t.Skipf("there is no %s here, and it can't be installed: install the package %s", program, pkg)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, apt, "install", "-y", "--no-install-recommends", pkg).CombinedOutput(); err != nil {
		t.Skipf("there is no %s here, and installing %s failed: %v\n%s", program, pkg, err, out)
	}
	path, err := look()
	if err != nil {
		t.Skipf("the package %s has no %s", pkg, program)
	}
	return path
}

// freePorts finds ports of 127.0.0.1 that nobody listens on.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	return ports
}

// web is an nginx with an RSA and an ECDSA certificate, which resumes sessions, and
// ports with TLS 1.2: one where it does not, one where it does without tickets, by the
// name of the session, and one where it gives names and keeps none.
type web struct{ rsa, ec, forgetful, named, pretends, ca string }

func startNginx(t *testing.T, h home) web {
	t.Helper()
	nginx := needProgram(t, "nginx", "nginx-light")
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca")
	h.must(t, "pki", "init", "--dir", ca, "--region", "us-east-1")
	for _, key := range []string{"rsa-2048", "ecdsa-p256"} {
		h.must(t, "pki", "issue", key, "--dir", ca, "--region", "us-east-1", "--key", key, "--ip", "127.0.0.1", "--out", filepath.Join(dir, key))
	}
	ports := freePorts(t, 5)
	w := web{rsa: "127.0.0.1:" + ports[0], ec: "127.0.0.1:" + ports[1], forgetful: "127.0.0.1:" + ports[2],
		named: "127.0.0.1:" + ports[3], pretends: "127.0.0.1:" + ports[4], ca: filepath.Join(ca, "ca.pem")}
	server := func(address, key, more string) string {
		file := filepath.Join(dir, key, "node.pem")
		return fmt.Sprintf("server { listen %s ssl; ssl_certificate %s; ssl_certificate_key %s; %s }\n", address, file, file, more)
	}
	conf := fmt.Sprintf(`daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 512; }
http {
access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets on;
%[2]s}
`, dir, server(w.rsa, "rsa-2048", "ssl_session_cache shared:a:1m;")+server(w.ec, "ecdsa-p256", "ssl_session_cache shared:b:1m;")+
		server(w.forgetful, "ecdsa-p256", "ssl_session_cache off; ssl_session_tickets off; ssl_protocols TLSv1.2;")+
		server(w.named, "ecdsa-p256", "ssl_session_cache shared:c:1m; ssl_session_tickets off; ssl_protocols TLSv1.2;")+
		server(w.pretends, "ecdsa-p256", "ssl_session_cache none; ssl_session_tickets off; ssl_protocols TLSv1.2;"))
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.Command(nginx, "-e", filepath.Join(dir, "error.log"), "-p", dir, "-c", file)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	for _, a := range []string{w.rsa, w.ec, w.forgetful, w.named, w.pretends} {
		eventually(t, 30*time.Second, "nginx listens on "+a, func() bool {
			c, err := net.Dial("tcp", a)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
	return w
}

func TestHandshakes(t *testing.T) {
	beside(t, 0)
	h := newHome(t)
	w := startNginx(t, h)
	shapes := documentedShapes(t)
	for _, tt := range []struct {
		address, version, suite, iana string
	}{
		{w.rsa, "1.2", "ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
		{w.ec, "1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
		{w.rsa, "1.3", "", ""}, {w.ec, "1.3", "", ""},
	} {
		args := []string{"handshake", tt.address, "--time", "300ms", "--tls", tt.version, "--concurrency", "2", "-o", "json"}
		if tt.suite != "" {
			args = append(args, "--cipher", tt.suite)
		}
		r := h.must(t, args...)
		for _, problem := range shapes.check("handshake", []byte(r.stdout)) {
			t.Errorf("%s: %s", problem, r)
		}
		got := decode[verbs.HandshakeResult](t, r)
		for name, rate := range map[string]*wire.Rate{"new": got.New, "reused": got.Reused} {
			want := int64(0)
			if name == "reused" {
				want = rate.Connections
			}
			if rate.Connections == 0 || rate.Resumed != want || rate.Version != "TLS "+tt.version || rate.ClientCPUSeconds <= 0 || rate.UserSeconds > rate.ClientCPUSeconds {
				t.Errorf("%s, TLS %s, %s: %+v", tt.address, tt.version, name, *rate)
			}
		}
		if tt.iana != "" && got.New.CipherSuite != tt.iana {
			t.Errorf("asked for %s, got %s", tt.suite, got.New.CipherSuite)
		}
	}
	// A suite that the server lacks, one that nobody has, one of TLS 1.3, no session.
	for _, tt := range []struct {
		code int
		args []string
		want string
	}{
		{1, []string{w.ec, "--cipher", "AES128-SHA"}, "tls handshake with " + w.ec},
		{2, []string{w.ec, "--cipher", "NULL-MD5"}, "no cipher suite that this program has"},
		{2, []string{w.ec, "--cipher", "TLS_AES_128_GCM_SHA256"}, "choose the version 1.3 instead"},
		{2, []string{w.ec, "--tls", "1.4"}, "no TLS version that this program has"},
		{2, []string{"localhost"}, "missing port"},
		{1, []string{w.forgetful, "--reuse"}, "nothing can be resumed"},
		{1, []string{w.pretends, "--reuse"}, "did not resume one by its name when it was asked to"},
		{3, []string{w.ec, "127.0.0.1:1", "--new"}, "127.0.0.1:1"},
		{1, []string{"127.0.0.1:1"}, "refused"},
	} {
		r := h.want(t, tt.code, append([]string{"handshake", "--time", "100ms"}, tt.args...)...)
		if !strings.Contains(r.stderr, tt.want) {
			t.Errorf("want %q: %s", tt.want, r)
		}
	}
	// Asked for both, the new ones count where nothing can be resumed.
	r := h.must(t, "handshake", w.forgetful, "--time", "100ms", "-o", "json")
	if got := decode[verbs.HandshakeResult](t, r); got.New == nil || got.New.Connections == 0 || got.Reused != nil || !strings.Contains(r.stderr, "nothing can be resumed") {
		t.Errorf("%s", r)
	}
	// By name sessions are resumed, too, and counted.
	r = h.must(t, "handshake", w.named, "--reuse", "--time", "200ms", "--concurrency", "2", "-o", "json")
	if got := decode[verbs.HandshakeResult](t, r).Reused; got == nil || got.Connections == 0 || got.Resumed != got.Connections {
		t.Errorf("%s", r)
	}
	if got := decode[verbs.ShowResult](t, h.must(t, "pki", "show", "--connect", w.pretends, "-o", "json")).Wire; got.Resumption != "session-id" || got.Resumed {
		t.Errorf("a server that keeps no session: %+v", got)
	}
	shown(t, h, w, shapes)
}

// shown is what pki show sees of the same servers.
func shown(t *testing.T, h home, w web, shapes shapes) {
	for _, tt := range []struct{ address, version, resumption string }{
		{w.ec, "1.2", "ticket"}, {w.ec, "1.3", "psk"}, {w.forgetful, "1.2", "none"}, {w.named, "1.2", "session-id"}, {w.rsa, "", "psk"},
	} {
		args := []string{"pki", "show", "--connect", tt.address, "-o", "json"}
		if tt.version != "" {
			args = append(args, "--tls", tt.version)
		}
		r := h.must(t, args...)
		for _, problem := range shapes.check("pki-show", []byte(r.stdout)) {
			t.Errorf("%s: %s", problem, r)
		}
		got := decode[verbs.ShowResult](t, r)
		if got.Wire.Resumption != tt.resumption || got.Wire.Resumed != (tt.resumption != "none") || len(got.Certificates) != 2 || len(got.Order) != 0 {
			t.Errorf("%s: %s", tt.address, r)
		}
	}
}

// TestBenchHandshakes prints what crossring and openssl s_time count on the same
// server in turns.
func TestBenchHandshakes(t *testing.T) {
	needBench(t)
	openssl := needProgram(t, "openssl", "openssl")
	h := newHome(t)
	w := startNginx(t, h)
	const seconds = 3
	t.Log("connections per second of the client's user time, and per second; s_time has no TLS 1.3 resumption to count: it does not read the ticket")
	for _, key := range []struct{ name, address string }{{"P-256", w.ec}, {"RSA 2048", w.rsa}} {
		for _, version := range []string{"1.2", "1.3"} {
			got := decode[verbs.HandshakeResult](t, h.must(t, "handshake", key.address, "--time", fmt.Sprint(seconds, "s"), "--tls", version, "-o", "json"))
			for _, mode := range []struct {
				name string
				rate *wire.Rate
			}{{"new", got.New}, {"reuse", got.Reused}} {
				ours := float64(mode.rate.Connections) / mode.rate.UserSeconds
				t.Logf("%-8s TLS %s %-5s  crossring %6.0f per user s, %6.0f per CPU s, %6.0f per s, %d of %d resumed   s_time %s", key.name, version, mode.name,
					ours, mode.rate.PerCPUSecond, mode.rate.PerRealSecond, mode.rate.Resumed, mode.rate.Connections, sTime(t, openssl, key.address, version, mode.name, seconds))
			}
		}
	}
}

// sTime runs openssl s_time and returns its own sentence about rates.
func sTime(t *testing.T, openssl, address, version, mode string, seconds int) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), openssl, "s_time", "-connect", address, "-"+mode, "-time", strconv.Itoa(seconds), "-tls"+strings.ReplaceAll(version, ".", "_")).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("failed: %v", err)
	}
	var says []string
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if strings.Contains(lines.Text(), " connections in ") {
			says = append(says, lines.Text())
		}
	}
	return strings.Join(says, "; ")
}

func TestPKICommands(t *testing.T) {
	beside(t, 0)
	h := newHome(t)
	dir := t.TempDir()
	h.dir = dir
	shapes := documentedShapes(t)
	holds := func(table string, code int, args ...string) result {
		t.Helper()
		r := h.want(t, code, append(args, "-o", "json")...)
		for _, problem := range shapes.check(table, []byte(r.stdout)) {
			t.Errorf("crossring %s: %s", strings.Join(r.args, " "), problem)
		}
		return r
	}
	if err := os.WriteFile(filepath.Join(dir, "pass"), []byte("a passphrase\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ca := []string{"--dir", "ca", "--passphrase-file", "pass"}
	pki := func(verb string, args ...string) []string {
		return append(append([]string{"pki", verb}, args...), ca...)
	}
	holds("pki-ca", 0, pki("init", "--cluster", "lab", "--region", "us-east-1", "--node-dn", "CN={node},O=Example,C=DE")...)
	h.want(t, 1, pki("init")...) // there is one
	holds("pki-issue", 0, pki("issue", "n1", "--ip", "203.0.113.10", "--ip", "10.0.0.1", "--region", "us-east-1", "--format", "pem", "--format", "jks", "--format", "pkcs12", "--format", "pkcs12-legacy")...)
	h.want(t, 2, pki("issue", "n2")...)                              // no address
	h.want(t, 1, "pki", "issue", "n2", "--ip", "::1", "--dir", "ca") // no passphrase
	// Nothing private is readable by others.
	for _, name := range []string{"n1/node.pem", "n1/node.jks", "n1/password", "ca/ca.p12", "ca/ca-us-east-1.p12", "ca/index.json"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "ca/ca.key")); err == nil {
		t.Error("the CA's key lies open beside the encrypted one")
	}
	verify := []string{"pki", "verify", "--ca", "ca/ca.pem", "--purpose", "internode", "--ip", "10.0.0.1"}
	holds("pki-verify", 0, append(verify, "n1/node.pem")...)
	holds("pki-verify", 0, append(verify, "n1/node.jks", "--password-file", "n1/password")...)
	holds("pki-verify", 1, append(verify, "n1/node.pem", "--at", "2060-01-01T00:00:00Z")...)
	holds("pki-verify", 1, "pki", "verify", "--ca", "n1/node.pem", "--untrusted", "n1/node.pem", "n1/ca.pem")
	holds("pki-show", 0, "pki", "show", "n1/node.pem")
	// Java reads the stores, old and new.
	if keytool, err := exec.LookPath("keytool"); err == nil {
		pass, err := os.ReadFile(filepath.Join(dir, "n1/password"))
		if err != nil {
			t.Fatal(err)
		}
		for _, store := range []string{"node.jks", "node.p12", "node-legacy.p12", "ca.jks", "ca.p12", "ca-legacy.p12"} {
			out, err := exec.Command(keytool, "-list", "-keystore", filepath.Join(dir, "n1", store), "-storepass", strings.TrimSpace(string(pass))).CombinedOutput()
			want := map[bool]string{true: "PrivateKeyEntry", false: "trustedCertEntry"}[strings.HasPrefix(store, "node")]
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("keytool %s: %v\n%s", store, err, out)
			}
		}
	} else {
		t.Log("no keytool here: that Java reads the stores was not checked")
	}
	// A key that stays where it was made, by openssl.
	if openssl, err := exec.LookPath("openssl"); err == nil {
		cmd := exec.Command(openssl, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "there.key", "-subj", "/CN=x", "-out", "there.csr")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		got := decode[verbs.IssueResult](t, holds("pki-issue", 0, pki("issue", "there", "--csr", "there.csr", "--ip", "10.0.0.2")...))
		if got.KeyMadeHere || got.Certificate.Subject != "CN=there,O=Example,C=DE" {
			t.Errorf("%+v", got)
		}
		h.must(t, "pki", "verify", "--ca", "there/ca.pem", "--key", "there.key", "there/chain.pem")
		h.want(t, 1, "pki", "verify", "--ca", "there/ca.pem", "--key", "n1/node.pem", "there/chain.pem")
		ocsp(t, h, openssl, dir)
	}
	first := decode[verbs.ShowResult](t, h.must(t, "pki", "show", "n1/node.pem", "-o", "json"))
	holds("pki-issue", 0, pki("renew", "n1", "--out", "n1new")...)
	again := decode[verbs.ShowResult](t, h.must(t, "pki", "show", "n1new/node.pem", "-o", "json"))
	if a, b := first.Certificates[0], again.Certificates[0]; a.Serial == b.Serial || !slices.Equal(a.SANs, b.SANs) || a.Subject != b.Subject || a.Issuer != b.Issuer || a.SubjectKeyID == b.SubjectKeyID {
		t.Errorf("renewed %+v as %+v", a, b)
	}
	r := holds("pki-ca", 0, pki("revoke", "n1")...)
	if !strings.Contains(r.stderr, "Cassandra reads no revocation list") {
		t.Errorf("revoke does not say that it does not help: %s", r)
	}
	h.want(t, 1, pki("revoke", "n1")...)
	holds("pki-verify", 1, append(verify, "n1/node.pem", "--crl", "ca/crl.pem")...)
	h.want(t, 1, append(verify, "n1/node.pem", "--crl", "fetch", "--trace")...) // it names no list
}

// ocsp has a real responder, openssl's, say that a certificate is revoked.
func ocsp(t *testing.T, h home, openssl, dir string) {
	t.Helper()
	port := freePorts(t, 1)[0]
	shell := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	shell(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "o.key", "-out", "o.pem", "-subj", "/CN=responder CA", "-days", "30")
	shell(openssl, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "l.key", "-out", "l.csr", "-subj", "/CN=leaf")
	if err := os.WriteFile(filepath.Join(dir, "ext"), []byte("authorityInfoAccess=OCSP;URI:http://localhost:"+port+"/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shell(openssl, "x509", "-req", "-in", "l.csr", "-CA", "o.pem", "-CAkey", "o.key", "-set_serial", "0x1234", "-days", "20", "-extfile", "ext", "-out", "l.pem")
	for _, tt := range []struct{ line, says string }{
		{"V\t351231000000Z\t\t1234\tunknown\t/CN=leaf\n", "good"}, {"R\t351231000000Z\t260101000000Z\t1234\tunknown\t/CN=leaf\n", "revoked"},
	} {
		if err := os.WriteFile(filepath.Join(dir, "o.idx"), []byte(tt.line), 0o600); err != nil {
			t.Fatal(err)
		}
		// It ends by itself after the one request that is made.
		cmd := exec.Command(openssl, "ocsp", "-index", "o.idx", "-port", port, "-rsigner", "o.pem", "-rkey", "o.key", "-CA", "o.pem", "-nrequest", "1")
		cmd.Dir = dir
		pipe, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(pipe)
		for lines.Scan() && !strings.Contains(lines.Text(), "waiting") {
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		code := map[string]int{"good": 0, "revoked": 1}[tt.says]
		r := h.run(t.Context(), "pki", "verify", "--ca", "o.pem", "--ocsp", "--trace", "l.pem")
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if r.code != code || !strings.Contains(r.stdout, "asked dns localhost") || !strings.Contains(r.stdout, "asked ocsp http://localhost:"+port+"/: "+tt.says) {
			t.Errorf("want %s: %s", tt.says, r)
		}
	}
	// Without being asked it makes no call.
	var doc struct {
		Network []json.RawMessage `json:"network"`
	}
	r := h.must(t, "pki", "verify", "--ca", "o.pem", "l.pem", "-o", "json")
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || len(doc.Network) != 0 {
		t.Errorf("%v: %s", err, r)
	}
}
