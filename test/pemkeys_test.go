package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"crossring/internal/release"
	"crossring/internal/release/releasetest"
)

// opensKeys has Cassandra's own reader of PEM open keys, with the password on its standard
// input, and says what came of each in a line.
const opensKeys = `import java.nio.file.*;
import org.apache.cassandra.security.PEMReader;

class Opens {
    public static void main(String[] files) throws Exception {
        String password = new String(System.in.readAllBytes());
        for (String file : files) {
            StringBuilder said = new StringBuilder("=> ");
            try {
                said.append("opens ").append(PEMReader.extractPrivateKey(Files.readString(Path.of(file)), password).getAlgorithm());
            } catch (Exception e) {
                said.append("refuses");
                for (Throwable t = e; t != null; t = t.getCause()) said.append(": ").append(t.getMessage());
            }
            System.out.println(said);
        }
    }
}
`

// TestEncryptedPEMKeys has the servers that take PEM open keys that openssl encrypted: on
// Java 17 only in the old way, on a later one in both, as docs/tls.md says.
func TestEncryptedPEMKeys(t *testing.T) {
	openssl := needProgram(t, "openssl", "openssl")
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	put(t, file("Opens.java"), opensKeys)
	put(t, file("password"), "opens the key\n")
	for _, args := range [][]string{
		{"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file("plain")},
		{"pkcs8", "-topk8", "-in", file("plain"), "-passout", "file:" + file("password"), "-out", file("pbes2")},
		{"pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES", "-in", file("plain"), "-passout", "file:" + file("password"), "-out", file("3des")},
	} {
		if out, err := exec.CommandContext(t.Context(), openssl, args...).CombinedOutput(); err != nil {
			t.Fatalf("openssl %q: %v\n%s", args, err, out)
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	homes, err := filepath.Glob("/usr/lib/jvm/*/bin/java")
	if err != nil {
		t.Fatal(err)
	}
	versions := []string{newest}
	if long() {
		versions = releasetest.All()
	}
	tried := map[string]bool{}
	for _, java := range homes {
		out, err := exec.CommandContext(t.Context(), java, "-version").CombinedOutput()
		m := regexp.MustCompile(`version "(\d+)`).FindSubmatch(out)
		if m != nil && string(m[1]) != "17" && !long() {
			continue // the others are asked in make test-long
		}
		if err != nil || m == nil || tried[string(m[1])] || len(m[1]) < 2 || string(m[1]) < "17" {
			continue
		}
		tried[string(m[1])] = true
		for _, version := range versions {
			rel, err := release.Find(version)
			if err != nil {
				t.Fatal(err)
			}
			jars := filepath.Join(cache, "crossring", "jars", version)
			if _, err := os.Stat(jars); err != nil || !rel.PEMStores {
				t.Logf("%s is not asked: it takes no PEM, or its jars are not here", version)
				continue
			}
			cmd := exec.CommandContext(t.Context(), java, "-cp", jars+"/*", file("Opens.java"), file("pbes2"), file("3des"))
			cmd.Stdin = strings.NewReader("opens the key")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", java, err, out)
			}
			got := regexp.MustCompile(`(?m)^=> .*$`).FindAllString(string(out), -1)
			t.Logf("%s on Java %s: %q", version, m[1], got)
			want := []string{"=> opens EC", "=> opens EC"}
			if string(m[1]) == "17" {
				want[0] = "PBES2 SecretKeyFactory not available"
			}
			for i := range want {
				if len(got) != len(want) || !strings.Contains(got[i], want[i]) {
					t.Fatalf("%s on Java %s: want %q, got %q:\n%s", version, m[1], want, got, out)
				}
			}
		}
	}
	if !tried["17"] {
		t.Skip("there is no Java 17 in /usr/lib/jvm")
	}
}
