package hello

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"crossring/internal/pki/openssltest"
)

// The vectors of RFC 7748, 5.2 and 6.2.
func TestX448(t *testing.T) {
	b := func(s string) []byte {
		data, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	base := "05" + strings.Repeat("00", 55)
	for _, tt := range []struct{ scalar, u, want string }{
		{"3d262fddf9ec8e88495266fea19a34d28882acef045104d0d1aae121700a779c984c24f8cdd78fbff44943eba368f54b29259a4f1c600ad3",
			"06fce640fa3487bfda5f6cf2d5263f8aad88334cbd07437f020f08f9814dc031ddbdc38c19c6da2583fa5429db94ada18aa7a7fb4ef8a086",
			"ce3e4ff95a60dc6697da1db1d85e6afbdf79b50a2412d7546d5f239fe14fbaadeb445fc66a01b0779d98223961111e21766282f73dd96b6f"},
		{base, base, "3f482c8a9f19b01e6c46ee9711d9dc14fd4bf67af30765c2ae2b846a4d23a8cd0db897086239492caf350b51f833868b9bc2b3bca9cf4113"},
	} {
		got, err := multiply448(b(tt.scalar), b(tt.u))
		if err != nil || hex.EncodeToString(got) != tt.want {
			t.Errorf("%x, %v, want %s", got, err, tt.want)
		}
	}
	if _, err := multiply448(b(base), []byte{1}); err == nil {
		t.Error("a short share is taken")
	}
}

// keys makes an ECDSA and an RSA certificate by openssl.
func keys(t *testing.T) (dir string) {
	t.Helper()
	openssl := openssltest.Program(t)
	dir = t.TempDir()
	for name, args := range map[string][]string{
		"ec": {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"}, "rsa": {"-newkey", "rsa:2048"}, "ed": {"-newkey", "ed25519"},
	} {
		cmd := exec.Command(openssl, append([]string{"req", "-x509", "-nodes", "-keyout", name + ".key", "-out", name + ".pem", "-subj", "/CN=" + name, "-days", "3"}, args...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return dir
}

func TestServersOfOpenSSL(t *testing.T) {
	dir := keys(t)
	const loose = "ALL:@SECLEVEL=0"
	for _, tt := range []struct {
		name     string
		args     []string
		versions []uint16
		suites   []string // among those of the last version
		only     string   // what the names of all of them begin with
		groups   []tls.CurveID
		chains   string // subjects and kinds, of the last version
	}{
		{"two certificates, 1.3", []string{"-cert", "ec.pem", "-key", "ec.key", "-dcert", "rsa.pem", "-dkey", "rsa.key", "-tls1_3"},
			[]uint16{tls.VersionTLS13}, []string{"TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"}, "TLS_",
			[]tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521, x448}, "CN=ec ECDSA, CN=rsa RSA"},
		{"two certificates, 1.2", []string{"-cert", "ec.pem", "-key", "ec.key", "-dcert", "rsa.pem", "-dkey", "rsa.key", "-tls1_2"},
			[]uint16{tls.VersionTLS12}, []string{"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"}, "TLS_",
			[]tls.CurveID{tls.X25519, tls.CurveP256}, "CN=ec ECDSA, CN=rsa RSA"},
		{"a certificate on P-256, 1.2", []string{"-cert", "ec.pem", "-key", "ec.key", "-tls1_2", "-groups", "P-256:P-384:P-521:X25519"},
			[]uint16{tls.VersionTLS12}, nil, "TLS_ECDHE_ECDSA", []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}, "CN=ec ECDSA"},
		{"Ed25519", []string{"-cert", "ed.pem", "-key", "ed.key"}, []uint16{tls.VersionTLS13, tls.VersionTLS12}, nil, "TLS_ECDHE_ECDSA", []tls.CurveID{tls.X25519}, "CN=ed EdDSA"},
		{"DHE alone", []string{"-cert", "rsa.pem", "-key", "rsa.key", "-tls1_2", "-cipher", "DHE"}, []uint16{tls.VersionTLS12},
			[]string{"TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"}, "TLS_DHE_RSA", nil, "CN=rsa RSA"},
		{"RSA key exchange alone", []string{"-cert", "rsa.pem", "-key", "rsa.key", "-tls1_2", "-cipher", "kRSA"}, []uint16{tls.VersionTLS12},
			[]string{"TLS_RSA_WITH_AES_128_GCM_SHA256"}, "TLS_RSA", nil, "CN=rsa RSA"},
		{"X448 alone", []string{"-cert", "rsa.pem", "-key", "rsa.key", "-groups", "X448"}, []uint16{tls.VersionTLS13, tls.VersionTLS12}, nil, "TLS_", []tls.CurveID{x448}, "CN=rsa RSA"},
		{"X448 alone, 1.3", []string{"-cert", "rsa.pem", "-key", "rsa.key", "-groups", "X448", "-tls1_3"}, []uint16{tls.VersionTLS13}, nil, "TLS_", []tls.CurveID{x448}, "CN=rsa RSA"},
		{"P-521 alone, and a client's certificate", []string{"-cert", "ec.pem", "-key", "ec.key", "-groups", "P-521", "-tls1_3", "-Verify", "1"}, []uint16{tls.VersionTLS13}, nil, "TLS_",
			[]tls.CurveID{tls.CurveP521}, "CN=ec ECDSA"},
		{"chacha alone", []string{"-cert", "ec.pem", "-key", "ec.key", "-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}, []uint16{tls.VersionTLS13},
			[]string{"TLS_CHACHA20_POLY1305_SHA256"}, "TLS_CHACHA20", nil, "CN=ec ECDSA"},
		{"old versions", []string{"-cert", "rsa.pem", "-key", "rsa.key", "-cipher", loose, "-no_tls1_3", "-no_tls1_2"}, []uint16{tls.VersionTLS11, tls.VersionTLS10},
			[]string{"TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"}, "TLS_", []tls.CurveID{tls.CurveP256}, "CN=rsa RSA"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Server{Address: openssltest.Serve(t, dir, tt.args...)}
			got, err := s.Ask(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var versions []uint16
			for _, v := range got.Versions {
				versions = append(versions, v.Version)
			}
			if !slices.Equal(versions, tt.versions) {
				t.Fatalf("versions %x, want %x", versions, tt.versions)
			}
			last := got.Versions[len(got.Versions)-1]
			var names, chains []string
			for _, id := range last.Suites {
				names = append(names, SuiteName(id))
				if !strings.HasPrefix(SuiteName(id), tt.only) {
					t.Errorf("it has %s, and nothing but %s was expected", SuiteName(id), tt.only)
				}
			}
			for _, want := range tt.suites {
				if !slices.Contains(names, want) {
					t.Errorf("no %s among %q", want, names)
				}
			}
			for _, want := range tt.groups {
				if !slices.Contains(last.Groups, want) {
					t.Errorf("no group %v among %v", want, last.Groups)
				}
			}
			for _, c := range last.Chains {
				chains = append(chains, c.Certificates[0].Subject.String()+" "+c.Key)
			}
			if strings.Join(chains, ", ") != tt.chains {
				t.Errorf("chains %q, want %q", chains, tt.chains)
			}
			if (last.PrimeBits > 0) != slices.ContainsFunc(last.Suites, ofDHE) {
				t.Errorf("a prime of %d bits with %q", last.PrimeBits, names)
			}
		})
	}
}

// What is not TLS, or ends in the middle, is an error and no answer.
func TestNoServer(t *testing.T) {
	for name, says := range map[string][]byte{
		"nothing": nil, "plain text": []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), "half a record": {22, 3, 3, 0, 40, 2, 0},
		"another message": {22, 3, 3, 0, 4, 11, 0, 0, 0}, "a hello that is none": {22, 3, 3, 0, 6, 2, 0, 0, 2, 3, 3}, "a huge message": {22, 3, 3, 0, 4, 2, 255, 255, 255},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = c.Write(says)
			c.Close()
		}()
		_, err = Server{Address: l.Addr().String()}.Say(t.Context(), Offer{Version: tls.VersionTLS12, Suites: suitesOf(tls.VersionTLS12), Signatures: allSignatures(), Groups: groups()})
		l.Close()
		var format *FormatError
		if !errors.As(err, &format) && !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// capture keeps what a client sends first.
type capture struct {
	net.Conn
	sent []byte
}

func (c *capture) Write(p []byte) (int, error) {
	c.sent = append(c.sent, p...)
	return 0, io.ErrClosedPipe
}

// What crypto/tls offers is read as it was told to offer.
func TestRead(t *testing.T) {
	c := &capture{}
	_ = tls.Client(c, &tls.Config{ServerName: "a.example", MinVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256},
		CurvePreferences: []tls.CurveID{tls.CurveP384}}).HandshakeContext(t.Context())
	got, err := Read(c.sent)
	if err != nil || !slices.Equal(got.Versions, []uint16{tls.VersionTLS13, tls.VersionTLS12}) || !slices.Contains(got.Suites, tls.TLS_RSA_WITH_AES_128_GCM_SHA256) ||
		!slices.Equal(got.Groups, []tls.CurveID{tls.CurveP384}) {
		t.Errorf("%+v, %v", got, err)
	}
	for i := range c.sent {
		if _, err := Read(c.sent[:i]); err == nil {
			t.Errorf("%d of %d bytes are taken", i, len(c.sent))
		}
	}
}

func FuzzServer(f *testing.F) {
	f.Add([]byte{22, 3, 3, 0, 6, 2, 0, 0, 2, 3, 3}, true)
	f.Add([]byte{21, 3, 3, 0, 2, 2, 40}, false)
	f.Fuzz(func(t *testing.T, says []byte, new bool) {
		version := uint16(tls.VersionTLS12)
		if new {
			version = tls.VersionTLS13
		}
		talk := &talk{in: records{from: bytes.NewReader(says)}, to: io.Discard, offer: Offer{Version: version, Suites: suitesOf(version), Signatures: allSignatures(), Groups: groups()}}
		_, _ = talk.run()
		_, _ = Read(says)
	})
}
