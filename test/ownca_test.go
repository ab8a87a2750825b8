package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"crossring/internal/pki/verbs"
	"crossring/internal/release/releasetest"
	"crossring/internal/report"
	"crossring/internal/trust"
)

// TestTLSUnderAnotherCA has rings whose certificates an intermediate of a company's CA
// signs, and a key in a token: up, verified from both regions, rotated, verified again.
func TestTLSUnderAnotherCA(t *testing.T) {
	needLong(t)
	beside(t, 2)
	for _, tt := range []struct {
		name, version string
		make          func(*testing.T, *home, string) (ca, passphrase string)
	}{
		{"company", newest, companyCA},
		{"token", releasetest.Of("3.11"), tokenCA},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHome(t)
			ca, passphrase := tt.make(t, &h, t.TempDir())
			c := h.up(t, tt.name, oneByOne(tt.name, tt.version)+"tls: {ca: "+ca+", ca_passphrase_file: "+passphrase+"}\n")
			inv, _ := c.inventory(t, c.name)
			right := func() {
				t.Helper()
				got := decode[verbs.ClusterVerifyResult](t, c.must(t, "pki", "verify", c.name, "-o", "json"))
				if !got.OK || len(got.Ways) != 4 {
					t.Errorf("%+v, %d ways", got.Wrong, len(got.Ways))
				}
			}
			right()
			doc := decode[report.Document](t, c.must(t, "repro", c.name, "--rows", "500", "-o", "json"))
			checkDocument(t, doc, inv, 500)
			rotate := []string{"pki", "rotate", c.name, "-o", "json"}
			trace := filepath.Join(t.TempDir(), "trace")
			if tt.name == "token" {
				rotate = append(rotate, "--pkcs11-trace", trace)
			}
			if got := decode[trust.RotateResult](t, c.must(t, rotate...)); !got.Done || got.CA {
				t.Errorf("%+v", got)
			}
			if tt.name == "token" {
				checkTrace(t, trace, passphrase, len(inv.Nodes)+1)
			}
			right()
			checkSays(t, c.want(t, 2, "pki", "rotate", c.name, "--ca"), "not this command's to replace")
			// Its record has them under the cluster's name: two for each, and no more.
			ls := decode[verbs.ListResult](t, c.must(t, "pki", "ls", "--dir", ca, "-o", "json"))
			if len(ls.Issued) != 2*(len(inv.Nodes)+1) || ls.Issued[0].Name != c.name+"/crossring" {
				t.Errorf("%+v", ls.Issued)
			}
			own := decode[verbs.ListResult](t, c.must(t, "pki", "ls", c.name, "-o", "json"))
			if len(own.Issued) != len(ls.Issued) || own.Token != (tt.name == "token") {
				t.Errorf("%+v", own)
			}
			c.must(t, "down", c.name)
			c.must(t, "pki", "ls", "--dir", ca)
			// Without its CA a ring is not begun.
			if err := os.Rename(ca, ca+"-gone"); err != nil {
				t.Fatal(err)
			}
			checkSays(t, h.want(t, 7, "up", "-f", c.spec(t, oneByOne("other", tt.version)+"tls: {ca: "+ca+"}\n")), "there is no CA in")
		})
	}
}

// TestTLSSignedElsewhere has a ring whose certificates openssl signs as it is asked to: up
// ends with what it lacks, and goes on when that is there.
func TestTLSSignedElsewhere(t *testing.T) {
	needLong(t)
	h := newHome(t)
	dir := t.TempDir()
	companyCA(t, &h, dir)
	file := h.spec(t, oneByOne("elsewhere", newest)+"tls: {trust: "+filepath.Join(dir, "co.pem")+"}\n")
	r := h.want(t, 7, "up", "-f", file)
	checkSays(t, r, "to be signed elsewhere: 3 certificates", "crossring up elsewhere")
	own := filepath.Join(h.state, "clusters", "elsewhere", "ca")
	signsElsewhere(t, dir, own, 3)
	c := h.up(t, "elsewhere", oneByOne("elsewhere", newest)+"tls: {trust: "+filepath.Join(dir, "co.pem")+"}\n")
	got := decode[verbs.ClusterVerifyResult](t, c.must(t, "pki", "verify", c.name, "-o", "json"))
	if !got.OK || len(got.Ways) != 4 {
		t.Errorf("%+v, %d ways", got.Wrong, len(got.Ways))
	}
	inv, _ := c.inventory(t, c.name)
	checkDocument(t, decode[report.Document](t, c.must(t, "repro", c.name, "--rows", "500", "-o", "json")), inv, 500)
	c.must(t, "restart", c.name+":2")
}

// signsElsewhere signs each request of a cluster's as a company would, by openssl, with the
// intermediate of companyCA.
func signsElsewhere(t *testing.T, dir, own string, want int) {
	t.Helper()
	requests, err := filepath.Glob(filepath.Join(own, "requests", "*.csr"))
	if err != nil || len(requests) != want {
		t.Fatalf("%v, %v", requests, err)
	}
	for _, request := range requests {
		out, err := exec.CommandContext(t.Context(), "openssl", "x509", "-req", "-in", request, "-CA", filepath.Join(dir, "int.pem"), "-CAkey", filepath.Join(dir, "int.key"),
			"-days", "90", "-copy_extensions", "copyall").Output()
		if err != nil {
			t.Fatalf("openssl signs %s: %v", request, err)
		}
		between, err := os.ReadFile(filepath.Join(dir, "int.pem"))
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(request), ".csr") + ".pem"
		put(t, filepath.Join(own, "signed", name), string(out)+string(between))
	}
}

// companyCA is an intermediate that openssl made, its key encrypted in the CA's directory.
func companyCA(t *testing.T, h *home, dir string) (ca, passphrase string) {
	t.Helper()
	openssl := needProgram(t, "openssl", "openssl")
	file := func(name string) string { return filepath.Join(dir, name) }
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), openssl, args...).CombinedOutput(); err != nil {
			t.Fatalf("openssl %q: %v\n%s", args, err, out)
		}
	}
	put(t, file("ext"), "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n")
	put(t, file("pass"), "a company's secret\n")
	run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file("co.key"), "-subj", "/O=Company/CN=Root", "-days", "3650", "-out", file("co.pem"))
	run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file("int.key"), "-subj", "/O=Company/CN=Issuing", "-out", file("int.csr"))
	run("x509", "-req", "-in", file("int.csr"), "-CA", file("co.pem"), "-CAkey", file("co.key"), "-days", "1000", "-extfile", file("ext"), "-out", file("int.pem"))
	h.must(t, "pki", "init", "--dir", file("ca"), "--cluster", "company", "--from-cert", file("int.pem"), "--from-key", file("int.key"), "--from-chain", file("co.pem"), "--passphrase-file", file("pass"))
	return file("ca"), file("pass")
}

// tokenCA is a root whose key is in a token of SoftHSM's; the program is one that speaks
// PKCS#11.
func tokenCA(t *testing.T, h *home, dir string) (ca, passphrase string) {
	t.Helper()
	const module, pin = "/usr/lib/softhsm/libsofthsm2.so", "of-this-test-alone"
	util := needProgram(t, "softhsm2-util", "softhsm2")
	if _, err := os.Stat(module); err != nil {
		t.Skipf("SoftHSM2 is not where Debian has it: %v", err)
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	h.program = file("crossring")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "pkcs11", "-o", h.program, "crossring")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("crossring with PKCS#11 can't be built here: %v\n%s", err, out)
	}
	if err := os.Mkdir(file("tokens"), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, file("softhsm2.conf"), "directories.tokendir = "+file("tokens")+"\nobjectstore.backend = file\nlog.level = ERROR\n")
	put(t, file("pin"), pin+"\n")
	h.env = append(h.env, "SOFTHSM2_CONF="+file("softhsm2.conf"))
	init := exec.CommandContext(t.Context(), util, "--init-token", "--free", "--label", "lab", "--pin", pin, "--so-pin", "5678")
	init.Env = append(os.Environ(), "SOFTHSM2_CONF="+file("softhsm2.conf"))
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h.must(t, "pki", "init", "--dir", file("ca"), "--pkcs11-module", module, "--pkcs11-token", "lab", "--passphrase-file", file("pin"))
	return file("ca"), file("pin")
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// checkTrace finds so many signatures in a trace, and no PIN.
func checkTrace(t *testing.T, file, passphrase string, signatures int) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", file, info.Mode(), err)
	}
	pin, err := os.ReadFile(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	got := regexp.MustCompile(`C_Sign\(.*; signature=\(\d+ bytes\)\) = CKR_OK \d+ us\n`).FindAllString(string(data), -1)
	got = slices.DeleteFunc(got, func(line string) bool { return strings.Contains(line, "signature=NULL") })
	if len(got) < signatures || !strings.Contains(string(data), ") = CKR_OK ") || strings.Contains(string(data), strings.TrimSpace(string(pin))) {
		t.Errorf("%d signatures:\n%s", len(got), data)
	}
}
