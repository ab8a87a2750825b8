package trust

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/pki"
	"crossring/internal/pki/store"
	"crossring/internal/plain"
	"crossring/internal/topology"
)

// pendingKey, beside the identity that it is for, waits for its certificate.
const pendingKey = "new.key"

// UnsignedError says which certificates of a cluster are to be signed elsewhere before it
// can go on.
type UnsignedError struct {
	Cluster string
	Lacks   []*pki.UnsignedError
	again   string
}

func (e *UnsignedError) Error() string {
	var lines []string
	for _, l := range e.Lacks {
		lines = append(lines, l.Error())
	}
	return fmt.Sprintf("to be signed elsewhere: %s\n%s", plain.Count(len(e.Lacks), "certificate"), strings.Join(lines, "\n"))
}

// ExitCode is that of something that is missing.
func (e *UnsignedError) ExitCode() int { return fail.ExitPrerequisite }

// Hint goes on when they are there.
func (e *UnsignedError) Hint() string { return e.again + "   # when they are there" }

// ensureElsewhere takes the certificates that were signed elsewhere, and says which are
// missing: all of them at once. Where one that is in use counts still, a new one that is
// missing keeps nothing from going on.
func ensureElsewhere(ctx context.Context, w cluster.World, c cluster.Cluster, d *pki.Dir) error {
	lacks := &UnsignedError{Cluster: c.Inv.Plan.Name, again: w.Command("up", c.Inv.Plan.Name)}
	var others []error
	add := func(err error, inUse func() bool) {
		var unsigned *pki.UnsignedError
		switch {
		case err == nil:
		case !errors.As(err, &unsigned):
			others = append(others, err)
		case inUse():
			w.Say("warning: %v: the one in use goes on until it ends", unsigned)
		default:
			lacks.Lacks = append(lacks.Lacks, unsigned)
		}
	}
	add(clientIdentity(ctx, w, c, d), func() bool {
		_, err := os.Stat(c.TLSPath(cluster.ClientFile))
		return err == nil && counts(d, cluster.ClientName, w.Now())
	})
	password, err := c.StorePassword() // beside the client's key
	if err != nil {
		return err
	}
	for _, n := range c.Inv.Nodes {
		add(nodeIdentity(ctx, w, c, d.Path, n, password), func() bool {
			fresh, err := pki.Open(d.Path, "")
			if err != nil {
				return false
			}
			_, cert, err := fresh.Latest(n.Name)
			if err != nil || !counts(fresh, n.Name, w.Now()) {
				return false
			}
			ips, err := nodeAddresses(c, n)
			if err != nil {
				return false
			}
			has, err := hasIdentity(ctx, w, c, n, cert)
			return err == nil && has && forAddresses(cert, ips)
		})
	}
	if len(lacks.Lacks) > 0 {
		others = append(others, lacks)
	}
	return errors.Join(others...)
}

// counts says whether the newest certificate of a name counts now.
func counts(d *pki.Dir, name string, now time.Time) bool {
	_, cert, err := d.Latest(name)
	return err == nil && now.After(cert.NotBefore) && now.Before(cert.NotAfter)
}

// waitingDir is where a node's key waits for its certificate: beside the identity, where
// that is on this computer.
func waitingDir(c cluster.Cluster, n topology.Node) string {
	if c.Place.Read != nil {
		return filepath.Join(c.Dir, cluster.TLSDir, "waiting", n.Name)
	}
	return n.Layout.TLSDir()
}

// keyFor is a new key; one that waits for its certificate is the same until that is there.
func keyFor(d *pki.Dir, dir, kind string) (crypto.Signer, error) {
	if !d.Elsewhere() {
		return pki.NewKey(kind)
	}
	path := filepath.Join(dir, pendingKey)
	data, err := os.ReadFile(path)
	if err == nil {
		return store.ReadKey(data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the key that waits for its certificate: %w", err)
	}
	key, err := pki.NewKey(kind)
	if err != nil {
		return nil, err
	}
	if data, err = store.EncodeKey(key); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of a key: %w", err)
	}
	return key, pki.WriteFile(path, data, 0o600)
}

// taken forgets the key that waited: its certificate is in use.
func taken(dir string) error {
	if err := os.Remove(filepath.Join(dir, pendingKey)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a key that has its certificate: %w", err)
	}
	return nil
}

// clientElsewhere writes this side's identity, as verbs.Issue does where there is a CA.
func clientElsewhere(ctx context.Context, w cluster.World, c cluster.Cluster, d *pki.Dir) error {
	dir := filepath.Join(c.Dir, cluster.TLSDir)
	key, err := keyFor(d, dir, c.Inv.Plan.TLS.Key)
	if err != nil {
		return err
	}
	r := pki.NodeRequest{Name: cluster.ClientName, ClientOnly: true, Now: w.Now()}
	if r.CSR, err = d.RequestFor(key, r); err != nil {
		return err
	}
	root, err := d.Root()
	if err != nil {
		return err
	}
	chain, err := d.Issue(ctx, r)
	if err != nil {
		return err
	}
	data, err := store.Encode(store.PEM, key, chain, "", w.Now())
	if err != nil {
		return err
	}
	trust, err := store.EncodeTrust(store.PEM, []*x509.Certificate{root}, "", w.Now())
	if err != nil {
		return err
	}
	if err := pki.WriteFile(filepath.Join(dir, cluster.TrustFile), trust, 0o644); err != nil {
		return err
	}
	return errors.Join(pki.WriteFile(filepath.Join(dir, "node.pem"), data, 0o600), taken(dir))
}
