package trust

import (
	"context"
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

	"crossring/internal/cluster"
	"crossring/internal/deploy/prepare"
	"crossring/internal/pki"
	pkinames "crossring/internal/pki/names"
	"crossring/internal/pki/store"
	"crossring/internal/pki/verbs"
	"crossring/internal/topology"
)

// Ensure makes what TLS needs of a cluster and is not there yet: its CA, the
// client's identity, and the certificate of each node, whose key is made at the
// node.
func Ensure(ctx context.Context, w cluster.World, c cluster.Cluster) error {
	t := c.Inv.Plan.TLS
	if t == nil {
		return nil
	}
	if r, err := readRotation(c.Dir); err != nil || r != nil {
		return err // what each node has is what its step of the rotation gave it
	}
	return w.Stage("keys and certificates", func() error {
		d, err := clusterAuthority(ctx, w, c)
		if err != nil {
			return err
		}
		if d.Elsewhere() {
			return ensureElsewhere(ctx, w, c, d)
		}
		if err := clientIdentity(ctx, w, c, d); err != nil {
			return err
		}
		password, err := c.StorePassword()
		if err != nil {
			return err
		}
		return c.PartialOf(cluster.OnEach(c.Inv.Nodes, func(n topology.Node) error { return nodeIdentity(ctx, w, c, d.Path, n, password) }))
	})
}

// clusterAuthority opens the cluster's CA, or makes it.
func clusterAuthority(ctx context.Context, w cluster.World, c cluster.Cluster) (*pki.Dir, error) {
	dir := filepath.Join(c.Dir, cluster.AuthorityDir)
	d := &pki.Dir{Path: dir}
	t := c.Inv.Plan.TLS
	setup := pki.Setup{Cluster: c.Inv.Plan.ClusterName, NodeDN: t.Name, Key: t.Key, Now: w.Now()}
	setup.Under = underOf(c.Inv.Plan)
	switch {
	case setup.Under != nil:
	case t.Trust == "":
		setup.Limits = limits(c)
	case !pki.IsDir(dir):
		root, err := pki.ReadTrust(t.Trust, w.Now())
		if err != nil {
			return nil, err
		}
		setup.Elsewhere = root
	}
	err := d.Init(ctx, setup)
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
func limits(c cluster.Cluster) pki.Limits {
	here := netip.MustParsePrefix("127.0.0.0/8")
	l := pki.Limits{IPs: []netip.Prefix{here}, DNS: []string{"crossring.invalid"}}
	for _, n := range c.Inv.Nodes {
		for _, text := range []string{n.PublicAddress, n.PrivateAddress} {
			if ip, err := netip.ParseAddr(text); err != nil || !here.Contains(ip) {
				return pki.Limits{}
			}
		}
		name, err := pkinames.ParseDN(c.Inv.Plan.TLS.Name, map[string]string{"node": n.Name, "region": n.Region, "cluster": c.Inv.Plan.ClusterName})
		if err != nil || strings.Contains(name.CommonName, ".") {
			l.DNS = nil
		}
	}
	return l
}

// clientIdentity makes the certificate that crossring itself shows to nodes, unless
// there is one that does not expire soon.
func clientIdentity(ctx context.Context, w cluster.World, c cluster.Cluster, d *pki.Dir) error {
	if _, err := os.Stat(c.TLSPath(cluster.ClientFile)); err == nil {
		if _, cert, err := d.Latest(cluster.ClientName); err == nil && cert.NotAfter.Sub(w.Now()) > cluster.ExpiryWarning {
			return nil
		}
	}
	var err error
	if d.Elsewhere() {
		err = clientElsewhere(ctx, w, c, d)
	} else {
		_, err = PKI(w).Issue(ctx, verbs.IssueRequest{
			Dir: d.Path, Name: cluster.ClientName, Client: true, KeyKind: c.Inv.Plan.TLS.Key, Out: filepath.Join(c.Dir, cluster.TLSDir), Formats: []string{store.PEM},
			Life: time.Duration(c.Inv.Plan.TLS.Days) * 24 * time.Hour, Force: true,
		})
	}
	if err != nil {
		return fmt.Errorf("certificate of the client: %w", err)
	}
	// For people who use cqlsh: it reads its identity from nowhere else.
	rc := fmt.Sprintf("[ssl]\ncertfile = %s\nvalidate = true\nuserkey = %[2]s\nusercert = %[2]s\n", c.TLSPath(cluster.TrustFile), c.TLSPath(cluster.ClientFile))
	if err := os.WriteFile(c.TLSPath(cluster.CqlshFile), []byte(rc), 0o600); err != nil {
		return fmt.Errorf("write settings of cqlsh: %w", err)
	}
	// Last, so that its presence says that the others are there.
	return os.Rename(c.TLSPath("node.pem"), c.TLSPath(cluster.ClientFile))
}

// nodeAddresses are what a node's certificate is for: the public address, by which
// other regions know it, and the private one, for its own region and for clients.
func nodeAddresses(c cluster.Cluster, n topology.Node) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, text := range []string{n.PublicAddress, n.PrivateAddress} {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("certificate of %s: %w", n.Name, err)
		}
		all = append(all, ip)
	}
	if c.Place.Loopback != nil && !c.Rel.BindsOutgoing && c.Place.Loopback(c.Inv, n) {
		all = append(all, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	return all, nil
}

// nodeIdentity sees that a node has a certificate for its addresses that does not
// expire soon.
func nodeIdentity(ctx context.Context, w cluster.World, c cluster.Cluster, caDir string, n topology.Node, password string) error {
	d, err := pki.Open(caDir, "") // each node its own: they are read at the same time
	if err != nil {
		return err
	}
	ips, err := nodeAddresses(c, n)
	if err != nil {
		return err
	}
	if _, cert, err := d.Latest(n.Name); err == nil && cert.NotAfter.Sub(w.Now()) > cluster.ExpiryWarning {
		has, err := hasIdentity(ctx, w, c, n, cert)
		if err != nil || has && forAddresses(cert, ips) {
			return err
		}
	}
	return newIdentity(ctx, w, c, d, n, ips, password)
}

// newIdentity gives a node a new key and a certificate for its addresses.
func newIdentity(ctx context.Context, w cluster.World, c cluster.Cluster, d *pki.Dir, n topology.Node, ips []netip.Addr, password string) error {
	request := pki.NodeRequest{
		Name: n.Name, Region: n.Region, IPs: ips, Life: time.Duration(c.Inv.Plan.TLS.Days) * 24 * time.Hour, Now: w.Now(),
	}
	if c.Remote() {
		return remoteIdentity(ctx, w, c, d, n, request, password)
	}
	return localIdentity(ctx, w, c, d, n, request, password)
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
func localIdentity(ctx context.Context, w cluster.World, c cluster.Cluster, d *pki.Dir, n topology.Node, r pki.NodeRequest, password string) error {
	dir := n.Layout.TLSDir()
	waits := waitingDir(c, n)
	key, err := keyFor(d, waits, c.Inv.Plan.TLS.Key)
	if err != nil {
		return err
	}
	if d.Elsewhere() {
		r.CSR, err = d.RequestFor(key, r)
	} else {
		r.CSR, err = pki.NewCSR(key, pkix.Name{CommonName: n.Name})
	}
	if err != nil {
		return err
	}
	issued, trust, err := issueTo(ctx, w, c, d, r, password)
	if err != nil {
		return err
	}
	kind := storeKind(c)
	keys, err := store.Encode(kind, key, issued, password, w.Now())
	if err != nil {
		return err
	}
	host := c.Host(n)
	if err := host.Put(ctx, path.Join(dir, "ca"+verbs.Extension(kind)), trust, 0o644); err != nil {
		return err
	}
	if err := host.Put(ctx, path.Join(dir, "node"+verbs.Extension(kind)), keys, 0o600); err != nil {
		return err
	}
	// Beside a JKS store, the certificate alone, to be looked at; last: it says that the rest is there.
	if err := host.Put(ctx, path.Join(dir, chainFile), store.EncodeCertificates(issued), 0o644); err != nil {
		return err
	}
	return taken(waits)
}

// issueTo signs a node's request: its certificate with those above it, and the store
// of what it trusts.
func issueTo(ctx context.Context, w cluster.World, c cluster.Cluster, d *pki.Dir, r pki.NodeRequest, password string) (issued []*x509.Certificate, trust []byte, err error) {
	if issued, err = d.Issue(ctx, r); err != nil {
		return nil, nil, err
	}
	roots, err := trusted(c, d)
	if err != nil {
		return nil, nil, err
	}
	trust, err = store.EncodeTrust(storeKind(c), roots, password, w.Now())
	return issued, trust, err
}

// chainFile, in a node's TLS directory, holds its certificate without the key.
const chainFile = "chain.pem"

func storeKind(c cluster.Cluster) string {
	if c.Rel.PEMStores {
		return store.PEM
	}
	return store.JKS
}

// hasIdentity says whether the node's files are those of a certificate.
func hasIdentity(ctx context.Context, w cluster.World, c cluster.Cluster, n topology.Node, cert *x509.Certificate) (bool, error) {
	want := path.Join(n.Layout.TLSDir(), chainFile)
	data, err := readAt(ctx, c, n, want)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read certificate of %s: %w", n.Name, err)
	}
	have, err := store.Read(data, "")
	return err == nil && len(have.Chain) > 0 && have.Chain[0].Equal(cert), nil
}

// readAt reads a node's file, wherever that is.
func readAt(ctx context.Context, c cluster.Cluster, n topology.Node, name string) ([]byte, error) {
	switch {
	case c.Remote():
		m, err := c.Machine(n)
		if err != nil {
			return nil, err
		}
		return prepare.Read(ctx, m, n, name)
	case c.Place.Read != nil:
		return c.Place.Read(ctx, c.Inv, n, name)
	}
	return os.ReadFile(name)
}

func nodeNames(nodes []topology.Node) []string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name)
	}
	return all
}
