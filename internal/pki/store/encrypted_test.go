package store

import (
	"bytes"
	"crypto"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/pki/openssltest"
)

// Keys as openssl encrypts them, in every way that it has, are opened, or it is said
// what they are encrypted with.
func TestDecrypt(t *testing.T) {
	openssl := openssltest.Program(t)
	dir := t.TempDir()
	do := func(args ...string) {
		t.Helper()
		cmd := exec.Command(openssl, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	do("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "plain.pem", "-out", "cert.pem", "-subj", "/CN=x", "-days", "3")
	read := func(name string) []byte {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	cert := read("cert.pem")
	want, err := ReadKey(read("plain.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := []string{"pkcs8", "-topk8", "-in", "plain.pem", "-passout", "pass:secret", "-out", "e.pem"}
	for _, tt := range []struct {
		args  []string
		opens bool
	}{
		{append(pkcs8, "-v2", "aes-256-cbc"), true}, {append(pkcs8, "-v2", "aes-192-cbc"), true}, {append(pkcs8, "-v2", "aes-128-cbc"), true}, {append(pkcs8, "-v2", "des3"), true},
		{append(pkcs8, "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"), true}, {append(pkcs8, "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"), true},
		{append(pkcs8, "-v2", "aes-256-cbc", "-iter", "100000"), true},
		{append(pkcs8, "-v1", "PBE-SHA1-3DES"), false}, {append(pkcs8, "-scrypt"), false}, {append(pkcs8, "-v2", "camellia-256-cbc"), false},
		{[]string{"ec", "-aes256", "-in", "plain.pem", "-passout", "pass:secret", "-out", "e.pem"}, true},
	} {
		what := strings.Join(tt.args, " ")
		do(tt.args...)
		file := append(bytes.Clone(cert), append(read("e.pem"), cert...)...)
		plain, err := Decrypt(file, "secret")
		var how *EncryptionError
		if !tt.opens {
			if !errors.As(err, &how) {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		got, err := Read(plain, "")
		var legacy *LegacyKeyError
		if errors.As(err, &legacy) {
			got.Key, err = legacy.Key, nil
		}
		if err != nil || len(got.Chain) != 2 || got.Key == nil || !got.Key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(want.Public()) {
			t.Errorf("%s: %d certificates, %v", what, len(got.Chain), err)
		}
		var none *NoPasswordError
		var wrong *PasswordError
		if _, err := Decrypt(file, ""); !errors.As(err, &none) {
			t.Errorf("%s, no password: %v", what, err)
		}
		for _, p := range []string{"wrong", "Secret", "secret "} {
			if _, err := Decrypt(file, p); !errors.As(err, &wrong) {
				t.Errorf("%s, %q: %v", what, p, err)
			}
		}
	}
	if same, err := Decrypt(read("plain.pem"), "whatever"); err != nil || !bytes.Equal(same, read("plain.pem")) {
		t.Errorf("a key that is open is changed: %v", err)
	}
}
