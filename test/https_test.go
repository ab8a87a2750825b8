package test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossring/internal/pki/verbs"
)

// authority is a CA of a test's own, which issues what a real one would not, too.
type authority struct {
	dir, file string
	cert      *x509.Certificate
	key       crypto.Signer
}

func newAuthority(t *testing.T, dir, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{dir: dir, file: filepath.Join(dir, name+".pem"), key: key}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.file, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func writePEM(t *testing.T, file string, blocks ...*pem.Block) {
	t.Helper()
	var b bytes.Buffer
	for _, block := range blocks {
		if err := pem.Encode(&b, block); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// issue makes a certificate for 127.0.0.1, as change has it, and writes it with its key.
func (a authority) issue(t *testing.T, name string, change func(c *x509.Certificate)) string {
	t.Helper()
	var key crypto.Signer
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if strings.HasPrefix(name, "rsa") {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(a.dir, name+"-node.pem")
	writePEM(t, file, &pem.Block{Type: "CERTIFICATE", Bytes: der}, &pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	return file
}

// revoke writes a list with the certificate of a file on it.
func (a authority) revoke(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: c.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)}},
	}, a.cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(a.dir, "crl.pem")
	writePEM(t, list, &pem.Block{Type: "X509 CRL", Bytes: der})
	return list
}

// page is one server of an nginx: its certificates, and what is written besides.
type page struct {
	certs   []string
	options string
	http2   bool
}

// startPages starts an nginx with these servers, each with a log of its requests, and
// gives their addresses.
func startPages(t *testing.T, pages map[string]page) (addresses map[string]string, requests func(name string) int) {
	t.Helper()
	nginx := needProgram(t, "nginx", "nginx-light")
	dir := t.TempDir()
	var b strings.Builder
	fmt.Fprintf(&b, `daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:a:1m; ssl_session_tickets on; keepalive_requests 100000;
`, dir)
	ports := freePorts(t, len(pages))
	addresses = map[string]string{}
	for name, p := range pages {
		address := "127.0.0.1:" + ports[len(addresses)]
		addresses[name] = address
		extra := ""
		if p.http2 {
			extra = " http2"
		}
		fmt.Fprintf(&b, "server { listen %s ssl%s; access_log %s/%s.log;\n", address, extra, dir, name)
		for _, c := range p.certs {
			fmt.Fprintf(&b, "ssl_certificate %s; ssl_certificate_key %s;\n", c, c)
		}
		fmt.Fprintf(&b, "%s\nlocation / { return 200 \"ok\\n\"; }\nlocation /plain { return 302 http://127.0.0.1:1/; }\nlocation /else { return 301 https://$host:$server_port/; }\n}\n", p.options)
	}
	b.WriteString("}\n")
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
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
		if t.Failed() && out.Len() > 0 {
			t.Logf("nginx: %s", &out)
		}
	})
	for _, a := range addresses {
		eventually(t, 30*time.Second, "nginx listens on "+a, func() bool {
			c, err := net.Dial("tcp", a)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
	return addresses, func(name string) int {
		data, err := os.ReadFile(filepath.Join(dir, name+".log"))
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(data, []byte("\n"))
	}
}

// TestHTTPSPolicies counts what requests to a real server cost under each policy, and
// holds it against what the server itself saw.
func TestHTTPSPolicies(t *testing.T) {
	h := newHome(t)
	ca := newAuthority(t, t.TempDir(), "root")
	ec, rsaFile := ca.issue(t, "ec", nil), ca.issue(t, "rsa", nil)
	at, seen := startPages(t, map[string]page{"ec": {certs: []string{ec}, http2: true}, "rsa": {certs: []string{rsaFile}}})
	shapes := documentedShapes(t)
	const requests = 60
	for _, tt := range []struct {
		server, tls, protocol string
		args                  []string
	}{
		{"ec", "1.3", "HTTP/2.0", nil}, {"ec", "1.2", "HTTP/1.1", []string{"--http", "1.1", "--cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"}},
		{"rsa", "1.3", "HTTP/1.1", []string{"--group", "P-384"}}, {"rsa", "1.2", "HTTP/1.1", []string{"--rounds", "2"}},
	} {
		before := seen(tt.server)
		args := append([]string{"handshake", "https://" + at[tt.server] + "/", "--ca", ca.file, "--tls", tt.tls, "--requests", strconv.Itoa(requests),
			"--policies", "shared,per-request,per-request+resume,renew:10req,renew:5s", "-o", "json"}, tt.args...)
		r := h.must(t, args...)
		for _, problem := range shapes.check("handshake", []byte(r.stdout)) {
			t.Errorf("%s: %s", problem, r)
		}
		doc := decode[verbs.HandshakeResult](t, r)
		if len(doc.Loads) != 1 || len(doc.Loads[0].Policies) != 5 {
			t.Fatalf("%s", r)
		}
		load := doc.Loads[0]
		if load.Version != "TLS "+tt.tls || load.Protocol != tt.protocol || load.Verified == nil || !load.Verified.OK || len(load.Verified.Chain) != 2 {
			t.Errorf("%s, TLS %s: %+v", tt.server, tt.tls, load)
		}
		if slices.Contains(tt.args, "--cipher") && load.CipherSuite != "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" || slices.Contains(tt.args, "--group") && load.Curve != "P-384" {
			t.Errorf("asked for %q, got %s by %s", tt.args, load.CipherSuite, load.Curve)
		}
		rounds := int64(1)
		if slices.Contains(tt.args, "--rounds") {
			rounds = 2
		}
		total := int64(0)
		for i, want := range []struct{ least, most, full int64 }{ // flows; handshakes with certificates, -1 as many as flows
			{rounds, rounds, -1}, {requests * rounds, requests * rounds, -1}, {requests * rounds, requests * rounds, rounds}, {4 * rounds, 12 * rounds, -1}, {rounds, requests * rounds, -1},
		} {
			p := load.Policies[i]
			total += p.Requests
			full := want.full
			if full < 0 {
				full = p.Flows
			}
			if p.Requests != requests*rounds || p.Failed != 0 || p.Statuses["200"] != p.Requests || int64(len(p.Rounds)) != rounds {
				t.Errorf("%s, TLS %s, %s: %d requests, %d failed, %v, %d rounds", tt.server, tt.tls, p.Policy, p.Requests, p.Failed, p.Statuses, len(p.Rounds))
			}
			if p.Flows < want.least || p.Flows > want.most || p.FullHandshakes != full || p.FullHandshakes+p.ResumedHandshakes != p.Flows {
				t.Errorf("%s, TLS %s, %s: %d flows, %d full and %d resumed handshakes, want %d to %d flows, %d full", tt.server, tt.tls, p.Policy, p.Flows, p.FullHandshakes, p.ResumedHandshakes,
					want.least, want.most, full)
			}
			if p.ClientCPUSeconds <= 0 || p.Seconds <= 0 || p.LatencyMS.P50 <= 0 || p.LatencyMS.P99 < p.LatencyMS.P50 || p.ServerCPUSeconds == nil || p.ServerCPUMissing != "" {
				t.Errorf("%s, TLS %s, %s: %+v", tt.server, tt.tls, p.Policy, p)
			}
			if (p.Ratio == nil) != (i == 0) {
				t.Errorf("%s: ratio %+v", p.Policy, p.Ratio)
			}
		}
		if r := load.Policies[1].Ratio; r == nil || r.Base != "shared" || r.Flows == nil || r.Flows.Median != requests || r.ClientCPU == nil || r.ClientCPU.Median <= 1 {
			t.Errorf("%s, TLS %s: a connection for each of %d requests: %+v", tt.server, tt.tls, requests, r)
		}
		// One more tries the server.
		eventually(t, 30*time.Second, "nginx has its requests on record", func() bool { return seen(tt.server)-before == int(total)+1 })
		if load.Requests != total {
			t.Errorf("%d requests, the policies have %d", load.Requests, total)
		}
	}
	// With several at once, at a rate, and for a time.
	for _, http := range []string{"1.1", "2"} {
		r := h.must(t, "handshake", "https://"+at["ec"]+"/", "--ca", ca.file, "--requests", "100", "--concurrency", "8", "--http", http, "--policies", "shared,renew:5req", "-o", "json")
		p := decode[verbs.HandshakeResult](t, r).Loads[0].Policies
		if most := map[string]int64{"1.1": 8, "2": 1}[http]; p[0].Flows < 1 || p[0].Flows > most || p[0].Requests != 100 || p[1].Flows < 8 || p[1].Failed != 0 {
			t.Errorf("HTTP/%s: %+v", http, p)
		}
	}
	r := h.must(t, "handshake", "https://"+at["ec"]+"/", "--ca", ca.file, "--rate", "200", "--time", "300ms", "-o", "json")
	if p := decode[verbs.HandshakeResult](t, r).Loads[0].Policies[0]; p.ResponseMS == nil || p.Requests < 1 || p.Requests > 60 {
		t.Errorf("%s", r)
	}
	text := h.must(t, "handshake", "https://"+at["ec"]+"/", "https://"+at["rsa"]+"/", "--ca", ca.file, "--requests", "20", "--policies", "shared,per-request").stdout
	for _, want := range []string{"https://" + at["ec"] + "/: TLS 1.3", "https://" + at["rsa"] + "/: TLS 1.3", "x ELAPSED", "1:20", "verified up to CN=root"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestHTTPSRefused has servers that do not verify, and others that can't be measured: no
// request is made, and the reason is that of pki verify, or one of its own.
func TestHTTPSRefused(t *testing.T) {
	h := newHome(t)
	dir := t.TempDir()
	h.dir = dir
	ca, foreign := newAuthority(t, dir, "root"), newAuthority(t, dir, "another root")
	good := ca.issue(t, "good", nil)
	rsaFile := ca.issue(t, "rsa", nil)
	files := map[string]string{
		"name":    ca.issue(t, "name", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 9, 9, 9)} }),
		"expired": ca.issue(t, "expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
		"early":   ca.issue(t, "early", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) }),
		"foreign": foreign.issue(t, "foreign", nil),
		"revoked": ca.issue(t, "revoked", nil),
		"client":  ca.issue(t, "client", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }),
	}
	list := ca.revoke(t, files["revoked"])
	pages := map[string]page{"good": {certs: []string{good}, http2: true}, "rsa": {certs: []string{rsaFile}},
		"mutual": {certs: []string{good}, options: "ssl_client_certificate " + ca.file + "; ssl_verify_client on;"}}
	for name, file := range files {
		pages[name] = page{certs: []string{file}}
	}
	at, seen := startPages(t, pages)
	for name, want := range map[string]string{
		"name": "IP_ADDRESS_MISMATCH", "expired": "CERT_HAS_EXPIRED", "early": "CERT_NOT_YET_VALID", "foreign": "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "revoked": "CERT_REVOKED", "client": "INVALID_PURPOSE",
	} {
		for _, version := range []string{"1.2", "1.3"} {
			r := h.want(t, 1, "handshake", "https://"+at[name]+"/", "--ca", ca.file, "--crl", list, "--policies", "shared,per-request", "--tls", version, "-o", "json")
			load := decode[verbs.HandshakeResult](t, r).Loads[0]
			verify := decode[verbs.VerifyResult](t, h.want(t, 1, "pki", "verify", files[name], "--ca", ca.file, "--crl", list, "--purpose", "server", "--ip", "127.0.0.1", "-o", "json"))
			if load.Verified == nil || len(load.Verified.Errors) == 0 || load.Verified.Errors[0].Name != want || len(load.Verified.Errors) != len(verify.Errors) ||
				load.Verified.Errors[0].Code != verify.Errors[0].Code || load.Verified.Errors[0].Hint != verify.Errors[0].Hint {
				t.Errorf("%s, TLS %s: %+v, pki verify has %+v", name, version, load.Verified, verify.Errors)
			}
			if load.Requests != 0 || len(load.Policies) != 0 || seen(name) != 0 || !strings.Contains(r.stderr, want) {
				t.Errorf("%s, TLS %s: the server saw %d requests: %s", name, version, seen(name), r)
			}
		}
	}
	if text := h.want(t, 1, "handshake", "https://"+at["expired"]+"/", "--ca", ca.file).stdout; !strings.Contains(text, "no request was made") || !strings.Contains(text, "error 10 at depth 0: CERT_HAS_EXPIRED") {
		t.Errorf("%s", text)
	}
	// Without --ca the system's roots count, which know nothing of this one; with
	// SSL_CERT_FILE they do.
	if r := h.want(t, 1, "handshake", "https://"+at["good"]+"/"); !strings.Contains(r.stderr, "UNABLE_TO_GET_ISSUER_CERT_LOCALLY") && !strings.Contains(r.stderr, "roots were not found") {
		t.Errorf("%s", r)
	}
	own := h
	own.env = append(slices.Clone(h.env), "SSL_CERT_FILE="+ca.file)
	own.must(t, "handshake", "https://"+at["good"]+"/", "--requests", "3")

	// A file of roots with a key in it: it works, it is said, and the key is nowhere.
	key, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.ReadFile(ca.file)
	if err != nil {
		t.Fatal(err)
	}
	secret := string(key[bytes.Index(key, []byte("PRIVATE KEY")):])
	for name, data := range map[string][]byte{"both.pem": slices.Concat(root, key), "key first.pem": slices.Concat(key[bytes.Index(key, []byte("-----BEGIN PRIVATE")):], root)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
		r := h.must(t, "handshake", "https://"+at["good"]+"/", "--ca", name, "--requests", "3", "-v")
		if !strings.Contains(r.stderr, name+" holds a private key") || leaks(secret, r.stdout+r.stderr) {
			t.Errorf("%s", r)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), key[bytes.Index(key, []byte("-----BEGIN PRIVATE")):], 0o600); err != nil {
		t.Fatal(err)
	}
	if r := h.want(t, 1, "handshake", "https://"+at["good"]+"/", "--ca", "key.pem"); !strings.Contains(r.stderr, "no certificate in it") || !strings.Contains(r.stderr, "holds a private key") || leaks(secret, r.stdout+r.stderr) {
		t.Errorf("%s", r)
	}

	for _, tt := range []struct {
		code int
		args []string
		want []string
	}{
		{1, []string{"https://" + at["good"] + "/plain"}, []string{"sends its clients on to http://127.0.0.1:1/, which is not TLS: refused"}},
		{1, []string{"https://" + at["good"] + "/", "--cipher", "ECDHE-RSA-AES128-GCM-SHA256"},
			[]string{"no cipher suite is on both sides", "offered was TLS 1.2 with TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "the server has TLS 1.3 with", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"}},
		{1, []string{"https://" + at["rsa"] + "/", "--http", "2"}, []string{"where HTTP/2 was asked for"}},
		{1, []string{"https://127.0.0.1:1/"}, []string{"refused"}},
		{1, []string{"cql://" + at["rsa"]}, []string{"does not answer as Cassandra does", "crossring handshake https://"}},
		{3, []string{"https://" + at["good"] + "/", "https://" + at["expired"] + "/"}, []string{"CERT_HAS_EXPIRED"}},
		{2, []string{"http://" + at["good"] + "/"}, []string{"plain text"}},
		{2, []string{"ftp://x/"}, []string{"begins with https:// or cql://"}},
		{2, []string{"https://user:geheim@x/"}, []string{"a user or a password is not taken"}},
		{2, []string{"https://x:99999/"}, []string{"port 99999"}},
		{2, []string{"https:///x"}, []string{"no host"}},
		{2, []string{"https://x/", "--policies", "shared,sometimes"}, []string{"no connection policy"}},
		{2, []string{"https://x/", "--policies", "shared,shared"}, []string{"twice"}},
		{2, []string{"https://x/", "--policies", "renew:0req"}, []string{"no connection policy"}},
		{2, []string{"https://x/", "--requests", "0"}, []string{"--requests"}},
		{2, []string{"https://x/", "--rate", "NaN"}, []string{"--rate"}},
		{2, []string{"https://x/", "--http", "3"}, []string{"1.1 or 2"}},
		{2, []string{"https://x/", "--new"}, []string{"per-request"}},
		{2, []string{"https://x/", "--group", "X448"}, []string{"no group that this program has"}},
		{2, []string{"https://x/", "--cipher", "NULL-MD5"}, []string{"no cipher suite that this program has"}},
		{2, []string{"cql://" + at["rsa"], "--http", "2"}, []string{"https:// alone"}},
	} {
		args := append([]string{"handshake", "--requests", "3", "--ca", ca.file}, tt.args...)
		r := h.want(t, tt.code, args...)
		for _, want := range tt.want {
			if !strings.Contains(r.stderr, want) {
				t.Errorf("no %q: %s", want, r)
			}
		}
		if strings.Contains(r.stderr, "geheim") {
			t.Errorf("a password is said: %s", r)
		}
	}
	// nginx answers 400 to clients without a certificate, or with another's, and 200 to its
	// own.
	for client, status := range map[string]string{"": "400", good: "200"} {
		args := []string{"handshake", "https://" + at["mutual"] + "/", "--ca", ca.file, "--requests", "5", "-o", "json"}
		if client != "" {
			args = append(args, "--client-cert", client)
		}
		r := h.must(t, args...)
		if got := decode[verbs.HandshakeResult](t, r).Loads[0]; got.Policies[0].Statuses[status] == 0 || (status == "400") != slices.ContainsFunc(got.Warnings, func(w string) bool { return strings.Contains(w, "answers 400") }) {
			t.Errorf("%q: %s", client, r)
		}
	}
	r := h.must(t, "handshake", "https://"+at["good"]+"/else", "--ca", ca.file, "--requests", "3", "-o", "json")
	if got := decode[verbs.HandshakeResult](t, r).Loads[0]; got.Policies[0].Statuses["301"] != 3 || !strings.Contains(r.stderr, "which is not followed") {
		t.Errorf("%s", r)
	}
}

// leaks says that a line of a key stands in a text.
func leaks(secret, text string) bool {
	for line := range strings.Lines(secret) {
		line = strings.TrimSpace(line)
		if len(line) > 20 && !strings.Contains(line, "-----") && strings.Contains(text, line[:20]) {
			return true
		}
	}
	return false
}

// TestTwoCertificates has pki show see both chains of a server, and what servers have that
// this program does not come to terms with.
func TestTwoCertificates(t *testing.T) {
	h := newHome(t)
	openssl := needProgram(t, "openssl", "openssl")
	ca := newAuthority(t, t.TempDir(), "root")
	ec, rsaFile := ca.issue(t, "ec", nil), ca.issue(t, "rsa", nil)
	at, _ := startPages(t, map[string]page{"both": {certs: []string{rsaFile, ec}}})
	shapes := documentedShapes(t)
	show := func(code int, args ...string) (verbs.ShowResult, result) {
		t.Helper()
		r := h.want(t, code, append([]string{"pki", "show", "-o", "json"}, args...)...)
		for _, problem := range shapes.check("pki-show", []byte(r.stdout)) {
			t.Errorf("%s: %s", problem, r)
		}
		return decode[verbs.ShowResult](t, r), r
	}
	for _, version := range []string{"1.2", "1.3"} {
		got, r := show(0, "--connect", at["both"], "--tls", version)
		if len(got.Also) != 1 || len(got.Certificates) != 1 || got.Wire.Version != "TLS "+version || got.Also[0].Version != "TLS "+version {
			t.Fatalf("TLS %s: %s", version, r)
		}
		subjects := []string{got.Certificates[0].Subject, got.Also[0].Certificates[0].Subject}
		if slices.Sort(subjects); !slices.Equal(subjects, []string{"CN=ec", "CN=rsa"}) {
			t.Errorf("TLS %s: %q", version, subjects)
		}
		if text := h.must(t, "pki", "show", "--connect", at["both"], "--tls", version).stdout; !strings.Contains(text, "CN=ec") || !strings.Contains(text, "CN=rsa") || !strings.Contains(text, "shown to who wants ") {
			t.Errorf("TLS %s: %s", version, text)
		}
	}
	for _, tt := range []struct {
		args  []string
		suite string
		curve string
		says  []string
	}{
		{[]string{"-tls1_2", "-cipher", "DHE"}, "TLS_DHE_RSA_", "", []string{"agree on the key by DHE, which this program does not have", "offered was", "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"}},
		{[]string{"-tls1_2", "-cipher", "kRSA"}, "TLS_RSA_", "", []string{"carry the key under RSA", "offered was", "--cipher TLS_RSA_WITH_AES_128_GCM_SHA256"}},
		{[]string{"-tls1_3", "-groups", "X448"}, "TLS_AES_", "X448", []string{"no group for the key is on both sides", "offered was", "the server has X448"}},
		{[]string{"-tls1_2", "-groups", "X448", "-cipher", "ECDHE"}, "TLS_ECDHE_RSA_", "X448", []string{"no group for the key is on both sides", "the server has X448"}},
	} {
		address := "127.0.0.1:" + freePorts(t, 1)[0]
		cmd := exec.Command(openssl, append([]string{"s_server", "-accept", address, "-www", "-cert", rsaFile, "-key", rsaFile}, tt.args...)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		eventually(t, 30*time.Second, "s_server listens on "+address, func() bool {
			c, err := net.Dial("tcp", address)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
		got, r := show(1, "--connect", address)
		if len(got.Certificates) != 1 || got.Certificates[0].Subject != "CN=rsa" || !strings.HasPrefix(got.Wire.CipherSuite, tt.suite) || got.Wire.Curve != tt.curve || len(got.Offers) == 0 {
			t.Errorf("%q: %s", tt.args, r)
		}
		for _, verb := range [][]string{{"pki", "show", "--connect", address}, {"handshake", address, "--time", "100ms"}, {"handshake", "https://" + address + "/", "--ca", ca.file}} {
			r := h.want(t, 1, verb...)
			for _, want := range tt.says {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("%q: no %q: %s", tt.args, want, r)
				}
			}
		}
		if tt.suite == "TLS_RSA_" { // asked for, it is spoken
			h.must(t, "handshake", "https://"+address+"/", "--ca", ca.file, "--requests", "5", "--cipher", "TLS_RSA_WITH_AES_128_GCM_SHA256")
		}
	}
}

// TestBenchHTTPS prints what policies cost on a real nginx, in five rounds that take turns,
// beside ab and s_time where they can do the row.
func TestBenchHTTPS(t *testing.T) {
	needBench(t)
	openssl, ab := needProgram(t, "openssl", "openssl"), needProgram(t, "ab", "apache2-utils")
	h := newHome(t)
	ca := newAuthority(t, t.TempDir(), "root")
	ec, rsaFile := ca.issue(t, "ec", nil), ca.issue(t, "rsa", nil)
	at, _ := startPages(t, map[string]page{"ec": {certs: []string{ec}}, "rsa": {certs: []string{rsaFile}}})
	const requests = 1000
	for _, key := range []string{"ec", "rsa"} {
		for _, version := range []string{"1.2", "1.3"} {
			r := h.must(t, "handshake", "https://"+at[key]+"/", "--ca", ca.file, "--tls", version, "--requests", strconv.Itoa(requests), "--rounds", strconv.Itoa(benchRounds),
				"--http", "1.1", "--policies", "shared,per-request,per-request+resume,renew:50req,renew:5s")
			t.Logf("%s, TLS %s\n%s", key, version, r.stdout)
			for _, keep := range []bool{true, false} {
				args := []string{"-q", "-n", strconv.Itoa(requests), "-c", "1", "-f", "TLS" + version}
				if keep {
					args = append(args, "-k")
				}
				var c cost
				for range benchRounds {
					c.add(t, exec.Command(ab, append(args, "https://"+at[key]+"/")...))
				}
				t.Logf("ab %s: wall %s s; processor %s s", strings.Join(args, " "), c.wall, c.cpu)
			}
			for _, mode := range []string{"new", "reuse"} {
				var each sample // seconds of a connection
				for range benchRounds {
					start := time.Now()
					says := sTime(t, openssl, at[key], version, mode, 2)
					m := regexp.MustCompile(`(\d+) connections in \d+ real seconds`).FindStringSubmatch(says)
					if m == nil {
						t.Fatalf("openssl s_time -%s: %s", mode, says)
					}
					n, err := strconv.ParseFloat(m[1], 64)
					if err != nil || n == 0 {
						t.Fatalf("openssl s_time -%s: %s", mode, says)
					}
					each = append(each, 1000*time.Since(start).Seconds()/n)
				}
				t.Logf("openssl s_time -%s: %s ms a connection", mode, each)
			}
			load, err := os.ReadFile("/proc/loadavg")
			t.Logf("the computer's load by then: %s (%v)", load, err)
		}
	}
}
