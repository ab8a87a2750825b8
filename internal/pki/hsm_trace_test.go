//go:build pkcs11

package pki

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"crossring/internal/pki/hsm"
)

var tracedCall = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (C_[A-Za-z]+)\((.*)\) = (CKR_[A-Z_]+) (\d+) us$`)

// calls are a trace's, as NAME RESULT; each has to be a line of its own that says both.
func calls(t *testing.T, trace string) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(trace) {
		line = strings.TrimSuffix(line, "\n")
		if _, comment, ok := strings.Cut(line, "Z # "); ok && len(all) == 0 && strings.Contains(comment, "left out") {
			continue
		}
		m := tracedCall.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("no call: %q", line)
			continue
		}
		all = append(all, m[1]+" "+m[3])
	}
	return all
}

// inOrder says which of some calls the others do not have, in that order.
func inOrder(have []string, want ...string) string {
	for _, c := range have {
		if len(want) > 0 && c == want[0] {
			want = want[1:]
		}
	}
	return strings.Join(want, ", ")
}

// TestTokenTrace has every call of making a key and of signing written down, with what came
// of it by name; the PIN, what is signed and the signature are nowhere.
func TestTokenTrace(t *testing.T) {
	const pin = "Never-To-Be-Seen"
	dir := t.TempDir()
	module := softhsm(t, dir)
	initToken(t, "softhsm2-util", "lab", pin)
	var out bytes.Buffer
	traced := func(what func(ctx context.Context)) string {
		t.Helper()
		out.Reset()
		trace := hsm.NewTrace(&out)
		what(hsm.WithTrace(t.Context(), trace))
		if n, err := trace.Close(); err != nil || n != len(calls(t, out.String())) {
			t.Errorf("%d calls, %v:\n%s", n, err, out.String())
		}
		for _, secret := range []string{pin, hex.EncodeToString([]byte(pin)), "Never"} {
			if strings.Contains(strings.ToLower(out.String()), strings.ToLower(secret)) {
				t.Errorf("the PIN is in the trace:\n%s", out.String())
			}
		}
		return out.String()
	}
	opened := []string{"C_Initialize CKR_OK", "C_GetSlotList CKR_OK", "C_GetTokenInfo CKR_OK", "C_OpenSession CKR_OK", "C_Login CKR_OK"}
	closed := []string{"C_CloseSession CKR_OK", "C_Finalize CKR_OK"}

	for _, tt := range []struct{ kind, makes, signs, size string }{
		{ECDSAP256, "CKM_EC_KEY_PAIR_GEN", "CKM_ECDSA", "data=(32 bytes)"},
		{RSA2048, "CKM_RSA_PKCS_KEY_PAIR_GEN", "CKM_RSA_PKCS", "data=(51 bytes)"}, // PKCS#1's prefix is 19 bytes
	} {
		ref := hsm.Ref{Module: module, Token: "lab", Label: tt.kind}
		path := filepath.Join(dir, tt.kind)
		got := traced(func(ctx context.Context) {
			d := &Dir{Path: path, Passphrase: pin}
			if err := d.Init(ctx, Setup{Cluster: "lab", Key: tt.kind, HSM: &ref, Now: time.Now()}); err != nil {
				t.Fatal(err)
			}
		})
		want := append(append(append([]string{}, opened...), "C_FindObjectsInit CKR_OK", "C_FindObjects CKR_OK", "C_FindObjectsFinal CKR_OK",
			"C_GenerateKeyPair CKR_OK", "C_GetAttributeValue CKR_OK", "C_SignInit CKR_OK", "C_Sign CKR_OK"), closed...)
		if lacks := inOrder(calls(t, got), want...); lacks != "" {
			t.Errorf("%s, made: lacks %s:\n%s", tt.kind, lacks, got)
		}
		for _, part := range []string{tt.makes, "CKA_EXTRACTABLE=false", "CKA_SENSITIVE=true", `CKA_LABEL="` + tt.kind + `"`, "user=CKU_USER", `label="lab"`, module} {
			if !strings.Contains(got, part) {
				t.Errorf("%s: not said: %s:\n%s", tt.kind, part, got)
			}
		}
		// A certificate is signed, and neither what is signed nor the signature is said.
		var leaf *x509.Certificate
		got = traced(func(ctx context.Context) {
			d, err := Open(path, pin)
			if err != nil {
				t.Fatal(err)
			}
			chain, err := d.Issue(ctx, node(t, "n", ""))
			if err != nil {
				t.Fatal(err)
			}
			leaf = chain[0]
		})
		want = append(append(append([]string{}, opened...), "C_FindObjectsInit CKR_OK", "C_SignInit CKR_OK", "C_Sign CKR_OK"), closed...)
		if lacks := inOrder(calls(t, got), want...); lacks != "" || !strings.Contains(got, "mechanism="+tt.signs+",") || !strings.Contains(got, tt.size) {
			t.Errorf("%s, signs: lacks %s:\n%s", tt.kind, lacks, got)
		}
		digest := sha256.Sum256(leaf.RawTBSCertificate)
		for _, secret := range [][]byte{digest[:], leaf.Signature} {
			if strings.Contains(strings.ToLower(got), hex.EncodeToString(secret[:8])) {
				t.Errorf("%s: what is signed is in the trace:\n%s", tt.kind, got)
			}
		}
	}

	good := hsm.Ref{Module: module, Token: "lab", Label: ECDSAP256}
	got := traced(func(ctx context.Context) {
		if _, err := hsm.Open(ctx, good, "Never-The-Right-One"); err == nil {
			t.Error("a wrong PIN opens the token")
		}
	})
	if lacks := inOrder(calls(t, got), "C_Login CKR_PIN_INCORRECT", "C_Finalize CKR_OK"); lacks != "" {
		t.Errorf("a wrong PIN: lacks %s:\n%s", lacks, got)
	}

	// The token goes away between two signatures.
	got = traced(func(ctx context.Context) {
		k, err := hsm.Open(ctx, good, pin)
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256([]byte("x"))
		if _, err := k.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
			t.Error(err)
		}
		if err := os.Rename(filepath.Join(dir, "tokens"), filepath.Join(dir, "gone")); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Sign(rand.Reader, digest[:], crypto.SHA256); err == nil {
			t.Error("a token that is gone signs")
		}
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	// SoftHSM's words for it: it looks at its files when it is to use the key.
	if lacks := inOrder(calls(t, got), "C_SignInit CKR_OK", "C_Sign CKR_OK", "C_SignInit CKR_OBJECT_HANDLE_INVALID", "C_Finalize CKR_OK"); lacks != "" {
		t.Errorf("a token that goes away: lacks %s:\n%s", lacks, got)
	}
	if err := os.Mkdir(filepath.Join(dir, "tokens"), 0o700); err != nil {
		t.Fatal(err)
	}
	var gone *hsm.TokenError
	got = traced(func(ctx context.Context) {
		if _, err := hsm.Open(ctx, good, pin); !errors.As(err, &gone) || gone.Label != "lab" {
			t.Errorf("a token that is gone: %v", err)
		}
	})
	if strings.Contains(got, `label="lab"`) || strings.Contains(got, "C_Login") {
		t.Errorf("a token that is gone:\n%s", got)
	}

	// Without a trace nothing is left in front of the library.
	if _, err := hsm.Open(t.Context(), good, pin); err == nil {
		t.Error("a token that is gone is opened")
	}
	if out.Len() != len(got) {
		t.Errorf("a trace that was closed goes on:\n%s", out.String())
	}
}
