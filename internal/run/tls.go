package run

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"crossring/internal/deploy/prepare"
	"crossring/internal/pki"
	pkinames "crossring/internal/pki/names"
	"crossring/internal/pki/store"
	"crossring/internal/pki/verbs"
	"crossring/internal/state"
	"crossring/internal/topology"
)

// CqlshFile, in TLSDirName of a cluster's directory, has cqlsh's settings for TLS.
const (
	CqlshFile  = "cqlshrc"
	TLSDirName = tlsDir
)

// Files of a cluster's directory that TLS needs: the CA, the identity of crossring
// itself as a client, and the password of the nodes' stores.
const (
	authorityDir  = "ca"
	tlsDir        = "tls"
	clientFile    = "client.pem"
	trustFile     = "ca.pem"
	passwordFile  = "password"
	clientName    = "crossring"
	expiryWarning = 30 * 24 * time.Hour
)

func (c cluster) tlsPath(name string) string { return filepath.Join(c.dir, tlsDir, name) }

// ensureTLS makes what TLS needs of a cluster and is not there yet: its CA, the
// client's identity, and the certificate of each node, whose key is made at the
// node.
func (w World) ensureTLS(ctx context.Context, c cluster) error {
	t := c.inv.Plan.TLS
	if t == nil {
		return nil
	}
	if r, err := readRotation(c.dir); err != nil || r != nil {
		return err // what each node has is what its step of the rotation gave it
	}
	return w.stage("keys and certificates", func() error {
		d, err := w.clusterAuthority(ctx, c)
		if err != nil {
			return err
		}
		if err := w.clientIdentity(ctx, c, d); err != nil {
			return err
		}
		password, err := c.storePassword()
		if err != nil {
			return err
		}
		return c.partialOf(onEach(c.inv.Nodes, func(n topology.Node) error { return w.nodeIdentity(ctx, c, d.Path, n, password) }))
	})
}

// clusterAuthority opens the cluster's CA, or makes it.
func (w World) clusterAuthority(ctx context.Context, c cluster) (*pki.Dir, error) {
	dir := filepath.Join(c.dir, authorityDir)
	d := &pki.Dir{Path: dir}
	t := c.inv.Plan.TLS
	err := d.Init(ctx, pki.Setup{Cluster: c.inv.Plan.ClusterName, NodeDN: t.Name, Key: t.Key, Limits: c.limits(), Now: w.Now()})
	var exists *pki.ExistsError
	if err != nil && !errors.As(err, &exists) {
		return nil, err
	}
	return pki.Open(dir, "")
}

// limits are the names that a CA is to sign for: those of this computer where all nodes
// are on it, as they are when the ring has grown, too. Elsewhere addresses are not known
// before machines are, and a CA that is limited to those of today could not sign for the
// next. No node's certificate has a host name; but where common names look like one, who
// checks takes them for host names, and so no limit is set on those.
func (c cluster) limits() pki.Limits {
	here := netip.MustParsePrefix("127.0.0.0/8")
	l := pki.Limits{IPs: []netip.Prefix{here}, DNS: []string{"crossring.invalid"}}
	for _, n := range c.inv.Nodes {
		for _, text := range []string{n.PublicAddress, n.PrivateAddress} {
			if ip, err := netip.ParseAddr(text); err != nil || !here.Contains(ip) {
				return pki.Limits{}
			}
		}
		name, err := pkinames.ParseDN(c.inv.Plan.TLS.Name, map[string]string{"node": n.Name, "region": n.Region, "cluster": c.inv.Plan.ClusterName})
		if err != nil || strings.Contains(name.CommonName, ".") {
			l.DNS = nil
		}
	}
	return l
}

// clientIdentity makes the certificate that crossring itself shows to nodes, unless
// there is one that does not expire soon.
func (w World) clientIdentity(ctx context.Context, c cluster, d *pki.Dir) error {
	if _, err := os.Stat(c.tlsPath(clientFile)); err == nil {
		if _, cert, err := d.Latest(clientName); err == nil && cert.NotAfter.Sub(w.Now()) > expiryWarning {
			return nil
		}
	}
	_, err := w.PKI().Issue(ctx, verbs.IssueRequest{
		Dir: d.Path, Name: clientName, Client: true, KeyKind: c.inv.Plan.TLS.Key, Out: filepath.Join(c.dir, tlsDir), Formats: []string{store.PEM},
		Life: time.Duration(c.inv.Plan.TLS.Days) * 24 * time.Hour, Force: true,
	})
	if err != nil {
		return fmt.Errorf("certificate of the client: %w", err)
	}
	// For people who use cqlsh: it reads its identity from nowhere else.
	rc := fmt.Sprintf("[ssl]\ncertfile = %s\nvalidate = true\nuserkey = %[2]s\nusercert = %[2]s\n", c.tlsPath(trustFile), c.tlsPath(clientFile))
	if err := os.WriteFile(c.tlsPath(CqlshFile), []byte(rc), 0o600); err != nil {
		return fmt.Errorf("write settings of cqlsh: %w", err)
	}
	// Last, so that its presence says that the others are there.
	return os.Rename(c.tlsPath("node.pem"), c.tlsPath(clientFile))
}

// storePassword is that of the nodes' JKS stores, made when it is first asked for.
func (c cluster) storePassword() (string, error) {
	return state.Secret(c.tlsPath(passwordFile))
}

// nodeAddresses are what a node's certificate is for: the public address, by which
// other regions know it, and the private one, for its own region and for clients.
func nodeAddresses(c cluster, n topology.Node) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, text := range []string{n.PublicAddress, n.PrivateAddress} {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("certificate of %s: %w", n.Name, err)
		}
		all = append(all, ip)
	}
	if c.place.Loopback != nil && !c.rel.BindsOutgoing && c.place.Loopback(c.inv, n) {
		all = append(all, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	return all, nil
}

// nodeIdentity sees that a node has a certificate for its addresses that does not
// expire soon.
func (w World) nodeIdentity(ctx context.Context, c cluster, caDir string, n topology.Node, password string) error {
	d, err := pki.Open(caDir, "") // each node its own: they are read at the same time
	if err != nil {
		return err
	}
	ips, err := nodeAddresses(c, n)
	if err != nil {
		return err
	}
	if _, cert, err := d.Latest(n.Name); err == nil && cert.NotAfter.Sub(w.Now()) > expiryWarning {
		has, err := w.hasIdentity(ctx, c, n, cert)
		if err != nil || has && forAddresses(cert, ips) {
			return err
		}
	}
	return w.newIdentity(ctx, c, d, n, ips, password)
}

// newIdentity gives a node a new key and a certificate for its addresses.
func (w World) newIdentity(ctx context.Context, c cluster, d *pki.Dir, n topology.Node, ips []netip.Addr, password string) error {
	request := pki.NodeRequest{
		Name: n.Name, Region: n.Region, IPs: ips, Life: time.Duration(c.inv.Plan.TLS.Days) * 24 * time.Hour, Now: w.Now(),
	}
	if c.remote() {
		return w.remoteIdentity(ctx, c, d, n, request, password)
	}
	return w.localIdentity(ctx, c, d, n, request, password)
}

// forAddresses says whether a certificate has all addresses.
func forAddresses(cert *x509.Certificate, ips []netip.Addr) bool {
	for _, ip := range ips {
		if cert.VerifyHostname(ip.String()) != nil {
			return false
		}
	}
	return true
}

// localIdentity makes the key here: this computer is the node's.
func (w World) localIdentity(ctx context.Context, c cluster, d *pki.Dir, n topology.Node, r pki.NodeRequest, password string) error {
	key, err := pki.NewKey(c.inv.Plan.TLS.Key)
	if err != nil {
		return err
	}
	if r.CSR, err = pki.NewCSR(key, pkix.Name{CommonName: n.Name}); err != nil {
		return err
	}
	issued, trust, err := w.issueTo(ctx, c, d, r, password)
	if err != nil {
		return err
	}
	kind := c.storeKind()
	keys, err := store.Encode(kind, key, issued, password, w.Now())
	if err != nil {
		return err
	}
	host := c.host(n)
	dir := n.Layout.TLSDir()
	if err := host.Put(ctx, path.Join(dir, "ca"+verbs.Extension(kind)), trust, 0o644); err != nil {
		return err
	}
	if err := host.Put(ctx, path.Join(dir, "node"+verbs.Extension(kind)), keys, 0o600); err != nil {
		return err
	}
	// Beside a JKS store, the certificate alone, to be looked at; last: it says that the rest is there.
	return host.Put(ctx, path.Join(dir, chainFile), store.EncodeCertificates(issued), 0o644)
}

// issueTo signs a node's request: its certificate with those above it, and the store
// of what it trusts.
func (w World) issueTo(ctx context.Context, c cluster, d *pki.Dir, r pki.NodeRequest, password string) (issued []*x509.Certificate, trust []byte, err error) {
	if issued, err = d.Issue(ctx, r); err != nil {
		return nil, nil, err
	}
	roots, err := c.trusted(d)
	if err != nil {
		return nil, nil, err
	}
	trust, err = store.EncodeTrust(c.storeKind(), roots, password, w.Now())
	return issued, trust, err
}

// chainFile, in a node's TLS directory, holds its certificate without the key.
const chainFile = "chain.pem"

func (c cluster) storeKind() string {
	if c.rel.PEMStores {
		return store.PEM
	}
	return store.JKS
}

// hasIdentity says whether the node's files are those of a certificate.
func (w World) hasIdentity(ctx context.Context, c cluster, n topology.Node, cert *x509.Certificate) (bool, error) {
	want := path.Join(n.Layout.TLSDir(), chainFile)
	var data []byte
	if c.remote() {
		m, err := c.machine(n)
		if err != nil {
			return false, err
		}
		if data, err = prepare.Read(ctx, m, n, want); err != nil {
			return false, err
		}
	} else {
		var err error
		if data, err = os.ReadFile(want); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("read certificate of %s: %w", n.Name, err)
		}
	}
	have, err := store.Read(data, "")
	return err == nil && len(have.Chain) > 0 && have.Chain[0].Equal(cert), nil
}

// clientTLS is how this side speaks TLS with the nodes of a cluster; nil where it
// speaks plain text.
func (c cluster) clientTLS() (*tls.Config, error) {
	if !c.inv.Plan.ClientTLS() {
		return nil, nil
	}
	trust, identity, err := c.tlsFiles()
	if err != nil {
		return nil, err
	}
	return clientConfig(trust, identity)
}

// tlsFiles reads the CA and the client's identity, PEM both; nil where clients
// speak plain text.
func (c cluster) tlsFiles() (trust, identity []byte, err error) {
	if !c.inv.Plan.ClientTLS() {
		return nil, nil, nil
	}
	if trust, err = os.ReadFile(c.tlsPath(trustFile)); err != nil {
		return nil, nil, fmt.Errorf("read CA of %s: %w", c.inv.Plan.Name, err)
	}
	if identity, err = os.ReadFile(c.tlsPath(clientFile)); err != nil {
		return nil, nil, fmt.Errorf("read certificate of the client: %w", err)
	}
	return trust, identity, nil
}

// clientConfig makes a configuration of PEM: the roots, and key and chain of the
// client.
func clientConfig(trust, identity []byte) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(identity, identity)
	if err != nil {
		return nil, fmt.Errorf("read certificate of the client: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(trust) {
		return nil, errors.New("read CA: no certificate in it")
	}
	cfg := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	// The chain again: of a session that is resumed crypto/tls looks at the address
	// and the dates alone.
	cfg.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("the server showed no certificate")
		}
		between := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			between.AddCert(c)
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
		return err
	}
	return cfg, nil
}

func nodeNames(nodes []topology.Node) []string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name)
	}
	return all
}
