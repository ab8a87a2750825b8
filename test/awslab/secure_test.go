//go:build linux

package awslab

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossring/internal/flight"
	"crossring/internal/pki/verbs"
	"crossring/internal/preflight"
	"crossring/internal/report"
	"crossring/internal/run"
	"crossring/internal/topology"
	"crossring/internal/trust"
	"crossring/test/harness"
)

// A ring with TLS on EC2's hosts: what preflight says before Cassandra runs, of a rule
// that somebody revoked and of a host's own firewall; rows written in one region and
// read in the other by loaders on the hosts; who is refused; and keys that do not
// leave their host.
func TestSecureJourney(t *testing.T) {
	needLab(t)
	if !harness.Long() {
		t.Skip("runs in make test-long (CROSSRING_LONG=1): it takes minutes of both processors")
	}
	version := newest
	publish(t, version)
	o := newOperator(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(o.crossring("logs", "lab", "--lines", "150"))
		}
		o.nothingLeft("lab")
	})
	file := o.spec("lab", version, 1)
	spec, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(spec, "tls: {}\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	inv := decode[run.UpResult](t, o.want(0, "up", "-f", file, "--until", "deploy", "-o", "json")).Inventory
	o.preflights(inv)

	up := decode[run.UpResult](t, o.want(0, "up", "lab", "-o", "json"))
	asPlanned(t, up.Ring, 1)
	flight := decode[flight.PreflightResult](t, o.want(0, "preflight", "lab", "--bandwidth", "0s", "-o", "json"))
	for _, p := range flight.Paths {
		if p.Diagnosis != preflight.OK || p.Listener != preflight.ByServer || p.Purpose != preflight.SSH && p.TLS != "TLS 1.3" {
			t.Errorf("with servers that run: %+v", p)
		}
	}
	const rows = 5000
	doc := decode[report.Document](t, o.want(0, "repro", "lab", "--rows", fmt.Sprint(rows), "-o", "json"))
	if doc.Write == nil || doc.Write.Acknowledged != rows || doc.Read == nil || doc.Read.Found != rows {
		t.Fatalf("%+v, %+v", doc.Write, doc.Read)
	}
	if doc.Write.Connections == nil || doc.Write.Connections.FullHandshakes == 0 || doc.Read.Connections == nil || doc.Read.Connections.FullHandshakes == 0 {
		t.Errorf("the loaders did not speak TLS: %+v, %+v", doc.Write.Connections, doc.Read.Connections)
	}
	o.want(0, "cql", "lab:2", "SELECT data_center FROM system.local")
	o.rotates(rows)

	east, west := inv.Nodes[0], inv.Nodes[1]
	o.plainRefused(operatorNS, east.PublicAddress, east.Ports.Native, `\x04\x00\x00\x00\x05\x00\x00\x00\x00`)                                            // OPTIONS
	o.plainRefused(prefix+inv.EC2.Hosts[west.Name].Instance, east.PublicAddress, east.Ports.Storage, `\xca\x55\x2d\xfa\x00\x00\x00\x08\x00\x00\x00\x00`) // Cassandra's magic

	keys := map[string]string{}
	for _, n := range inv.Nodes {
		instance := inv.EC2.Hosts[n.Name].Instance
		dir := n.Layout.TLSDir()
		o.ask(n, instance, "640 root cassandra", "stat -c '%a %U %G' "+dir+"/node.pem")
		o.ask(n, instance, "ca.pem chain.pem node.pem", "cd "+dir+" && echo *")
		if keys[n.Name], err = world.lab.Inside(t.Context(), instance, "cat "+dir+"/node.pem"); err != nil {
			t.Fatal(err)
		}
		if at := o.holders(keys[n.Name]); len(at) > 0 {
			t.Errorf("the key of %s is in %v", n.Name, at)
		}
	}
	client := filepath.Join(o.state, "clusters", "lab", "tls", "client.pem")
	if own, err := os.ReadFile(client); err != nil || len(o.holders(string(own))) != 1 {
		t.Errorf("the client's own key is not found (%v), so nor would be a node's", err)
	}
	o.want(0, "down", "lab", "--yes") // and fetches logs and configuration
	for name, key := range keys {
		if at := o.holders(key); len(at) > 0 {
			t.Errorf("the key of %s is in %v", name, at)
		}
	}
}

// rotates gives the hosts new certificates, and then another CA: each is verified from the
// hosts, servers go on, and loaders there load as before.
func (o operator) rotates(rows int64) {
	o.t.Helper()
	before := decode[run.NodesResult](o.t, o.want(0, "start", "lab", "-o", "json")).Nodes
	for _, flags := range [][]string{nil, {"--ca"}} {
		res := decode[trust.RotateResult](o.t, o.want(0, append([]string{"pki", "rotate", "lab", "-o", "json"}, flags...)...))
		if !res.Done || res.Method != "reload" || res.CA != (flags != nil) {
			o.t.Errorf("%+v", res)
		}
		if got := decode[verbs.ClusterVerifyResult](o.t, o.want(0, "pki", "verify", "lab", "-o", "json")); !got.OK || len(got.Ways) != 4 {
			o.t.Errorf("%+v, %d ways", got.Wrong, len(got.Ways))
		}
	}
	for i, p := range decode[run.NodesResult](o.t, o.want(0, "start", "lab", "-o", "json")).Nodes {
		if p.PID != before[i].PID {
			o.t.Errorf("%s had pid %d, and has %d", p.Node, before[i].PID, p.PID)
		}
	}
	doc := decode[report.Document](o.t, o.want(0, "repro", "lab", "--rows", fmt.Sprint(rows), "-o", "json"))
	if doc.Write == nil || doc.Write.Acknowledged != rows || doc.Read == nil || doc.Read.Found != rows {
		o.t.Errorf("with another CA: %+v, %+v", doc.Write, doc.Read)
	}
}

// preflights holds what is said of the ways between hosts on which no server runs:
// as they are, with a rule revoked, with a firewall on a host.
func (o operator) preflights(inv topology.Inventory) {
	o.t.Helper()
	east, west := inv.Nodes[0], inv.Nodes[1]
	check := func(code int, kind preflight.Kind, words ...string) {
		o.t.Helper()
		res := decode[flight.PreflightResult](o.t, o.want(code, "preflight", "lab", "--bandwidth", "100ms", "-o", "json"))
		for _, h := range res.Hosts {
			if h.Problem != "" || !h.Watched || h.Firewall != "read" {
				o.t.Errorf("%+v", h)
			}
		}
		seen := 0
		for _, p := range res.Paths {
			want := preflight.OK
			if p.From == west.Name && p.To == east.Name && p.Purpose == preflight.Internode {
				want = kind
				seen++
				for _, word := range words {
					if !strings.Contains(p.Means+" "+p.Change, word) {
						o.t.Errorf("no %q in %q, %q", word, p.Means, p.Change)
					}
				}
				o.t.Logf("%s: %s; to change: %s", p.Diagnosis, p.Means, p.Change)
			}
			if p.Diagnosis != want || !p.Sure {
				o.t.Errorf("want %s: %+v", want, p)
			}
			if p.State == preflight.Open && p.Purpose == preflight.Internode && (p.Listener != preflight.ByProbe || p.TLS != "TLS 1.3") {
				o.t.Errorf("%+v", p)
			}
		}
		if seen != 1 {
			o.t.Errorf("%d ways from %s to %s", seen, west.Name, east.Name)
		}
	}
	check(0, preflight.OK)
	_, lacks, _ := strings.Cut(o.revoke(east, west), ": silent: ")
	check(3, preflight.ClosedByGroup, lacks, "crossring up lab")
	o.want(0, "up", "lab", "--until", "deploy")
	_, heal := o.drop(inv, east, west)
	check(3, preflight.ClosedOnHost, fmt.Sprintf("ip saddr %s tcp dport %d", west.PublicAddress, east.Ports.Storage))
	heal()
	check(0, preflight.OK)
}

// plainRefused says a few bytes in plain text to a server that wants TLS, from a
// namespace: it ends the connection, and answers in TLS or not at all.
func (o operator) plainRefused(namespace, address string, port int, hello string) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), time.Minute)
	defer cancel()
	line := fmt.Sprintf(`exec 3<>/dev/tcp/%s/%d; printf '%s' >&3; timeout 30 cat <&3 | od -An -tx1 -N1; exit ${PIPESTATUS[0]}`, address, port, hello)
	out, err := output(ctx, nil, "ip", "netns", "exec", namespace, "bash", "-c", line)
	const alert = "15"
	if err != nil && !strings.Contains(err.Error(), "reset by peer") || out != "" && out != alert {
		o.t.Errorf("plain text to %s port %d: answer %q, %v", address, port, out, err)
	}
}

// holders are the files of the operator's that have the key of a PEM file in them.
func (o operator) holders(text string) (list []string) {
	o.t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil || !strings.Contains(block.Type, "PRIVATE KEY") {
		o.t.Fatalf("no key in %q", block)
	}
	err := filepath.WalkDir(o.state, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found := bytes.Contains(data, block.Bytes)
		for b, rest := pem.Decode(data); b != nil; b, rest = pem.Decode(rest) {
			found = found || bytes.Equal(b.Bytes, block.Bytes)
		}
		if found {
			list = append(list, path)
		}
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return list
}
