package spec

import (
	"reflect"
	"strings"
	"testing"
)

const minimal = "version: crossring/v1\nname: a\nregions: [{region: us-east-1}]\n"

func TestTLSBlock(t *testing.T) {
	s, err := Parse("x", []byte(minimal+"tls: {}\n"))
	if err != nil || !*s.TLS.Internode || !*s.TLS.Client || s.TLS.Days != 397 || s.TLS.Key != "" {
		t.Errorf("%+v, %v", s.TLS, err)
	}
	if again, err := Parse("x", []byte(minimal+"tls:\n")); err != nil || !reflect.DeepEqual(again.TLS, s.TLS) {
		t.Errorf("without a value: %+v, %v", again.TLS, err)
	}
	s, err = Parse("x", []byte(minimal+"tls: {client: false, key: rsa-3072, days: 30, name: \"CN={node},C=DE\"}\n"))
	if err != nil || !*s.TLS.Internode || *s.TLS.Client || s.TLS.Days != 30 || s.TLS.Key != "rsa-3072" || s.TLS.Name != "CN={node},C=DE" {
		t.Errorf("%+v, %v", s.TLS, err)
	}
	if s, err = Parse("x", []byte(minimal)); err != nil || s.TLS != nil {
		t.Errorf("%+v, %v", s.TLS, err)
	}
	for text, want := range map[string]string{
		"tls: yes":                     "tls: must be a mapping",
		"tls: {client: maybe}":         `tls.client: must be true or false, not "maybe"`,
		"tls: {key: dsa}":              "tls.key",
		"tls: {days: 9999}":            "tls.days: must be at most 3650",
		"tls: {ca: a, trust: b}":       "tls.trust: is for certificates that are signed elsewhere",
		"tls: {ca_passphrase_file: a}": "tls.ca_passphrase_file: is for tls.ca",
		"tls: {ciphers: x}":            "tls.ciphers: unknown key",
		"tls: {}\nsettings: {client_encryption_options: {}}": "settings.client_encryption_options: belongs in tls",
	} {
		if _, err := Parse("x", []byte(minimal+text+"\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func TestAuthenticator(t *testing.T) {
	for text, taken := range map[string]bool{
		"AllowAllAuthenticator": true, "org.apache.cassandra.auth.AllowAllAuthenticator": true, "~": true,
		"{class_name: AllowAllAuthenticator}": true, "PasswordAuthenticator": false, "{class_name: PasswordAuthenticator}": false, "[]": false, "7": false,
	} {
		_, err := Parse("x", []byte(minimal+"settings: {authenticator: "+text+"}\n"))
		if (err == nil) != taken {
			t.Errorf("%s: %v", text, err)
		}
	}
}
