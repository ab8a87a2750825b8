package trust

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"path"
	"path/filepath"
	"strconv"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/pki/store"
	"crossring/internal/pki/verbs"
	"crossring/internal/topology"
)

// Stands says whether there is a cluster of a name, whatever else the name may mean.
func Stands(w cluster.World, name string) bool {
	if cluster.CheckName(name) != nil {
		return false
	}
	_, err := w.Open(name)
	return err == nil
}

// AuthorityOf is the directory of a cluster's CA.
func AuthorityOf(w cluster.World, name string) (string, error) {
	if err := cluster.CheckName(name); err != nil {
		return "", err
	}
	c, err := w.Open(name)
	if err != nil {
		return "", err
	}
	if err := c.Place.NoServers(name, ""); err != nil {
		return "", err
	}
	if c.Inv.Plan.TLS == nil {
		return "", fail.Usage("", fmt.Errorf("cluster %s has no TLS, and so no CA", name), "write tls: {} in the spec of a new cluster")
	}
	return filepath.Join(c.Dir, cluster.AuthorityDir), nil
}

// VerifyCluster verifies the certificates of all nodes of a cluster, as the nodes and the
// clients of each region dial them. at is when; zero is now.
func VerifyCluster(ctx context.Context, w cluster.World, name string, at time.Time) (verbs.ClusterVerifyResult, error) {
	none := verbs.ClusterVerifyResult{}
	if err := cluster.CheckName(name); err != nil {
		return none, err
	}
	c, err := w.Open(name)
	if err != nil {
		return none, err
	}
	if c.Place.DialFrom == nil {
		return none, c.Place.NotHere(name, "connections from where its nodes are", "")
	}
	if c.Inv.Plan.TLS == nil {
		return none, fail.Usage("", fmt.Errorf("cluster %s has no TLS, and so no certificates", name), "write tls: {} in the spec of a new cluster")
	}
	ways, err := tlsWays(ctx, w, c)
	if err != nil {
		return none, err
	}
	var res verbs.ClusterVerifyResult
	err = w.Stage("every node, as it is dialled from each region", func() error {
		res, err = PKI(w).VerifyWays(ctx, name, c.TLSPath(cluster.TrustFile), at, ways)
		return err
	})
	return res, err
}

// tlsWays are the ways by which nodes are dialled: by nodes of each region, and by the
// clients of their own.
func tlsWays(ctx context.Context, w cluster.World, c cluster.Cluster) ([]verbs.Way, error) {
	own := map[string]tls.Certificate{}
	if !c.Remote() {
		password, err := c.StorePassword()
		if err != nil {
			return nil, err
		}
		for _, n := range c.Inv.Nodes {
			pair, err := nodePair(ctx, c, n, password)
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
				return c.Place.DialFrom(ctx, c.Inv, from, addr)
			},
		})
		return &ways[len(ways)-1]
	}
	for _, to := range c.Inv.Nodes {
		if c.Inv.Plan.InternodeTLS() {
			for _, from := range dialling(c, to) {
				host := to.PublicAddress
				if from.Datacenter == to.Datacenter {
					host = to.PrivateAddress // the snitch has them change over
				}
				ip := host
				if !c.Rel.SeparateTLSPort {
					// From 4.0 on a node looks for the address that it knows the other by,
					// wherever it dials.
					ip = to.PublicAddress
				}
				way := add(from, to, verbs.RoleNode, host, c.Inv.Plan.InternodePort(to), ip)
				if pair, ok := own[from.Name]; ok {
					way.Shows, way.Identity = from.Name, pair
				}
			}
		}
		if c.Inv.Plan.ClientTLS() {
			cfg, err := c.ClientTLS()
			if err != nil {
				return nil, err
			}
			way := add(to, to, verbs.RoleClient, to.PrivateAddress, to.Ports.Native, to.PrivateAddress)
			way.Shows, way.Identity = cluster.ClientName, cfg.Certificates[0]
		}
	}
	return ways, nil
}

// dialling is a node of each region that dials a node: another one than itself, and none
// where it is alone.
func dialling(c cluster.Cluster, to topology.Node) []topology.Node {
	var all []topology.Node
	seen := map[string]bool{}
	for _, n := range c.Inv.Nodes {
		if n.Name != to.Name && !seen[n.Region] {
			seen[n.Region] = true
			all = append(all, n)
		}
	}
	return all
}

// nodePair is the certificate of a node, with its key.
func nodePair(ctx context.Context, c cluster.Cluster, n topology.Node, password string) (tls.Certificate, error) {
	file := path.Join(n.Layout.TLSDir(), "node"+verbs.Extension(storeKind(c)))
	data, err := readAt(ctx, c, n, file)
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
