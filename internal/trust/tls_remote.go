package trust

import (
	"context"
	"fmt"
	"path"

	"crossring/internal/cluster"
	"crossring/internal/deploy/prepare"
	"crossring/internal/pki"
	"crossring/internal/pki/store"
	"crossring/internal/pki/verbs"
	"crossring/internal/topology"
)

// remoteIdentity has the key made on the node's machine, signs its request here,
// and has the certificate put beside the key there.
func remoteIdentity(ctx context.Context, w cluster.World, c cluster.Cluster, d *pki.Dir, n topology.Node, r pki.NodeRequest, password string) error {
	m, err := c.Machine(n)
	if err != nil {
		return err
	}
	s := prepare.Server{Machine: m, Node: n}
	dir := n.Layout.TLSDir()
	request, err := remoteRequest(ctx, c, d, s, r)
	if err != nil {
		return err
	}
	if r.CSR, err = verbs.ParseCSR(request); err != nil {
		return fmt.Errorf("signing request of %s: %w", n.Name, err)
	}
	issued, trust, err := issueTo(ctx, w, c, d, r, password)
	if err != nil {
		return err
	}
	kind := storeKind(c)
	if err := s.Put(ctx, path.Join(dir, "ca"+verbs.Extension(kind)), trust, 0o644); err != nil {
		return err
	}
	return s.PutIdentity(ctx, dir, kind, store.EncodeCertificates(issued), password)
}

// remoteRequest is the request of a node's machine. One that is signed here needs no more
// in it than the key.
func remoteRequest(ctx context.Context, c cluster.Cluster, d *pki.Dir, s prepare.Server, r pki.NodeRequest) ([]byte, error) {
	dir, kind := s.Node.Layout.TLSDir(), c.Inv.Plan.TLS.Key
	if !d.Elsewhere() {
		return s.MakeKey(ctx, dir, kind)
	}
	name, err := d.NameOf(r)
	if err != nil {
		return nil, err
	}
	return s.WaitingKey(ctx, dir, kind, name, r.IPs)
}
