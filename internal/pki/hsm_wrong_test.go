//go:build pkcs11

package pki

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crossring/internal/pki/hsm"
)

// Whatever is wrong about a token is told apart, and nothing is left behind: no
// directory here, and no key there.
func TestTokenWrong(t *testing.T) {
	dir := t.TempDir()
	module := softhsm(t, dir, "lab", "other")
	notOne := filepath.Join(dir, "not-one.so")
	if err := os.WriteFile(notOne, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	var (
		pin   *hsm.PINError
		noPIN *hsm.NoPINError
		lib   *hsm.ModuleError
		token *hsm.TokenError
		setup *SetupError
	)
	good := hsm.Ref{Module: module, Token: "lab", Label: "k"}
	for _, tt := range []struct {
		name string
		ref  hsm.Ref
		pin  string
		want any
		says string
	}{
		{"no PIN", good, "", &noPIN, "--passphrase-file"},
		{"wrong PIN", good, "9999", &pin, "does not take this PIN"},
		{"PIN too short", good, "1", &pin, "does not take this PIN"},
		{"missing module", hsm.Ref{Module: filepath.Join(dir, "none.so"), Token: "lab", Label: "k"}, "1234", &lib, "no such file"},
		{"module that is none", hsm.Ref{Module: notOne, Token: "lab", Label: "k"}, "1234", &lib, "no PKCS#11 library"},
		{"wrong token", hsm.Ref{Module: module, Token: "lba", Label: "k"}, "1234", &token, `"lab"`},
		{"no token", hsm.Ref{Module: module, Label: "k"}, "1234", &setup, "--pkcs11-token"},
		{"no key", hsm.Ref{Module: module, Token: "lab"}, "1234", &setup, "--pkcs11-key"},
		{"no module", hsm.Ref{Token: "lab", Label: "k"}, "1234", &setup, "--pkcs11-module"},
	} {
		d := &Dir{Path: filepath.Join(dir, "a", "ca"), Passphrase: tt.pin}
		err := d.Init(t.Context(), Setup{Cluster: "lab", HSM: &tt.ref, Now: time.Now()})
		hint := ""
		var h interface{ Hint() string }
		if errors.As(err, &h) {
			hint = h.Hint()
		}
		if err == nil || !errors.As(err, tt.want) || !strings.Contains(err.Error()+" "+hint, tt.says) || hint == "" {
			t.Errorf("%s: %v; hint %q", tt.name, err, hint)
		}
		if _, err := os.Stat(filepath.Join(dir, "a")); !os.IsNotExist(err) {
			t.Errorf("%s: a directory is left: %v", tt.name, err)
		}
	}
	if errors.As(hsmErr(t, good, "1234"), &token); token != nil && (!slices.Contains(token.Have, "lab") || !slices.Contains(token.Have, "other")) {
		t.Errorf("the tokens are %q", token.Have)
	}
	// A CA that fails once its key is made takes it out of the token again.
	d := &Dir{Path: filepath.Join(dir, "b"), Passphrase: "1234"}
	if err := os.MkdirAll(filepath.Join(d.Path, indexFile), 0o700); err != nil { // so that the index can't be written
		t.Fatal(err)
	}
	if err := d.Init(t.Context(), Setup{Cluster: "lab", HSM: &good, Now: time.Now()}); err == nil {
		t.Fatal("a CA without an index is made")
	}
	if err := hsmErr(t, good, "1234"); !errors.Is(err, hsm.ErrNoKey) {
		t.Errorf("the key is left in the token: %v", err)
	}
	if has, err := os.ReadDir(d.Path); err != nil || len(has) != 1 {
		t.Errorf("left: %v, %v", has, err)
	}
	// And then it can be made.
	if err := os.Remove(filepath.Join(d.Path, indexFile)); err != nil {
		t.Fatal(err)
	}
	if err := d.Init(t.Context(), Setup{Cluster: "lab", HSM: &good, Now: time.Now()}); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		pin  string
		want any
	}{{"", &noPIN}, {"9999", &pin}} {
		d, err := Open(d.Path, tt.pin)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Issue(t.Context(), node(t, "n", "")); !errors.As(err, tt.want) {
			t.Errorf("PIN %q: %v", tt.pin, err)
		}
	}
	// The token is the one, and somebody took the key out of it.
	k, err := hsm.Open(t.Context(), good, "1234")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(k.Delete(), k.Close()); err != nil {
		t.Fatal(err)
	}
	d, err = Open(d.Path, "1234")
	if err != nil {
		t.Fatal(err)
	}
	var key *hsm.KeyError
	if _, err := d.Issue(t.Context(), node(t, "n", "")); !errors.Is(err, hsm.ErrNoKey) || !errors.As(err, &key) || key.Label != "k" || key.Token != "lab" {
		t.Errorf("without the key: %v", err)
	}
	if _, err := os.Stat(filepath.Join(d.Path, "issued")); !os.IsNotExist(err) {
		t.Errorf("a certificate is left: %v", err)
	}
}

func hsmErr(t *testing.T, r hsm.Ref, pin string) error {
	k, err := hsm.Open(t.Context(), r, pin)
	if err == nil {
		err = k.Close()
	}
	return err
}
