package run

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"time"

	"crossring/internal/pki/store"
	"crossring/internal/pki/verbs"
	"crossring/internal/topology"
)

// Stands says whether there is a cluster of a name, whatever else the name may mean.
func (w World) Stands(name string) bool {
	if checkName(name) != nil {
		return false
	}
	_, err := w.open(name)
	return err == nil
}

// AuthorityOf is the directory of a cluster's CA.
func (w World) AuthorityOf(name string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	c, err := w.open(name)
	if err != nil {
		return "", err
	}
	if c.inv.Plan.TLS == nil {
		return "", Usage("", fmt.Errorf("cluster %s has no TLS, and so no CA", name), "write tls: {} in the spec of a new cluster")
	}
	return filepath.Join(c.dir, authorityDir), nil
}

// VerifyCluster verifies the certificates of all nodes of a cluster, as the nodes and the
// clients of each region dial them. at is when; zero is now.
func (w World) VerifyCluster(ctx context.Context, name string, at time.Time) (verbs.ClusterVerifyResult, error) {
	none := verbs.ClusterVerifyResult{}
	if err := checkName(name); err != nil {
		return none, err
	}
	c, err := w.open(name)
	if err != nil {
		return none, err
	}
	if c.inv.Plan.TLS == nil {
		return none, Usage("", fmt.Errorf("cluster %s has no TLS, and so no certificates", name), "write tls: {} in the spec of a new cluster")
	}
	if c.place.DialFrom == nil {
		return none, c.place.NotHere(name, "connections from where its nodes are", "")
	}
	ways, err := w.tlsWays(c)
	if err != nil {
		return none, err
	}
	var res verbs.ClusterVerifyResult
	err = w.stage("every node, as it is dialled from each region", func() error {
		res, err = w.PKI().VerifyWays(ctx, name, c.tlsPath(trustFile), at, ways)
		return err
	})
	return res, err
}

// tlsWays are the ways by which nodes are dialled: by nodes of each region, and by the
// clients of their own.
func (w World) tlsWays(c cluster) ([]verbs.Way, error) {
	own := map[string]tls.Certificate{}
	if !c.remote() {
		password, err := c.storePassword()
		if err != nil {
			return nil, err
		}
		for _, n := range c.inv.Nodes {
			pair, err := c.nodePair(n, password)
			if err != nil {
				w.Say("warning: %v: what others make of it is not tried", err)
				continue
			}
			own[n.Name] = pair
		}
	}
	var ways []verbs.Way
	add := func(from, to topology.Node, role, host string, port int, ip string) *verbs.Way {
		ways = append(ways, verbs.Way{
			Node: to.Name, Region: to.Region, FromRegion: from.Region, FromNode: from.Name, Role: role,
			Address: net.JoinHostPort(host, strconv.Itoa(port)), IP: ip,
			Dial: func(ctx context.Context, _, addr string) (net.Conn, error) {
				return c.place.DialFrom(ctx, c.inv, from, addr)
			},
		})
		return &ways[len(ways)-1]
	}
	for _, to := range c.inv.Nodes {
		if c.inv.Plan.InternodeTLS() {
			for _, from := range c.dialling(to) {
				host := to.PublicAddress
				if from.Datacenter == to.Datacenter {
					host = to.PrivateAddress // the snitch has them change over
				}
				ip := host
				if !c.rel.SeparateTLSPort {
					// From 4.0 on a node looks for the address that it knows the other by,
					// wherever it dials.
					ip = to.PublicAddress
				}
				way := add(from, to, verbs.RoleNode, host, c.inv.Plan.InternodePort(to), ip)
				if pair, ok := own[from.Name]; ok {
					way.Shows, way.Identity = from.Name, pair
				}
			}
		}
		if c.inv.Plan.ClientTLS() {
			cfg, err := c.clientTLS()
			if err != nil {
				return nil, err
			}
			way := add(to, to, verbs.RoleClient, to.PrivateAddress, to.Ports.Native, to.PrivateAddress)
			way.Shows, way.Identity = clientName, cfg.Certificates[0]
		}
	}
	return ways, nil
}

// dialling is a node of each region that dials a node: another one than itself, and none
// where it is alone.
func (c cluster) dialling(to topology.Node) []topology.Node {
	var all []topology.Node
	seen := map[string]bool{}
	for _, n := range c.inv.Nodes {
		if n.Name != to.Name && !seen[n.Region] {
			seen[n.Region] = true
			all = append(all, n)
		}
	}
	return all
}

// nodePair is the certificate of a node of this computer, with its key.
func (c cluster) nodePair(n topology.Node, password string) (tls.Certificate, error) {
	file := path.Join(n.Layout.TLSDir(), "node"+verbs.Extension(c.storeKind()))
	data, err := os.ReadFile(file)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read certificate of %s: %w", n.Name, err)
	}
	got, err := store.Read(data, password)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %w", file, err)
	}
	pair := tls.Certificate{PrivateKey: got.Key}
	for _, cert := range got.Chain {
		pair.Certificate = append(pair.Certificate, cert.Raw)
	}
	return pair, nil
}
