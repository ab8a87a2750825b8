package run

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is collected stays below its directory, has no passwords in it, and no keys.
func TestUnpackFiles(t *testing.T) {
	var archive bytes.Buffer
	z := gzip.NewWriter(&archive)
	w := tar.NewWriter(z)
	for _, f := range []struct{ name, text string }{
		{"./cassandra.yaml", "cluster_name: x\nkeystore_password: verysecret\n    truststore_password: 'very secret'\nauthenticator: PasswordAuthenticator\n" +
			"server_encryption_options: {\"keystore_password\": \"very\\\"secret\", truststore_password: secret, optional: false}\nclient_password: a secret, with more\n"},
		{"../../../etc/jvm.options", "-Dcom.sun.management.jmxremote.password=verysecret\n-Xmx1G\n"},
		{"./server.key.pem", "verysecret"}, {"./keystore.jks", "verysecret"},
	} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Size: int64(len(f.text)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := unpackFiles(bytes.NewReader(archive.Bytes()), dir, withoutSecrets); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
	all := ""
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all += string(data)
	}
	if strings.Contains(all, "secret") || strings.Count(all, "(not collected)") != 6 || !strings.Contains(all, "cluster_name: x\n") ||
		!strings.Contains(all, "authenticator: PasswordAuthenticator\n") || !strings.Contains(all, "-Xmx1G\n") || !strings.Contains(all, ", optional: false}") || strings.Contains(all, "with more") {
		t.Errorf("kept:\n%s", all)
	}
	if err := unpackFiles(strings.NewReader(""), dir, nil); err != nil {
		t.Errorf("of a directory without files: %v", err)
	}
	if err := unpackFiles(bytes.NewReader(archive.Bytes()[:40]), dir, nil); err == nil {
		t.Error("half an archive is no error")
	}
}
