package names

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"
)

// wire is a name as a certificate holds it, read back.
func wire(t testing.TB, n pkix.Name) string {
	t.Helper()
	der, err := asn1.Marshal(n.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	var back pkix.RDNSequence
	if _, err := asn1.Unmarshal(der, &back); err != nil {
		t.Fatal(err)
	}
	return back.String()
}

func TestParseDN(t *testing.T) {
	values := map[string]string{"node": "n1", "region": "", "cluster": `GK, "Cluster"`}
	for text, want := range map[string]string{
		"CN={node},O={cluster}":     `CN=n1,O=GK\, \"Cluster\"`,
		"CN={node}, OU={region}":    "CN=n1",
		`CN=a\,b,O=x,O=y`:           `CN=a\,b,O=x,O=y`,
		"cn=x,c=DE,st=Hessen,l=Ffm": "CN=x,C=DE,ST=Hessen,L=Ffm",
		// Whatever occurs twice is kept, in its place.
		"CN=a,CN=b":           "CN=a,CN=b",
		"O=o,CN=b,OU=u,CN=a":  "O=o,CN=b,OU=u,CN=a",
		`CN=a\+b,O=\#1`:       `CN=a\+b,O=\#1`,
		`CN=\C3\A4`:           "CN=ä",
		" CN = a b , O = c d": "CN=a b,O=c d",
		"CN=a=b":              "CN=a=b",
		"CN=x,C=de":           "CN=x,C=de",
	} {
		got, err := ParseDN(text, values)
		if err != nil || wire(t, got) != want {
			t.Errorf("%s: %s, %v, want %s", text, wire(t, got), err, want)
		}
	}
	long := strings.Repeat("ä", 64)
	if got, err := ParseDN("CN="+long, nil); err != nil || got.CommonName != long {
		t.Errorf("64 characters are refused: %v", err)
	}
	for _, text := range []string{
		"", " ", "O=x", "CN", "CN={nobody}", "CN=x,EMAIL=a", "CN=", "CN=x,O=", "CN=x,", ",CN=x", "CN=x,,O=y", `CN=x\`,
		"CN=x,C=USA", "CN=x,C=D", "CN=x,C=1A", "CN=x,C=\u00c4\u00d6", "CN=x,C=", "CN=x,C=D E",
		"CN=a+OU=b", "CN=a;O=b", `CN="a"`, "CN=<a>", "CN=#04020123",
		"CN=" + long + "ä", "CN=x,O=" + long + "o", "CN=x,OU=" + long + "o", "CN=x,L=" + long + long + "o", "CN=x,ST=" + long + long + "o",
		"CN=a\x00b", "CN=a\nb", "CN=a\x1b[31m", `CN=a\00`, "CN=\xff", "CN=a\u202eb", `CN=\20a`,
		"CN={region}", "CN= {region} ",
	} {
		if got, err := ParseDN(text, values); err == nil {
			t.Errorf("%q is taken as %s", text, got)
		}
	}
	// A value is no template: its braces are its own, but a character is still checked.
	if got, err := ParseDN("CN={node}", map[string]string{"node": "a{b"}); err != nil || got.CommonName != "a{b" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := ParseDN("CN={node}", map[string]string{"node": "a\rb"}); err == nil {
		t.Error("a value with a carriage return is taken")
	}
}

func TestBelow(t *testing.T) {
	root, err := ParseDN("CN=a,CN=b,O=c", nil)
	if err != nil {
		t.Fatal(err)
	}
	below, err := Below(root, " us-east-1")
	if err != nil || wire(t, below) != "CN=a us-east-1,CN=b,O=c" || wire(t, root) != "CN=a,CN=b,O=c" {
		t.Errorf("%s, %v; the root is %s", wire(t, below), err, wire(t, root))
	}
	if _, err := Below(root, strings.Repeat("x", 64)); err == nil {
		t.Error("a name of 65 characters is taken")
	}
}

// Whatever is taken can be written into a certificate and is the same when it is read.
func FuzzParseDN(f *testing.F) {
	for _, s := range []string{"CN={node},O=x", `CN=a\,b`, "CN=a,CN=b", `CN=\C3\A4`, "CN=a+O=b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseDN(text, map[string]string{"node": "n"})
		if err != nil {
			return
		}
		if wire(t, n) != n.ToRDNSequence().String() || !utf8.ValidString(n.CommonName) || n.CommonName == "" {
			t.Errorf("%q: %s is read back as %s", text, n, wire(t, n))
		}
	})
}

func TestCheckDNS(t *testing.T) {
	label := strings.Repeat("a", 63)
	for _, ok := range []string{
		"a", "localhost", "node-1.example.com", "N.EXAMPLE", "1.example.com", "xn--nxasmq6b", "*.example.com", "cassandra_1", label + ".b", "a.b-c.d2e", "127.0.0.1.nip.io",
		strings.Repeat("abcdefgh.", 28) + "a",
	} {
		if err := CheckDNS(ok); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{
		"", " ", "a b", "a,b", "a\tb", "a\nb", "a\x00.example.com", ".", "a.", ".a", "a..b", "-a", "a-", "a.-b.c", "a.b-", "*", "*.", "*.example", "a.*.b", "a*.b.c", "*a.b.c", "**.b.c", "*.*.b.c",
		"127.0.0.1", "::1", "[::1]", "fe80::1%eth0", "10.1", "1", "a.0", "0x7f.1", "http://a.b", "a.b:9042", "a/b", "a@b.c", "ä.example", "bücher.de", "a\u3002b", "a;b", "CN=a", "a\\b", "a'b", "\xff.a",
		label + "a.b", strings.Repeat("abcdefgh.", 28) + "ab",
	} {
		if err := CheckDNS(bad); err == nil {
			t.Errorf("%q is taken for a host name", bad)
		}
	}
}

func TestCheckIP(t *testing.T) {
	for _, ok := range []string{"127.0.0.1", "10.0.0.1", "203.0.113.1", "::1", "2001:db8::1", "fe80::1", "::ffff:10.0.0.1", "169.254.1.1"} {
		if err := CheckIP(netip.MustParseAddr(ok)); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.1", "ff02::1", "255.255.255.255", "fe80::1%eth0"} {
		if err := CheckIP(netip.MustParseAddr(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	if err := CheckIP(netip.Addr{}); err == nil {
		t.Error("no address is taken")
	}
}
