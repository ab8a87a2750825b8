package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/topology"
	"crossring/stress/record"
)

// identityOf writes the files of a cluster's client: a key and a certificate, which signs
// itself and is what is trusted.
func identityOf(t *testing.T, c cluster.Cluster) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	trust := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	identity := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), trust...)
	for name, data := range map[string][]byte{cluster.ClientFile: identity, cluster.TrustFile: trust} {
		err := os.MkdirAll(filepath.Dir(c.TLSPath(name)), 0o700)
		if err == nil {
			err = os.WriteFile(c.TLSPath("new"), data, 0o600)
		}
		if err == nil {
			err = os.Rename(c.TLSPath("new"), c.TLSPath(name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestLoadersAreToldOfCertificates replaces a cluster's certificates under a loader: its
// next connections have the new ones, and what can't be read changes nothing.
func TestLoadersAreToldOfCertificates(t *testing.T) {
	c := cluster.Cluster{Dir: t.TempDir()}
	c.Inv.Plan.TLS = &topology.TLSPlan{Client: true}
	identityOf(t, c)
	trust, identity, err := c.TLSFiles()
	if err != nil {
		t.Fatal(err)
	}
	began, err := cluster.ClientConfig(trust, identity)
	if err != nil {
		t.Fatal(err)
	}
	in, out := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { identities(ctx, c, loaderIdentity{string(trust), string(identity)}, out) })
	told := &toldTLS{}
	ended.Go(func() { told.listen(bufio.NewReader(in)) })
	shows := func() []byte { return told.Fresh(began).Certificates[0].Certificate[0] }
	for range 2 {
		identityOf(t, c)
		want, err := c.ClientTLS()
		if err != nil {
			t.Fatal(err)
		}
		for until := time.Now().Add(2 * time.Minute); !bytes.Equal(shows(), want.Certificates[0].Certificate[0]) || !told.Fresh(began).RootCAs.Equal(want.RootCAs); {
			if time.Now().After(until) {
				t.Fatal("the loader has not been told of the new certificate")
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	if bytes.Equal(shows(), began.Certificates[0].Certificate[0]) {
		t.Error("the certificates are all the same")
	}
	stop()
	out.Close()
	ended.Wait()

	// After acknowledgements, and of lines that are none.
	var all bytes.Buffer
	if err := record.WriteAcks(&all, record.Keys{}); err != nil {
		t.Fatal(err)
	}
	good, err := json.Marshal(loaderIdentity{string(trust), string(identity)})
	if err != nil {
		t.Fatal(err)
	}
	all.Write(good)
	all.WriteString("\nno json\n{}\n{\"tls_trust\": \"x\", \"tls_identity\": \"y\"}\n{\"tls_trust\":")
	r := bufio.NewReader(&all)
	if _, err := record.ReadAcks(r); err != nil {
		t.Fatal(err)
	}
	told = &toldTLS{}
	told.listen(r)
	if told.cfg == nil || !bytes.Equal(shows(), began.Certificates[0].Certificate[0]) {
		t.Error("what came behind acknowledgements is not what the loader shows")
	}
}
