package trust

import (
	"crypto/x509"
	"path/filepath"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/pki"
	"crossring/ringcheck"
)

// Certificates are those that a cluster lives by, as they were issued: the CA's, and the
// newest of each node and of crossring itself. None where there is no TLS.
func Certificates(w cluster.World, c cluster.Cluster) []ringcheck.Certificate {
	if c.Inv.Plan.TLS == nil {
		return nil
	}
	d, err := pki.Open(filepath.Join(c.Dir, cluster.AuthorityDir), "")
	if err != nil {
		return nil // not made yet
	}
	var all []ringcheck.Certificate
	add := func(name, kind string, cert *x509.Certificate) {
		left := cert.NotAfter.Sub(w.Now())
		days := int(left / (24 * time.Hour))
		if left < 0 {
			days-- // an hour ago is no day to come
		}
		all = append(all, ringcheck.Certificate{Name: name, Kind: kind, Serial: cert.SerialNumber.Text(16), NotAfter: cert.NotAfter.UTC(), Days: days})
	}
	if issuers, err := d.Issuers(); err == nil {
		for _, i := range issuers {
			add(i.Name, "ca", i.Cert)
		}
	}
	for _, n := range c.Inv.Nodes {
		if _, cert, err := d.Latest(n.Name); err == nil {
			add(n.Name, "node", cert)
		}
	}
	if _, cert, err := d.Latest(cluster.ClientName); err == nil {
		add(cluster.ClientName, "client", cert)
	}
	return all
}
