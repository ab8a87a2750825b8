package wire

import (
	"crypto/tls"
	"errors"
	"testing"
)

func TestVersion(t *testing.T) {
	for name, want := range map[string]uint16{
		"1.2": tls.VersionTLS12, "TLSv1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13, "tls1.0": tls.VersionTLS10, "TLSv1": tls.VersionTLS10, "1.1": tls.VersionTLS11,
	} {
		if got, err := Version(name); err != nil || got != want {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "SSLv3", "1.4", "12"} {
		var unknown *NameError
		if _, err := Version(name); !errors.As(err, &unknown) || len(unknown.Known) != 4 {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Each of OpenSSL's names stands for a suite that Go has.
func TestSuites(t *testing.T) {
	for name := range openssl() {
		if ids, err := Suites([]string{name}); err != nil || len(ids) != 1 {
			t.Errorf("%s: %v, %v", name, ids, err)
		}
	}
	ids, err := Suites([]string{"ecdhe-rsa-aes128-gcm-sha256", "TLS_RSA_WITH_AES_128_CBC_SHA"})
	if err != nil || len(ids) != 2 || ids[0] != tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 || ids[1] != tls.TLS_RSA_WITH_AES_128_CBC_SHA {
		t.Errorf("%x, %v", ids, err)
	}
	if ids, err := Suites(nil); err != nil || ids != nil {
		t.Errorf("%x, %v", ids, err)
	}
	for _, name := range []string{"NULL-MD5", "TLS_AES_128_GCM_SHA256", ""} {
		if _, err := Suites([]string{name}); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

func TestSessionID(t *testing.T) {
	hello := make([]byte, 80)
	hello[0], hello[5] = 22, 2
	if sessionID(hello) != nil {
		t.Error("an empty session id is one")
	}
	hello[43], hello[44], hello[75] = 32, 7, 8
	if id := sessionID(hello); len(id) != 32 || id[0] != 7 || id[31] != 8 {
		t.Errorf("got %x", id)
	}
	for n := range 76 {
		if sessionID(hello[:n]) != nil {
			t.Errorf("a name in a hello that is cut after %d bytes", n)
		}
	}
}
