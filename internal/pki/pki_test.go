package pki

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"crossring/internal/pki/store"
)

func node(t *testing.T, name, region string) NodeRequest {
	t.Helper()
	key, err := NewKey(ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := NewCSR(key, pkix.Name{CommonName: "whatever"})
	if err != nil {
		t.Fatal(err)
	}
	return NodeRequest{Name: name, Region: region, CSR: csr, Now: time.Now(),
		IPs: []netip.Addr{netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("10.0.0.1")}}
}

func TestIssue(t *testing.T) {
	ctx := t.Context()
	kinds := KeyKinds()
	if testing.Short() {
		kinds = []string{ECDSAP256, RSA2048} // large keys take seconds to make
	}
	for _, kind := range kinds {
		d := &Dir{Path: filepath.Join(t.TempDir(), "ca")}
		now := time.Now()
		if err := d.Init(ctx, Setup{Cluster: "lab", Key: kind, Regions: []string{"us-east-1"}, Now: now}); err != nil {
			t.Fatal(err)
		}
		root, err := d.Root()
		if err != nil {
			t.Fatal(err)
		}
		roots, between := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(root)
		for _, region := range []string{"us-east-1", "us-west-2"} {
			chain, err := d.Issue(ctx, node(t, "n-"+region, region))
			if err != nil {
				t.Fatal(err)
			}
			leaf := chain[0]
			for _, c := range chain[1:] {
				between.AddCert(c)
			}
			// The subject is the authority's to say, and not the node's.
			if leaf.Subject.CommonName != "n-"+region || leaf.Subject.OrganizationalUnit[0] != region || leaf.Subject.Organization[0] != "lab" {
				t.Errorf("%s: %s", kind, leaf.Subject)
			}
			if (len(chain) == 2) != (region == "us-east-1") || leaf.IsCA || leaf.NotBefore.After(now.Add(-59*time.Minute)) || leaf.NotAfter.Before(now.Add(NodeLife-time.Hour)) {
				t.Errorf("%s: chain of %d, %v to %v", kind, len(chain), leaf.NotBefore, leaf.NotAfter)
			}
			_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			if err := errors.Join(err, leaf.VerifyHostname("203.0.113.10"), leaf.VerifyHostname("10.0.0.1")); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
	}
}

// A certificate does not outlive the authority that signed it.
func TestIssueEndsWithItsAuthority(t *testing.T) {
	d := &Dir{Path: filepath.Join(t.TempDir(), "ca")}
	if err := d.Init(t.Context(), Setup{Cluster: "lab", Life: 48 * time.Hour, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	root, err := d.Root()
	if err != nil {
		t.Fatal(err)
	}
	chain, err := d.Issue(t.Context(), node(t, "n", ""))
	if err != nil || chain[0].NotAfter.After(root.NotAfter) {
		t.Errorf("%v, %v", chain, err)
	}
}

// Several commands on one authority take turns: nothing that was issued is lost.
func TestIssueAtTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca")
	if err := (&Dir{Path: path}).Init(t.Context(), Setup{Cluster: "lab", Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	const n = 16
	var wg sync.WaitGroup
	for range n {
		r := node(t, "n", "")
		wg.Go(func() {
			d, err := Open(path, "")
			if err == nil {
				_, err = d.Issue(t.Context(), r)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	d, err := Open(path, "")
	if err != nil || len(d.Entries()) != n {
		t.Fatalf("%d of %d certificates are known: %v", len(d.Entries()), n, err)
	}
	seen := map[string]bool{}
	for _, e := range d.Entries() {
		seen[e.Serial] = true
	}
	if len(seen) != n {
		t.Errorf("%d serial numbers for %d certificates", len(seen), n)
	}
}

func TestPassphrase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca")
	if err := (&Dir{Path: path, Passphrase: "right"}).Init(t.Context(), Setup{Cluster: "lab", Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for pass, works := range map[string]bool{"right": true, "wrong": false, "": false} {
		d, err := Open(path, pass)
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Issue(t.Context(), node(t, "n", ""))
		var password *store.PasswordError
		var none *NoPassphraseError
		if (err == nil) != works || pass == "wrong" && !errors.As(err, &password) || pass == "" && !errors.As(err, &none) {
			t.Errorf("passphrase %q: %v", pass, err)
		}
	}
}

func TestErrors(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "ca")
	var none *NoneError
	if _, err := Open(path, ""); !errors.As(err, &none) {
		t.Errorf("got %v", err)
	}
	d := &Dir{Path: path}
	if err := d.Init(ctx, Setup{Cluster: "lab", Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	var exists *ExistsError
	if err := d.Init(ctx, Setup{Cluster: "lab", Now: time.Now()}); !errors.As(err, &exists) {
		t.Errorf("got %v", err)
	}
	var unknown *UnknownError
	if _, _, err := d.Revoke(ctx, time.Now(), ListLife, "nobody"); !errors.As(err, &unknown) {
		t.Errorf("got %v", err)
	}
	bare := node(t, "n", "")
	bare.IPs = nil
	if _, err := d.Issue(ctx, bare); err == nil {
		t.Error("a certificate without an address is issued")
	}
	if _, err := d.Issue(ctx, NodeRequest{Name: "../n", CSR: bare.CSR, ClientOnly: true, Now: time.Now()}); err == nil {
		t.Error("a name leads out of the directory")
	}
	forged := node(t, "n", "")
	forged.CSR.Signature[10] ^= 1
	if _, err := d.Issue(ctx, forged); err == nil {
		t.Error("a request that its key did not sign is taken")
	}
	if err := os.Chmod(filepath.Join(path, "ca.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	var open *store.OpenError
	if _, err := d.Issue(ctx, node(t, "n", "")); !errors.As(err, &open) {
		t.Errorf("a CA key that others may read is used: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	unlock, err := d.lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	cancel()
	if _, err := d.Issue(gone, node(t, "n", "")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
