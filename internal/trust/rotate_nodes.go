package trust

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/deploy"
	"crossring/internal/pki"
	"crossring/internal/pki/store"
	"crossring/internal/pki/verbs"
	"crossring/internal/pki/wire"
	"crossring/internal/safely"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// hot says that nodes take what is new while they run.
func (r *rotator) hot() bool { return r.Rel.HotReload && !r.saved.Restart }

// makeAuthority makes the CA that takes over. Its name differs from that of the old
// one, so that people, and servers that list whom they trust, can tell them apart.
func (r *rotator) makeAuthority(ctx context.Context) error {
	number, err := generation(r.Cluster)
	if err != nil {
		return err
	}
	t := r.Inv.Plan.TLS
	d := &pki.Dir{Path: filepath.Join(r.Dir, nextAuthorityDir)}
	err = d.Init(ctx, pki.Setup{
		Cluster: r.Inv.Plan.ClusterName, RootDN: fmt.Sprintf("CN={cluster} CA %d,O=crossring", number+1), NodeDN: t.Name, Key: t.Key, Limits: limits(r.Cluster), Now: r.Now(),
	})
	var exists *pki.ExistsError
	if errors.As(err, &exists) {
		return nil
	}
	return err
}

// roots are the certificates of the CAs: of the next one alone, or of both.
func (r *rotator) roots(both bool) ([]*x509.Certificate, error) {
	next, err := signer(r.Cluster)
	if err != nil {
		return nil, err
	}
	if both {
		return trusted(r.Cluster, next)
	}
	root, err := next.Root()
	return []*x509.Certificate{root}, err
}

// clientTrust has this side trust both CAs, or the next one alone.
func (r *rotator) clientTrust(both bool) error {
	roots, err := r.roots(both)
	if err != nil {
		return err
	}
	return safely.Write(r.TLSPath(cluster.TrustFile), store.EncodeCertificates(roots), 0o644)
}

// clientCertificate gives this side a new identity. Whoever loads the cluster takes
// it for its next connection.
func (r *rotator) clientCertificate(ctx context.Context) error {
	d, err := signer(r.Cluster)
	if err != nil {
		return err
	}
	t := r.Inv.Plan.TLS
	out := r.TLSPath("next")
	_, err = PKI(r.World).Issue(ctx, verbs.IssueRequest{
		Dir: d.Path, Name: cluster.ClientName, Client: true, KeyKind: t.Key, Out: out, Formats: []string{store.PEM},
		Life: time.Duration(t.Days) * 24 * time.Hour, Force: true, // over what a command left that was killed
	})
	if err != nil {
		return fmt.Errorf("certificate of the client: %w", err)
	}
	if err := os.Rename(filepath.Join(out, "node.pem"), r.TLSPath(cluster.ClientFile)); err != nil {
		return fmt.Errorf("put the client's certificate in place: %w", err)
	}
	if err := os.RemoveAll(out); err != nil {
		return fmt.Errorf("remove what is left of the client's certificate: %w", err)
	}
	if r.saved.CA {
		return nil // who is trusted has steps of its own
	}
	// The root may have been renewed since.
	roots, err := trusted(r.Cluster, d)
	if err != nil {
		return err
	}
	return safely.Write(r.TLSPath(cluster.TrustFile), store.EncodeCertificates(roots), 0o644)
}

// nodeTrust has a node trust both CAs, or the next one alone.
func (r *rotator) nodeTrust(ctx context.Context, n topology.Node, both bool) error {
	roots, err := r.roots(both)
	if err != nil {
		return err
	}
	want := func(seen wire.Seen) error { return trusts(seen, roots, true) }
	if r.check(ctx, n, want) == nil {
		return nil // a listener has it from the file
	}
	password, err := r.StorePassword()
	if err != nil {
		return err
	}
	kind := storeKind(r.Cluster)
	data, err := store.EncodeTrust(kind, roots, password, r.Now())
	if err != nil {
		return err
	}
	if err := r.Host(n).Put(ctx, path.Join(n.Layout.TLSDir(), "ca"+verbs.Extension(kind)), data, 0o644); err != nil {
		return err
	}
	return r.activate(ctx, n, want)
}

// nodeCertificate gives a node a new key and certificate.
func (r *rotator) nodeCertificate(ctx context.Context, n topology.Node) error {
	cert, err := r.issuedNow(ctx, n)
	if err != nil {
		return err
	}
	if cert == nil {
		d, err := signer(r.Cluster)
		if err != nil {
			return err
		}
		ips, err := nodeAddresses(r.Cluster, n)
		if err != nil {
			return err
		}
		password, err := r.StorePassword()
		if err != nil {
			return err
		}
		if err := newIdentity(ctx, r.World, r.Cluster, d, n, ips, password); err != nil {
			return err
		}
		if cert, err = r.issuedNow(ctx, n); err != nil {
			return err
		}
		if cert == nil {
			return fmt.Errorf("the certificate that was issued for %s is not where it was put", n.Name)
		}
	}
	return r.activate(ctx, n, func(seen wire.Seen) error { return serves(seen, cert) })
}

// issuedNow is the certificate that this rotation gave to a node, and that lies in
// its files; nil is none.
func (r *rotator) issuedNow(ctx context.Context, n topology.Node) (*x509.Certificate, error) {
	d, err := signer(r.Cluster)
	if err != nil {
		return nil, err
	}
	_, cert, err := d.Latest(n.Name)
	var unknown *pki.UnknownError
	if errors.As(err, &unknown) {
		return nil, nil
	}
	// A certificate has whole seconds.
	if err != nil || cert.NotBefore.Add(pki.BackDate).Before(r.saved.Started.Truncate(time.Second)) {
		return nil, err
	}
	has, err := hasIdentity(ctx, r.World, r.Cluster, n, cert)
	if !has {
		cert = nil
	}
	return cert, err
}

// activate has a node take what lies in its files, and waits until what it shows to
// others says that it did.
func (r *rotator) activate(ctx context.Context, n topology.Node, want func(wire.Seen) error) error {
	const patience, every = 2 * time.Minute, 200 * time.Millisecond
	if r.check(ctx, n, want) == nil {
		return nil
	}
	if r.hot() {
		if err := ringcheck.ReloadCertificates(ctx, cluster.Query(r.World, r.Cluster), n); err != nil {
			return fmt.Errorf("reload the stores of %s: %w", n.Name, err)
		}
	} else if err := r.restartNode(ctx, n); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := r.check(ctx, n, want)
		if err == nil {
			return r.awaitAll(ctx, patience)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s to show what it was given: %w", n.Name, err)
		}
	}
}

// restartNode restarts one node: it sends its clients away and writes down what it has
// before it ends. The others go on.
func (r *rotator) restartNode(ctx context.Context, n topology.Node) error {
	const settle = 5 * time.Minute
	q := cluster.Query(r.World, r.Cluster)
	err := drained(ctx,
		func() (string, error) { return ringcheck.Mode(ctx, q, n) },
		func() error { return ringcheck.Drain(ctx, q, n) },
		func() (bool, error) {
			p, err := r.Host(n).State(ctx)
			return p.Running, err
		})
	if err != nil {
		return fmt.Errorf("drain %s: %w", n.Name, err)
	}
	targets := []deploy.Target{{Node: n, Host: r.Host(n)}}
	if err := cluster.StopTargets(ctx, r.World, r.Cluster, targets); err != nil {
		return err
	}
	if err := StartServers(ctx, r.World, r.Cluster, targets); err != nil {
		return err
	}
	return r.awaitAll(ctx, settle)
}

// drained drains a server that is to be restarted. An answer may be lost on the way, of a
// busy agent for instance: then what the server says of itself counts, and it is asked
// again. One that has ended has nothing left to write down.
func drained(ctx context.Context, mode func() (string, error), drain func() error, running func() (bool, error)) error {
	const tries, pause = 3, time.Second
	for try := 1; ; try++ {
		is, err := mode()
		if err == nil && is == ringcheck.ModeDrained {
			return nil
		}
		if err == nil {
			err = drain()
		}
		if err == nil {
			return nil
		}
		if up, stateErr := running(); stateErr == nil && !up {
			return nil
		}
		var refused *ringcheck.RefusedError
		if errors.As(err, &refused) || try == tries {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// gate is what must be true of all nodes before a step: they trust the next CA
// before anybody shows a certificate of it, and nobody shows one of the old CA any
// more when somebody is about to trust it no longer.
func (r *rotator) gate(ctx context.Context, s RotateStep) error {
	if !r.saved.CA || s.Kind == rotateTrust {
		return nil
	}
	next, err := r.roots(false)
	if err != nil {
		return err
	}
	want := func(seen wire.Seen) error { return trusts(seen, next, false) }
	if s.Kind == rotateDistrust {
		want = func(seen wire.Seen) error { return below(seen, next[0]) }
	}
	return cluster.OnEach(r.Inv.Nodes, func(n topology.Node) error { return r.check(ctx, n, want) })
}

// check looks at each TLS port of a node.
func (r *rotator) check(ctx context.Context, n topology.Node, want func(wire.Seen) error) error {
	const most = time.Minute
	var ports []int
	if r.Inv.Plan.InternodeTLS() {
		ports = append(ports, r.Inv.Plan.InternodePort(n))
	}
	if r.Inv.Plan.ClientTLS() {
		ports = append(ports, n.Ports.Native)
	}
	dial := r.Dialer()
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	for _, port := range ports {
		ctx, cancel := context.WithTimeout(ctx, most)
		conn, err := dial(ctx, "tcp", net.JoinHostPort(n.PrivateAddress, strconv.Itoa(port)))
		var seen wire.Seen
		if err == nil {
			seen, err = wire.Glance(ctx, conn)
		}
		cancel()
		if err == nil {
			err = want(seen)
		}
		if err != nil {
			return fmt.Errorf("port %d of %s: %w", port, n.Name, err)
		}
	}
	return nil
}

// trusts is an error unless a server takes clients of the CAs and, where they are alone,
// of no other.
func trusts(seen wire.Seen, roots []*x509.Certificate, alone bool) error {
	for _, root := range roots {
		if !slices.ContainsFunc(seen.CAs, func(name []byte) bool { return bytes.Equal(name, root.RawSubject) }) {
			return fmt.Errorf("does not trust %s", root.Subject)
		}
	}
	if alone && len(seen.CAs) != len(roots) {
		return fmt.Errorf("trusts %d CAs, not %d", len(seen.CAs), len(roots))
	}
	return nil
}

// serves is an error unless a server shows a certificate.
func serves(seen wire.Seen, cert *x509.Certificate) error {
	if len(seen.Chain) == 0 || !seen.Chain[0].Equal(cert) {
		return fmt.Errorf("does not show the certificate with serial number %s", cert.SerialNumber)
	}
	return nil
}

// below is an error unless a server shows a certificate of a CA.
func below(seen wire.Seen, root *x509.Certificate) error {
	if len(seen.Chain) == 0 {
		return errors.New("shows no certificate")
	}
	if err := seen.Chain[0].CheckSignatureFrom(root); err != nil {
		return fmt.Errorf("shows a certificate that is not of %s: %w", root.Subject, err)
	}
	return nil
}
