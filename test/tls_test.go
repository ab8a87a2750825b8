package test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossring/internal/flight"
	"crossring/internal/load"
	"crossring/internal/pki/verbs"
	"crossring/internal/release"
	"crossring/internal/report"
	"crossring/internal/topology"
	"crossring/stress/record"
)

// isSecure is what a cell with TLS between nodes and for clients is held to beyond the
// suite. A small one on this computer also meets those whom the real servers must refuse,
// and gets new certificates where servers take them as they run. Once a version is enough
// for that: the matrix has each.
func (c cluster) isSecure(t *testing.T, at cell, inv topology.Inventory, doc report.Document) {
	t.Helper()
	for _, n := range []*record.Connections{doc.Write.Connections, doc.Read.Connections} {
		if n == nil || n.FullHandshakes == 0 || n.ResumedHandshakes != 0 {
			t.Errorf("the load did not speak TLS: %+v", n)
		}
	}
	c.must(t, "cql", c.name, "SELECT cluster_name FROM system.local")
	if at.provider == "ccm" {
		// What to copy names the settings where they are.
		_, printed, _ := strings.Cut(c.must(t, "up", c.name).stdout, "--cqlshrc ")
		rc, _, _ := strings.Cut(printed, " ")
		if _, err := os.Stat(rc); err != nil || !filepath.IsAbs(rc) {
			t.Errorf("cqlshrc is at %q: %v", rc, err)
		}
		nodeKeys(t, c.home, inv)
	}
	if at.provider == "local" || at.provider == "ccm" {
		refusals(t, c.home, inv, inv.Nodes[0].PrivateAddress, "127.0.0.1")
	}
	if at.provider != "local" || at.shape.nodes() > 3 {
		return
	}
	answersTLS(t, decode[flight.PreflightResult](t, c.must(t, "preflight", c.name, "--bandwidth", "0s", "-o", "json")))
	connectionPolicies(t, c)
	suite := "ECDHE-RSA-AES128-GCM-SHA256" // not for the nodes' kind of key
	if inv.Plan.TLS.Key == "rsa-2048" {
		suite = "ECDHE-ECDSA-AES128-GCM-SHA256"
	}
	r := c.want(t, 1, "stress", "write", c.name, "--rows", "10", "--cipher", suite)
	if !strings.Contains(r.stderr, "as the load would make it") {
		t.Errorf("a suite that the server lacks is said before the run: %s", r)
	}
	strangers(t, c)
	looks(t, c, inv, at.version)
	costs(t, c, inv, at.version)
	verifies(t, c, inv)
	if rel, err := release.Find(at.version); err == nil && rel.HotReload {
		rotatesInPlace(t, c, inv)
	}
}

// connectionPolicies holds the counts of the three policies against each other.
func connectionPolicies(t *testing.T, c cluster) {
	t.Helper()
	const rows = 30
	flows := map[string]int64{}
	for policy, sessions := range map[string][2]int64{"shared": {1, 1}, "per-request": {rows, rows + 1}, "renew:10req": {2, 7}} {
		got := decode[load.StressResult](t, c.must(t, "stress", "write", c.name, "--rows", strconv.Itoa(rows), "--in-flight", "1", "--connections", policy, "-o", "json"))
		n := got.Write.Connections
		if n == nil || n.Policy != policy || n.Sessions < sessions[0] || n.Sessions > sessions[1] || n.Flows < n.Sessions || n.FullHandshakes == 0 || n.ResumedHandshakes != 0 || got.Write.Acknowledged != rows {
			t.Errorf("%s: %+v, %d acknowledged", policy, n, got.Write.Acknowledged)
			continue
		}
		flows[policy] = n.Flows
	}
	if flows["per-request"] <= flows["renew:10req"] || flows["renew:10req"] <= flows["shared"] {
		t.Errorf("TCP flows %v", flows)
	}
	got := decode[load.StressResult](t, c.must(t, "stress", "write", c.name, "--rows", "10", "--in-flight", "1", "--connections", "per-request", "--tls-resume", "-o", "json"))
	t.Logf("with --tls-resume: %+v", *got.Write.Connections)
}

// refusals dials the first node at an address as those who must not come in, and as
// one who may. The node sees them come from source.
func refusals(t *testing.T, c home, inv topology.Inventory, at, source string) {
	t.Helper()
	dir := t.TempDir()
	version := inv.Plan.Version
	own := filepath.Join(c.state, "clusters", inv.Plan.Name)
	c.must(t, "pki", "init", "--dir", filepath.Join(dir, "foreign"), "--key", "rsa-2048")
	issue := func(name, ca string, args ...string) *tls.Certificate {
		out := filepath.Join(dir, "issued", name)
		c.must(t, append([]string{"pki", "issue", name, "--dir", ca, "--out", out, "--key", "rsa-2048"}, args...)...)
		pair, err := tls.LoadX509KeyPair(filepath.Join(out, "node.pem"), filepath.Join(out, "node.pem"))
		if err != nil {
			t.Fatal(err)
		}
		return &pair
	}
	ca := filepath.Join(own, "ca")
	right := issue("right", ca, "--ip", source)
	wrong := issue("wrong", ca, "--ip", "127.9.9.9") // what the CA of this computer is limited to
	foreign := issue("foreign", filepath.Join(dir, "foreign"), "--ip", source)
	node := inv.Nodes[0]
	internode := net.JoinHostPort(at, strconv.Itoa(inv.Plan.InternodePort(node)))
	client := net.JoinHostPort(at, strconv.Itoa(node.Ports.Native))
	for _, tt := range []struct {
		who     string
		address string
		cert    *tls.Certificate
		refused bool
		log     string // what the server says, between nodes
	}{
		{"who may, between nodes", internode, right, false, ""},
		{"who may, as a client", client, right, false, ""},
		{"a foreign CA, between nodes", internode, foreign, true, `(?i)path building failed|unable to find valid certification path|certificate_unknown`},
		{"a foreign CA, as a client", client, foreign, true, ""},
		{"nobody, between nodes", internode, nil, true, `(?i)PEER_DID_NOT_RETURN_A_CERTIFICATE|empty client certificate chain|null cert chain`},
		{"nobody, as a client", client, nil, true, ""},
		// Up to 2.2 there is no check of the address.
		{"a wrong address, between nodes", internode, wrong, !strings.HasPrefix(version, "1.") && !strings.HasPrefix(version, "2."),
			`(?i)no subject alternative names matching IP address|endpoint identification algorithm`},
	} {
		err := visit(t, tt.address, tt.cert)
		t.Logf("%s: %v", tt.who, err)
		if (err != nil) != tt.refused {
			t.Errorf("%s: refused is %t, want %t: %v", tt.who, err != nil, tt.refused, err)
			continue
		}
		if tt.refused {
			var alert tls.AlertError
			if !errors.As(err, &alert) && !strings.Contains(err.Error(), "remote error: tls") && !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
				t.Errorf("%s: not refused by the server: %v", tt.who, err)
			}
		}
		switch {
		case !tt.refused || tt.log == "":
		case node.Ports.SSLStorage == 0: // from 4.0 on
			says(t, c, inv.Plan.Name+":1", tt.log) // the alert itself is internal_error
		case tt.cert == nil && !strings.Contains(err.Error(), "bad certificate"), tt.cert == foreign && !strings.Contains(err.Error(), "unknown certificate"):
			t.Errorf("%s: refused for another reason: %v", tt.who, err)
		}
	}
	// Who speaks plain text gets no answer in it.
	for address, hello := range map[string]string{
		internode: "\xca\x55\x2d\xfa\x00\x00\x00\x08\x00\x00\x00\x00", // Cassandra's own magic
		client:    "\x01\x00\x00\x05\x00\x00\x00\x00\x00",             // OPTIONS
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(conn, hello)
		got, readErr := io.ReadAll(conn)
		conn.Close()
		// An alert of TLS, 0x15, is an answer in TLS. 1.2 takes the first bytes for an old
		// hello, and waits for the rest of it.
		silent := errors.Is(readErr, os.ErrDeadlineExceeded) && !(address == client && strings.HasPrefix(version, "1."))
		if err != nil || silent || len(got) > 0 && got[0] != 0x15 {
			t.Errorf("plain text to %s: %v, %v, answer %x", address, err, readErr, got)
		}
	}
}

// resumes says whether servers of a version take up sessions of a version of TLS: 4.0 and
// 4.1 give none in TLS 1.3.
func resumes(version, of string) bool { return of != "1.3" || !strings.HasPrefix(version, "4.") }

// looks has pki show and handshake look at a real server's port for clients, in TLS 1.2
// and, where it has it, 1.3: sessions are resumed as the load's are, and clients whom it
// does not take are no connections that were made.
func looks(t *testing.T, c cluster, inv topology.Inventory, version string) {
	t.Helper()
	node := inv.Nodes[0]
	address := net.JoinHostPort(node.PrivateAddress, strconv.Itoa(node.Ports.Native))
	own := filepath.Join(c.state, "clusters", inv.Plan.Name, "tls", "client.pem")
	dir := t.TempDir()
	c.must(t, "pki", "init", "--dir", filepath.Join(dir, "ca"), "--key", "rsa-2048")
	c.must(t, "pki", "issue", "stranger", "--client", "--dir", filepath.Join(dir, "ca"), "--out", dir)
	stranger := filepath.Join(dir, "node.pem")
	versions := []string{"1.2"}
	if !strings.HasPrefix(version, "1.") && !strings.HasPrefix(version, "2.") && !strings.HasPrefix(version, "3.") {
		versions = append(versions, "1.3")
	}
	for _, v := range versions {
		resumed := resumes(version, v)
		seen := decode[verbs.ShowResult](t, c.must(t, "pki", "show", "--connect", address, "--tls", v, "--client-cert", own, "-o", "json"))
		if seen.Wire.ClientCertificate != "asked" || seen.Wire.Resumed != resumed || seen.Wire.Version != "TLS "+v {
			t.Errorf("TLS %s, its own client: %+v", v, *seen.Wire)
		}
		rates := decode[verbs.HandshakeResult](t, c.must(t, "handshake", address, "--tls", v, "--client-cert", own, "--time", "300ms", "-o", "json"))
		if rates.New == nil || rates.New.Connections == 0 || resumed && (rates.Reused == nil || rates.Reused.Connections == 0 || rates.Reused.Resumed != rates.Reused.Connections) {
			t.Errorf("TLS %s, its own client: %+v, %+v", v, rates.New, rates.Reused)
		}
		r := c.want(t, 1, "pki", "show", "--connect", address, "--tls", v, "--client-cert", stranger, "-o", "json")
		if got := decode[verbs.ShowResult](t, r); got.Wire.ClientCertificate != "refused" || len(got.Certificates) == 0 {
			t.Errorf("TLS %s, a stranger: %s", v, r)
		}
		if got := decode[verbs.ShowResult](t, c.must(t, "pki", "show", "--connect", address, "--tls", v, "-o", "json")); got.Wire.ClientCertificate != "required" {
			t.Errorf("TLS %s, nobody: %+v", v, *got.Wire)
		}
		for _, args := range [][]string{nil, {"--client-cert", stranger}} {
			r := c.want(t, 1, append([]string{"handshake", address, "--tls", v, "--time", "300ms", "-o", "json"}, args...)...)
			if got := decode[verbs.HandshakeResult](t, r); got.New != nil || got.Reused != nil || !strings.Contains(r.stderr, "client's certificate") {
				t.Errorf("TLS %s, %q: %s", v, args, r)
			}
		}
	}
}

// costs has handshake count what requests to a real server's port for clients cost under
// each policy, over HTTP's counterpart of Cassandra: one request of its own protocol.
func costs(t *testing.T, c cluster, inv topology.Inventory, version string) {
	t.Helper()
	node := inv.Nodes[0]
	address := net.JoinHostPort(node.PrivateAddress, strconv.Itoa(node.Ports.Native))
	own := filepath.Join(c.state, "clusters", inv.Plan.Name, "tls")
	trusted := []string{"--ca", filepath.Join(own, "ca.pem"), "--client-cert", filepath.Join(own, "client.pem")}
	const requests = 30
	for _, url := range []string{"cql://" + address, address} { // the same server
		r := c.must(t, append([]string{"handshake", url, "--policies", "shared,per-request,renew:10req", "--requests", strconv.Itoa(requests), "-o", "json"}, trusted...)...)
		for _, problem := range documentedShapes(t).check("handshake", []byte(r.stdout)) {
			t.Errorf("%s: %s", problem, r)
		}
		loads := decode[verbs.HandshakeResult](t, r).Loads
		if len(loads) != 1 || len(loads[0].Policies) != 3 || loads[0].Verified == nil || !loads[0].Verified.OK {
			t.Fatalf("%s", r)
		}
		p := loads[0].Policies
		if p[0].Flows != 1 || p[1].Flows != requests || p[2].Flows < 2 || p[2].Flows > 7 || p[1].FullHandshakes != requests || p[1].Ratio == nil || p[1].Ratio.Flows == nil || p[1].Ratio.Flows.Median != requests {
			t.Errorf("flows %d, %d, %d; %+v", p[0].Flows, p[1].Flows, p[2].Flows, p[1])
		}
		for _, one := range p {
			if one.Requests != requests || one.Failed != 0 || one.Statuses["SUPPORTED"] != requests || one.ServerCPUSeconds == nil || *one.ServerCPUSeconds <= 0 {
				t.Errorf("%+v", one)
			}
		}
		if old := strings.HasPrefix(version, "1."); (loads[0].Protocol == "CQL v1") != old || (loads[0].Protocol == "CQL v4") == old {
			t.Errorf("Cassandra %s speaks %s", version, loads[0].Protocol)
		}
	}
	// Many at once share a connection.
	r := c.must(t, append([]string{"handshake", "cql://" + address, "--requests", "200", "--concurrency", "16", "-o", "json"}, trusted...)...)
	if p := decode[verbs.HandshakeResult](t, r).Loads[0].Policies[0]; p.Flows != 1 || p.Failed != 0 || p.Statuses["SUPPORTED"] != 200 {
		t.Errorf("%s", r)
	}
	// Who is not trusted, and who is not let in: before the first request.
	for _, tt := range []struct{ args, want []string }{
		{[]string{"--client-cert", filepath.Join(own, "client.pem")}, []string{"UNABLE_TO_GET_ISSUER_CERT_LOCALLY"}},
		{[]string{"--ca", filepath.Join(own, "ca.pem")}, []string{"takes nobody without a client's certificate"}},
		{append([]string{"--server-name", "other.example"}, trusted...), []string{"HOSTNAME_MISMATCH"}},
	} {
		r := c.want(t, 1, append([]string{"handshake", "cql://" + address, "--requests", "5", "-o", "json"}, tt.args...)...)
		for _, want := range tt.want {
			if got := decode[verbs.HandshakeResult](t, r).Loads[0]; got.Requests != 0 || !strings.Contains(r.stderr, want) {
				t.Errorf("no %q: %s", want, r)
			}
		}
	}
	// What it has Java tells hellos of another making, too.
	suite, has := "ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_"
	if inv.Plan.TLS.Key == "rsa-2048" {
		suite, has = "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS 1.2 with TLS_"
	}
	r = c.want(t, 1, append([]string{"handshake", "cql://" + address, "--cipher", suite}, trusted...)...)
	if !strings.Contains(r.stderr, "no cipher suite is on both sides") || !strings.Contains(r.stderr, has) {
		t.Errorf("%s", r)
	}
}

// strangers has this side refuse nodes whose CA it does not know.
func strangers(t *testing.T, c cluster) {
	t.Helper()
	trust := filepath.Join(c.state, "clusters", c.name, "tls", "ca.pem")
	own, err := os.ReadFile(trust)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other")
	c.must(t, "pki", "init", "--dir", other)
	foreign, err := os.ReadFile(filepath.Join(other, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(trust, foreign, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"cql", c.name, "SELECT cluster_name FROM system.local"}, {"stress", "write", c.name, "--rows", "10"}} {
		if r := c.want(t, 1, args...); !strings.Contains(r.stderr, "certificate signed by unknown authority") {
			t.Errorf("nodes of a foreign CA are refused for that: %s", r)
		}
	}
	if err := os.WriteFile(trust, own, 0o644); err != nil {
		t.Fatal(err)
	}
	c.must(t, "cql", c.name, "SELECT cluster_name FROM system.local")
}

// visit connects as a peer with a certificate, or none, and says how the server
// ends that: nil is not at all. In TLS 1.3 the refusal follows the handshake.
func visit(t *testing.T, address string, cert *tls.Certificate) error {
	t.Helper()
	cfg := &tls.Config{InsecureSkipVerify: true} // who the server is does not matter here
	if cert != nil {
		// Also when the server says that it knows another CA: crypto/tls would keep the
		// certificate to itself then.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Minute}, "tcp", address, cfg)
	if err != nil {
		return err
	}
	defer conn.Close()
	const silence = 3 * time.Second // a server that takes the peer waits for its first word
	if err := conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
		t.Fatal(err)
	}
	_, err = conn.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// says waits for a line of a node's log.
func says(t *testing.T, h home, ref, pattern string) {
	t.Helper()
	line := regexp.MustCompile(pattern)
	eventually(t, time.Minute, "the log of "+ref+" says "+pattern, func() bool {
		r := h.run(t.Context(), "logs", ref, "--lines", "2000")
		return r.code == 0 && line.MatchString(r.stdout)
	})
}

// TestBenchConnections prints what connections cost: requests on one session, on a
// session each, and on renewed ones.
func TestBenchConnections(t *testing.T) {
	needBench(t)
	h := newHome(t)
	c := h.up(t, "cost", oneByOne("cost", newest)+"tls: {}\n")
	c.must(t, "repro", c.name, "--rows", "2000") // warm
	type cost struct{ flows, cpu, seconds float64 }
	measure := func(policy string, more ...string) cost {
		var flows, cpu, seconds sample
		for range benchRounds {
			r := c.must(t, append([]string{"stress", "write", c.name, "--rows", "200", "--in-flight", "1", "--connections", policy, "-o", "json"}, more...)...)
			got := decode[load.StressResult](t, r).Write
			flows = append(flows, float64(got.Connections.Flows))
			cpu = append(cpu, got.ClientCPUMicros*float64(got.Rows)/1e6)
			seconds = append(seconds, got.Seconds)
		}
		return cost{flows.median(), cpu.median(), seconds.median()}
	}
	one := measure("shared")
	t.Logf("200 requests, one after the other, medians of %d rounds; shared: %.0f flows, %.3f CPU s, %.3f s", benchRounds, one.flows, one.cpu, one.seconds)
	for _, more := range [][]string{{"per-request"}, {"per-request", "--tls-resume"}, {"per-request", "--tls-resume", "--tls", "1.2"}, {"renew:50req,10m"}} {
		got := measure(more[0], more[1:]...)
		t.Logf("%s: %.0f flows, %.3f CPU s, %.3f s: 1:%.1f flows, 1:%.1f CPU, 1:%.1f elapsed", strings.Join(more, " "), got.flows, got.cpu, got.seconds,
			got.flows/one.flows, got.cpu/one.cpu, got.seconds/one.seconds)
	}
}
