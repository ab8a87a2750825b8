package verbs

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"crossring/internal/pki/store"
)

// TestStores reads stores that keytool and openssl made, with entries in any order:
// the leaf is the key's own certificate.
func TestStores(t *testing.T) {
	openssl := needOpenSSL(t)
	keytool, err := exec.LookPath("keytool")
	if err != nil {
		t.Skip("there is no keytool here to make stores with: ", err)
	}
	m := newMint(t)
	root := m.ca("root", nil)
	inter := m.ca("intermediate", root)
	node := m.leaf(inter)
	second := m.leaf(inter, commonName("second"))
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	tool := func(program string, args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", program, args, err, out)
		}
	}
	key := func(c *issued) []byte {
		data, err := store.EncodeKey(c.key)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	certs := func(all ...*issued) []byte {
		var list []*x509.Certificate
		for _, c := range all {
			list = append(list, c.cert)
		}
		return store.EncodeCertificates(list)
	}
	encode := func(name, kind string, c *issued, rest ...*issued) {
		list := []*x509.Certificate{c.cert}
		for _, r := range rest {
			list = append(list, r.cert)
		}
		data, err := store.Encode(kind, c.key, list, "changeit", m.now)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path(name), data)
	}
	write(t, path("root.pem"), certs(root))
	write(t, path("inter.pem"), certs(inter))
	write(t, path("both.pem"), certs(inter, root))
	write(t, path("chain.pem"), certs(node, inter))
	write(t, path("key.pem"), key(node))
	encode("node.p12", store.PKCS12, node, inter)
	encode("second.p12", store.PKCS12, second, inter)
	pass := []string{"-storepass", "changeit", "-noprompt"}
	add := func(file, kind, alias, cert string) {
		tool(keytool, append([]string{"-importcert", "-keystore", file, "-storetype", kind, "-alias", alias, "-file", cert}, pass...)...)
	}
	take := func(from, to, kind, alias, as string) {
		tool(keytool, "-importkeystore", "-srckeystore", from, "-srcstorepass", "changeit", "-srcalias", alias, "-destalias", as,
			"-destkeystore", to, "-deststoretype", kind, "-deststorepass", "changeit", "-noprompt")
	}
	// keytool numbers the entries of openssl's and Go's stores.
	for _, kind := range []string{"jks", "pkcs12"} {
		add("ca-first."+kind, kind, "a-root", "root.pem")
		take("node.p12", "ca-first."+kind, kind, "1", "node")
		take("node.p12", "ca-last."+kind, kind, "1", "node")
		add("ca-last."+kind, kind, "z-root", "root.pem")
		take("node.p12", "two."+kind, kind, "1", "node")
		take("second.p12", "two."+kind, kind, "1", "second")
		add("trust."+kind, kind, "root", "root.pem")
	}
	tool(keytool, "-importkeystore", "-srckeystore", "ca-first.jks", "-srcstorepass", "changeit", "-destkeystore", "moved.pkcs12", "-deststoretype", "pkcs12", "-deststorepass", "changeit", "-noprompt")
	write(t, path("upside.pem"), certs(root, inter, node))
	tool(openssl, "pkcs12", "-export", "-in", "upside.pem", "-inkey", "key.pem", "-out", "upside.p12", "-passout", "pass:changeit")
	tool(openssl, "pkcs12", "-export", "-in", "root.pem", "-nokeys", "-out", "nokeys.p12", "-passout", "pass:changeit")
	tool(openssl, "crl2pkcs7", "-nocrl", "-certfile", "upside.pem", "-out", "bundle.p7.pem")
	tool(openssl, "crl2pkcs7", "-nocrl", "-certfile", "upside.pem", "-outform", "DER", "-out", "bundle.p7b")
	tool(openssl, "crl2pkcs7", "-nocrl", "-certfile", "both.pem", "-outform", "DER", "-out", "trust.p7b")
	verify := func(leaf, ca string) (VerifyResult, error) {
		return quiet().VerifyChain(t.Context(), VerifyRequest{Leaf: path(leaf), Roots: []string{path(ca)}, Password: "changeit", Purpose: "internode", IP: "10.0.0.1"})
	}
	for _, tt := range []struct{ leaf, ca string }{
		{"ca-first.jks", "root.pem"}, {"ca-last.jks", "root.pem"}, {"ca-first.pkcs12", "root.pem"}, {"ca-last.pkcs12", "root.pem"},
		{"moved.pkcs12", "root.pem"}, {"upside.p12", "root.pem"}, {"node.p12", "root.pem"},
		{"chain.pem", "trust.jks"}, {"chain.pem", "trust.pkcs12"}, {"node.p12", "trust.jks"}, {"ca-first.jks", "ca-first.jks"}, {"chain.pem", "two.jks"},
		{"bundle.p7.pem", "root.pem"}, {"bundle.p7b", "root.pem"}, {"chain.pem", "trust.p7b"}, {"bundle.p7b", "bundle.p7.pem"},
	} {
		res, err := verify(tt.leaf, tt.ca)
		if tt.ca == "two.jks" { // no root in it
			if res.OK || err == nil || len(res.Errors) == 0 || res.Errors[0].Code != 2 {
				t.Errorf("%s by %s: %+v, %v", tt.leaf, tt.ca, res.Errors, err)
			}
			continue
		}
		if err != nil || !res.OK || res.Chain[0].Subject != "CN=node,O=crossring" {
			t.Errorf("%s by %s: ok %t, %+v, %+v, %v", tt.leaf, tt.ca, res.OK, res.Chain, res.Errors, err)
		}
	}
	for leaf, is := range map[string]func(error) bool{
		"two.jks": as[*store.SeveralKeysError], "two.pkcs12": as[*store.SeveralKeysError], "nokeys.p12": as[*store.KindError],
	} {
		if res, err := verify(leaf, "root.pem"); res.OK || !is(err) || hints(err) == "" {
			t.Errorf("%s: %v, hints %q", leaf, err, hints(err))
		}
	}
	if _, err := verify("two.jks", "root.pem"); !strings.Contains(err.Error(), "node, second") {
		t.Errorf("the keys are not named: %v", err)
	}
	// A trust store has a password of its own, or that of the leaf, or none.
	r := VerifyRequest{Leaf: path("chain.pem"), Roots: []string{path("trust.jks")}}
	if res, err := quiet().VerifyChain(t.Context(), r); res.OK || err == nil || !strings.Contains(err.Error(), "--ca-password-file") {
		t.Errorf("no password: %v", err)
	}
	r.TrustPassword = "changeit"
	if res, err := quiet().VerifyChain(t.Context(), r); !res.OK || err != nil {
		t.Errorf("password of the trust store: %+v, %v", res.Errors, err)
	}

	// What OpenSSL's own kind of certificate says of trust binds.
	for _, tt := range []struct {
		cert string
		args []string
	}{
		{"root.pem", nil},
		{"root.pem", []string{"-addtrust", "serverAuth"}},
		{"root.pem", []string{"-addtrust", "clientAuth"}},
		{"root.pem", []string{"-addtrust", "serverAuth", "-addtrust", "clientAuth", "-setalias", "root"}},
		{"root.pem", []string{"-addreject", "serverAuth"}},
		{"root.pem", []string{"-addreject", "clientAuth"}},
		{"root.pem", []string{"-addtrust", "anyExtendedKeyUsage"}},
		{"root.pem", []string{"-addreject", "anyExtendedKeyUsage"}},
		{"root.pem", []string{"-addtrust", "emailProtection"}},
		{"inter.pem", nil},
		{"inter.pem", []string{"-addtrust", "serverAuth"}},
		{"inter.pem", []string{"-addreject", "serverAuth"}},
	} {
		tool(openssl, append([]string{"x509", "-in", tt.cert, "-trustout", "-out", "trusted.pem"}, tt.args...)...)
		if data, err := os.ReadFile(path("trusted.pem")); err != nil || !bytes.Contains(data, []byte("TRUSTED")) {
			t.Fatalf("%v\n%s", err, data)
		}
		for purpose, name := range map[string]string{"server": "sslserver", "client": "sslclient", "": ""} {
			res, err := quiet().VerifyChain(t.Context(), VerifyRequest{Leaf: path("chain.pem"), Roots: []string{path("trusted.pem")}, Purpose: purpose})
			args := []string{"verify", "-auth_level", "2", "-CAfile", "trusted.pem", "-untrusted", "chain.pem"}
			if name != "" {
				args = append(args, "-purpose", name)
			}
			cmd := exec.CommandContext(t.Context(), openssl, append(args, "chain.pem")...)
			cmd.Dir = dir
			out, failure := cmd.CombinedOutput()
			var ours []finding
			for _, p := range res.Errors {
				ours = append(ours, finding{p.Code, p.Depth})
			}
			if res.OK != (failure == nil) || res.OK != (err == nil) || !subset(verdict(opensslFindings(out)), verdict(ours)) {
				t.Errorf("%s %v for %q: pki verify says %s, openssl %s", tt.cert, tt.args, purpose, verdict(ours), out)
			}
		}
	}
}

// TestDamagedPEM brings PEM as mail, editors and shells leave it. What nobody reads
// is refused with the place and the command that mends it; mended by that command it
// is right.
func TestDamagedPEM(t *testing.T) {
	m := newMint(t)
	root := m.ca("root", nil)
	node := m.leaf(root)
	good := string(store.EncodeCertificates([]*x509.Certificate{node.cert, root.cert}))
	lines := strings.SplitAfter(good, "\n")
	border := strings.Index(good, "-----END")
	second := strings.LastIndex(good, "-----BEGIN")
	wide := func(order func(uint16) []byte) string {
		var out []byte
		for _, u := range utf16.Encode([]rune("\ufeff" + good)) {
			out = append(out, order(u)...)
		}
		return string(out)
	}
	for _, tt := range []struct {
		name, text string
		line, byte int
		what       string
		mends      bool // the hint is a command that makes it right
	}{
		{"byte order mark", "\xef\xbb\xbf" + good, 1, 0, "byte order mark", true},
		{"UTF-16, little end first", wide(func(u uint16) []byte { return []byte{byte(u), byte(u >> 8)} }), 1, 0, "UTF-16", true},
		{"UTF-16, big end first", wide(func(u uint16) []byte { return []byte{byte(u >> 8), byte(u)} }), 1, 0, "UTF-16", true},
		{"indented", "  " + strings.ReplaceAll(good[:len(good)-1], "\n", "\n  ") + "\n", 1, 0, "indented", true},
		{"indented by tabs", "\t" + strings.ReplaceAll(good[:len(good)-1], "\n", "\n\t") + "\n", 1, 0, "indented", true},
		{"second block indented", strings.Replace(good, "\n-----BEGIN", "\n -----BEGIN", 1), 1 + strings.Count(good[:second], "\n"), second, "indented", true},
		{"joined", strings.Replace(good, "-----\n-----BEGIN", "----------BEGIN", 1), 1 + strings.Count(good[:second], "\n") - 1, second - 1, "one line", true},
		{"NUL at the end", good + "\x00", 1 + strings.Count(good, "\n"), len(good), "NUL", true},
		{"NUL inside", good[:100] + "\x00" + good[100:], 1 + strings.Count(good[:100], "\n"), 100, "NUL", true},
		{"carriage returns alone", strings.ReplaceAll(good, "\n", "\r"), 1, len(lines[0]) - 1, "carriage return", true},
		{"end on the line of the data", good[:border-1] + good[border:], strings.Count(good[:border], "\n"), border - 1, "last data", true},
		{"four dashes", good[1:], 1, 0, "is no -----BEGIN", false},
		{"four dashes behind", strings.Replace(good, "CERTIFICATE-----\n", "CERTIFICATE----\n", 1), 1, 0, "is no -----BEGIN", false},
		{"long dashes", strings.Replace(good, "-----BEGIN", "–––––BEGIN", 1), 1, 0, "is no -----BEGIN", false},
		{"small letters", strings.Replace(good, "BEGIN CERTIFICATE", "BEGIN certificate", 1), 1, 0, "", false},
		{"end of another", strings.Replace(good, "END CERTIFICATE", "END PRIVATE KEY", 1), 1 + strings.Count(good[:border], "\n"), border, "ends where", false},
		{"end without a beginning", good[len(lines[0]):], strings.Count(good[:border], "\n"), border - len(lines[0]), "does not begin", false},
		{"cut in the second", good[:second+90], 1 + strings.Count(good[:second], "\n"), second, "has no end", false},
		{"begins inside", good[:border] + good[second:], 1 + strings.Count(good[:border], "\n"), border, "begins inside", false},
		{"a letter that is none", good[:100] + "!" + good[101:], 1 + strings.Count(good[:100], "\n"), 100, "base 64", false},
		{"a byte that is none", good[:100] + "\x80" + good[101:], 1 + strings.Count(good[:100], "\n"), 100, "80", false},
		{"a space that is none", good[:100] + "\u00a0" + good[101:], 1 + strings.Count(good[:100], "\n"), 100, "base 64", false},
		{"a letter too few", good[:100] + good[101:], 2, len(lines[0]), "missing or too many", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "FILE")
			write(t, file, []byte(tt.text))
			write(t, filepath.Join(dir, "root.pem"), store.EncodeCertificates([]*x509.Certificate{root.cert}))
			r := VerifyRequest{Leaf: file, Roots: []string{filepath.Join(dir, "root.pem")}}
			res, err := quiet().VerifyChain(t.Context(), r)
			var damage *store.DamageError
			if res.OK || !errors.As(err, &damage) || damage.Hint() == "" {
				t.Fatalf("ok %t, %v", res.OK, err)
			}
			if tt.what != "" && (damage.Line != tt.line || damage.Byte != tt.byte || !strings.Contains(damage.What, tt.what)) {
				t.Errorf("%+v, want %q at line %d, byte %d", damage, tt.what, tt.line, tt.byte)
			}
			if !tt.mends {
				return
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-c", damage.Hint())
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", damage.Hint(), err, out)
			}
			r.Leaf = filepath.Join(dir, "NEW.pem")
			if res, err := quiet().VerifyChain(t.Context(), r); !res.OK || err != nil || len(res.Chain) != 2 {
				t.Errorf("after %s: %+v, %v", damage.Hint(), res.Errors, err)
			}
		})
	}
	// What everybody reads is read.
	text := "subject=node\nissuer=root\n"
	for name, ok := range map[string]string{
		"carriage returns and line feeds": strings.ReplaceAll(good, "\n", "\r\n"),
		"text before and between":         text + good[:second] + text + good[second:],
		"blank lines":                     "\n\n" + good[:second] + "\n\n" + good[second:] + "\n\n",
		"no last line feed":               good[:len(good)-1],
		"blanks behind lines":             strings.ReplaceAll(good, "-----\n", "----- \n"),
		"a comment about BEGIN":           "# what stands between BEGIN and END\n" + good,
		"old label":                       strings.ReplaceAll(good, "CERTIFICATE", "X509 CERTIFICATE"),
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "leaf.pem"), []byte(ok))
		write(t, filepath.Join(dir, "root.pem"), store.EncodeCertificates([]*x509.Certificate{root.cert}))
		res, err := quiet().VerifyChain(t.Context(), VerifyRequest{Leaf: filepath.Join(dir, "leaf.pem"), Roots: []string{filepath.Join(dir, "root.pem")}})
		if !res.OK || err != nil || len(res.Chain) != 2 {
			t.Errorf("%s: %+v, %v", name, res.Errors, err)
		}
	}
}

// The order of a chain is said by pki show of a file and by pki verify, and a CA
// that stands first is said to.
func TestOrderOfFiles(t *testing.T) {
	m := newMint(t)
	root := m.ca("root", nil)
	inter := m.ca("intermediate", root)
	node := m.leaf(inter)
	stranger := m.ca("stranger", nil)
	for _, tt := range []struct {
		name  string
		certs []*issued
		order []string
		first int // of pki verify
		says  string
	}{
		{"right", []*issued{node, inter}, nil, 0, ""},
		{"leaf alone", []*issued{node}, []string{"sent alone"}, 20, ""},
		{"stranger", []*issued{node, inter, stranger}, []string{`"CN=stranger,O=crossring", is not part`}, 0, ""},
		{"out of order", []*issued{node, root, inter}, []string{"out of order", "out of order", "the root was sent"}, 0, ""},
		{"a CA first", []*issued{inter, node}, []string{"the leaf, certificate 1, comes first", "out of order"}, 50, "a CA stands first"},
		{"CAs to trust", []*issued{inter, root, stranger}, nil, 26, ""},
	} {
		dir := t.TempDir()
		writeCase(t, dir, "sent", tt.certs)
		writeCase(t, dir, "roots", []*issued{root})
		shown, err := quiet().ShowFiles([]string{filepath.Join(dir, "sent.pem")}, "")
		ok := err == nil && len(shown.Order) == len(tt.order)
		for i := range min(len(shown.Order), len(tt.order)) {
			ok = ok && strings.Contains(shown.Order[i], tt.order[i])
		}
		if !ok {
			t.Errorf("%s: pki show says %q, %v", tt.name, shown.Order, err)
		}
		res, _ := quiet().VerifyChain(t.Context(), VerifyRequest{Leaf: filepath.Join(dir, "sent.pem"), Roots: []string{filepath.Join(dir, "roots.pem")}, Purpose: "internode"})
		first, message := 0, ""
		if len(res.Errors) > 0 {
			first, message = res.Errors[0].Code, res.Errors[0].Message
		}
		if first != tt.first || !strings.Contains(message, tt.says) {
			t.Errorf("%s: pki verify says %+v", tt.name, res.Errors)
		}
		if warned := fmt.Sprint(res.Warnings); len(tt.certs) > 1 && len(tt.order) > 0 && !strings.Contains(warned, tt.order[0]) {
			t.Errorf("%s: pki verify does not warn: %s", tt.name, warned)
		}
	}
}
