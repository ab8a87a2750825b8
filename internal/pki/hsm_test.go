//go:build pkcs11

package pki

import (
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"crossring/internal/pki/hsm"
)

// softhsm makes tokens with the PIN 1234, and returns the library that has them.
func softhsm(t *testing.T, dir string, labels ...string) string {
	t.Helper()
	const module = "/usr/lib/softhsm/libsofthsm2.so"
	util, err := exec.LookPath("softhsm2-util")
	if _, statErr := os.Stat(module); err != nil || statErr != nil {
		t.Skipf("there is no SoftHSM2 here: apt-get install softhsm2 (%v, %v)", err, statErr)
	}
	tokens := filepath.Join(dir, "tokens")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "softhsm2.conf")
	if err := os.WriteFile(conf, []byte("directories.tokendir = "+tokens+"\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	for _, label := range labels {
		initToken(t, util, label, "1234")
	}
	return module
}

func initToken(t *testing.T, util, label, pin string) {
	t.Helper()
	if out, err := exec.Command(util, "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "5678").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestToken issues, renews and revokes with a key that stays in a SoftHSM2 token.
func TestToken(t *testing.T) {
	dir := t.TempDir()
	module := softhsm(t, dir, "lab")
	for _, kind := range []string{ECDSAP256, RSA2048} {
		path := filepath.Join(dir, kind)
		d := &Dir{Path: path, Passphrase: "1234"}
		ref := hsm.Ref{Module: module, Token: "lab", Label: kind}
		if err := d.Init(t.Context(), Setup{Cluster: "lab", Key: kind, HSM: &ref, Now: time.Now()}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"ca.key", "ca.p12"} {
			if _, err := os.Stat(filepath.Join(path, name)); err == nil {
				t.Errorf("%s: the root's key lies in %s", kind, name)
			}
		}
		d, err := Open(path, "1234")
		if err != nil {
			t.Fatal(err)
		}
		chain, err := d.Issue(t.Context(), node(t, "n", ""))
		if err != nil {
			t.Fatal(err)
		}
		root, err := d.Root()
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(root)
		if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if _, _, err := d.Revoke(t.Context(), time.Now(), ListLife, "n"); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		// A key of that label is there now, the PIN counts, and the key is not to be had.
		again := &Dir{Path: path + "-again", Passphrase: "1234"}
		if err := again.Init(t.Context(), Setup{Cluster: "lab", HSM: &ref, Now: time.Now()}); !errors.Is(err, hsm.ErrKeyExists) {
			t.Errorf("%s: got %v", kind, err)
		}
		k, err := hsm.Open(t.Context(), ref, "1234")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x509.MarshalPKCS8PrivateKey(k); err == nil {
			t.Errorf("%s: the key can be read out", kind)
		}
		if err := k.Close(); err != nil {
			t.Error(err)
		}
		if _, err := hsm.Open(t.Context(), hsm.Ref{Module: module, Token: "lab", Label: "none"}, "1234"); !errors.Is(err, hsm.ErrNoKey) {
			t.Errorf("got %v", err)
		}
		if _, err := hsm.Open(t.Context(), ref, "9999"); err == nil || errors.Is(err, hsm.ErrNoKey) {
			t.Error("a wrong PIN opens the token")
		}
	}
}
