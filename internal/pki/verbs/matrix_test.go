package verbs

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"crossring/internal/jars"
	"crossring/internal/pki/chain"
	"crossring/internal/pki/java"
	"crossring/internal/pki/openssltest"
	"crossring/internal/pki/store"
)

// quiet are verbs that nobody watches.
func quiet() Verbs {
	return Verbs{Now: time.Now, Say: func(string, ...any) {}, Stage: func(_ string, f func() error) error { return f() }}
}

// TestVerdicts holds pki verify against the system's openssl verify and against
// real Java handshakes, over many chains. Where the verdicts differ, docs/tls.md
// has to say why.
func TestVerdicts(t *testing.T) {
	openssl := needOpenSSL(t)
	program, _, err := jars.FindJava(t.Context(), 17, 0)
	if err != nil {
		t.Skip("there is no Java here to compare with: ", err)
	}
	m := newMint(t)
	all := mutants(m)
	if len(all) < 60 {
		t.Fatalf("%d chains, at least 60 are to be compared", len(all))
	}
	top := t.TempDir()
	goodRoot := m.ca("good root", nil)
	writeCase(t, top, "good", []*issued{m.leaf(goodRoot)})
	for _, c := range all {
		dir := filepath.Join(top, c.name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		writeCase(t, dir, "sent", c.sent)
		writeCase(t, dir, "roots", c.trust)
		write(t, filepath.Join(dir, "key.der"), keyDER(t, c.sent[0]))
		if lists := pemLists(c.crl...); lists != nil {
			write(t, filepath.Join(dir, "crl.pem"), lists)
		}
		write(t, filepath.Join(dir, "case"), fmt.Appendf(nil, "%s %s %s\n", word(c.purpose, "server"), word(c.ip, "-"), word(c.host, "-")))
	}
	javas := javaVerdicts(t, program, top)
	page, err := os.ReadFile("../../../docs/tls.md")
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	tw := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "CHAIN\tPKI VERIFY\tOPENSSL VERIFY\tJAVA")
	agree, explained := 0, map[string]int{}
	for _, c := range all {
		dir := filepath.Join(top, c.name)
		ours := ourVerdict(t, c, dir)
		theirs := opensslVerdict(t, openssl, c, dir)
		javaSays, ok := javas[c.name]
		if !ok {
			t.Errorf("%s: Java says nothing", c.name)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", c.name, verdict(ours), verdict(theirs), javaSays)
		first := 0
		if len(ours) > 0 {
			first = ours[0].code
		}
		if first != c.want {
			t.Errorf("%s: pki verify says %s, want %d first", c.name, verdict(ours), c.want)
		}
		if (len(ours) == 0) != (len(theirs) == 0) {
			t.Errorf("%s: pki verify says %s, openssl %s", c.name, verdict(ours), verdict(theirs))
		}
		for i, e := range theirs {
			if !slices.Contains(ours, e) {
				t.Errorf("%s: openssl has error %d at depth %d, pki verify has not: %s", c.name, e.code, e.depth, verdict(ours))
			}
			if i == 0 && len(ours) > 0 && ours[0] != e {
				t.Errorf("%s: the first error is %s, openssl's is %d at depth %d", c.name, verdict(ours), e.code, e.depth)
			}
		}
		if rules := javaRules(t, c, dir); c.crl == nil && rules.OK != (javaSays == "ok") {
			t.Errorf("%s: Java says %s, and its rules %t: %s", c.name, javaSays, rules.OK, rules.Message)
		} else if c.crl == nil && rules.Reason != c.java || c.crl != nil && (!rules.OK || rules.Reason != "" && rules.Reason != "no-revocation") {
			t.Errorf("%s: the rules have the reason %q, want %q", c.name, rules.Reason, c.java)
		}
		same := (len(ours) == 0) == (javaSays == "ok")
		switch {
		case same && c.java != "":
			t.Errorf("%s: Java agrees, and %q is to say why it does not", c.name, c.java)
		case !same && c.java == "":
			t.Errorf("%s: pki verify says %s, Java %s, and nothing explains it", c.name, verdict(ours), javaSays)
		case !same:
			explained[c.java]++
			if !bytes.Contains(page, []byte("| `"+c.java+"` |")) {
				t.Errorf("%s: docs/tls.md does not explain %q", c.name, c.java)
			}
		default:
			agree++
		}
	}
	if err := tw.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d chains: all three agree on %d; explained: %v\n%s", len(all), agree, explained, table.String())
}

// TestJavaIsAsked has each JDK that is here judge the same chains as pki verify --ask-java
// does, without the leaf's key and without a list, and holds the rules against them.
func TestJavaIsAsked(t *testing.T) {
	m := newMint(t)
	all := mutants(m)
	top := t.TempDir()
	writeCase(t, top, "good", []*issued{m.leaf(m.ca("good root", nil))})
	for _, c := range all {
		dir := filepath.Join(top, c.name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		writeCase(t, dir, "sent", c.sent)
		writeCase(t, dir, "roots", c.trust)
		write(t, filepath.Join(dir, "case"), fmt.Appendf(nil, "%s %s %s\n", word(c.purpose, "server"), word(c.ip, "-"), word(c.host, "-")))
	}
	javas := map[int]map[string]string{}
	for version, program := range javaPrograms(t) {
		javas[version] = javaVerdicts(t, program, top)
	}
	for _, c := range all { // Java is not told of lists
		if lists := pemLists(c.crl...); lists != nil {
			write(t, filepath.Join(top, c.name, "crl.pem"), lists)
		}
	}
	for version, says := range javas {
		var table bytes.Buffer
		tw := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
		for _, c := range all {
			dir := filepath.Join(top, c.name)
			rules, ours := javaRules(t, c, dir), ourVerdict(t, c, dir)
			if rules.OK != (says[c.name] == "ok") {
				t.Errorf("%s: Java %d says %q, and by the rules it is %t: %s", c.name, version, says[c.name], rules.OK, rules.Message)
			}
			if (len(ours) == 0) != rules.OK {
				fmt.Fprintf(tw, "%s\tpki verify %s\tJava %s\t%s: %s\n", c.name, verdict(ours), says[c.name], rules.Reason, rules.Why)
				if rules.Why == "" {
					t.Errorf("%s: nothing explains Java's verdict: %+v", c.name, rules)
				}
			}
		}
		if err := tw.Flush(); err != nil {
			t.Fatal(err)
		}
		t.Logf("Java %d, asked about %d chains; where it says another thing than pki verify:\n%s", version, len(all), table.String())
	}
}

// javaPrograms are the JDKs of this computer that run Judge.java, by version.
func javaPrograms(t *testing.T) map[int]string {
	t.Helper()
	programs := map[int]string{}
	program, version, err := jars.FindJava(t.Context(), java.MinJava, 0)
	if err != nil {
		t.Skip("there is no Java here to ask: ", err)
	}
	programs[version] = program
	if os.Getenv("CROSSRING_LONG") == "" {
		t.Log("the others of this computer are asked in make test-long")
		return programs
	}
	homes, err := filepath.Glob("/usr/lib/jvm/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, home := range homes {
		t.Setenv("JAVA_HOME", home)
		if program, version, err := jars.FindJava(t.Context(), java.MinJava, 0); err == nil && strings.HasPrefix(program, home) {
			programs[version] = program
		}
	}
	return programs
}

// finding is an error at a depth.
type finding struct{ code, depth int }

func verdict(all []finding) string {
	if len(all) == 0 {
		return "ok"
	}
	words := make([]string, len(all))
	for i, f := range all {
		words[i] = fmt.Sprintf("%d@%d", f.code, f.depth)
	}
	return strings.Join(words, " ")
}

func ourVerdict(t *testing.T, c mutant, dir string) []finding {
	t.Helper()
	r := VerifyRequest{Leaf: filepath.Join(dir, "sent.pem"), Roots: []string{filepath.Join(dir, "roots.pem")}, Purpose: word(c.purpose, chain.Server), IP: c.ip, Host: c.host}
	if c.crl != nil {
		r.CRL = []string{filepath.Join(dir, "crl.pem")}
	}
	res, err := quiet().VerifyChain(t.Context(), r)
	if res.OK != (err == nil) || res.OK != (len(res.Errors) == 0) {
		t.Errorf("%s: ok is %t, with %d errors and %v", c.name, res.OK, len(res.Errors), err)
	}
	var all []finding
	for _, p := range res.Errors {
		if p.Name == "" || p.Hint == "" || p.Message == "" {
			t.Errorf("%s: error %d has no name, message or hint", c.name, p.Code)
		}
		all = append(all, finding{p.Code, p.Depth})
	}
	return all
}

// javaRules is what Java's rules say of a case.
func javaRules(t *testing.T, c mutant, dir string) java.Verdict {
	t.Helper()
	r := VerifyRequest{Leaf: filepath.Join(dir, "sent.pem"), Roots: []string{filepath.Join(dir, "roots.pem")}, Purpose: word(c.purpose, chain.Server), IP: c.ip, Host: c.host}
	if c.crl != nil {
		r.CRL = []string{filepath.Join(dir, "crl.pem")}
	}
	res, err := quiet().VerifyChain(t.Context(), r)
	if len(res.Judges) != 2 || res.Judges[0].OK != (err == nil) || res.Judges[1].Judge != java.Java || res.Judges[1].OK != (res.Judges[1].Message == "") {
		t.Fatalf("%s: %+v, %v", c.name, res.Judges, err)
	}
	return res.Judges[1]
}

// needOpenSSL finds the judge that the verdicts are held against.
func needOpenSSL(t *testing.T) string {
	t.Helper()
	openssl := openssltest.Program(t)
	if out, err := exec.Command(openssl, "version").Output(); err != nil || !bytes.HasPrefix(out, []byte("OpenSSL 3")) {
		t.Skipf("not possible here: the verdicts are those of OpenSSL 3, and this is %s (%v)", out, err)
	}
	return openssl
}

// opensslFindings are the errors in what openssl verify prints.
func opensslFindings(out []byte) []finding {
	var all []finding
	for _, m := range opensslError.FindAllStringSubmatch(string(out), -1) {
		code, _ := strconv.Atoi(m[1])
		depth, _ := strconv.Atoi(m[2])
		all = append(all, finding{code, depth})
	}
	return all
}

var opensslError = regexp.MustCompile(`(?m)^error (\d+) at (\d+) depth lookup`)

// opensslVerdict asks for each purpose of the case. Level 2 is what TLS asks for.
func opensslVerdict(t *testing.T, openssl string, c mutant, dir string) []finding {
	t.Helper()
	purposes := []string{"sslserver"}
	switch c.purpose {
	case "client":
		purposes = []string{"sslclient"}
	case "internode":
		purposes = append(purposes, "sslclient")
	}
	var all []finding
	for _, p := range purposes {
		args := []string{"verify", "-auth_level", "2", "-purpose", p, "-CAfile", filepath.Join(dir, "roots.pem"), "-untrusted", filepath.Join(dir, "sent.pem")}
		if c.ip != "" {
			args = append(args, "-verify_ip", c.ip)
		}
		if c.host != "" {
			args = append(args, "-verify_hostname", c.host)
		}
		if c.crl != nil {
			args = append(args, "-crl_check", "-CRLfile", filepath.Join(dir, "crl.pem"))
		}
		out, err := exec.CommandContext(t.Context(), openssl, append(args, filepath.Join(dir, "sent.pem"))...).CombinedOutput()
		found := opensslFindings(out)
		var exit *exec.ExitError
		if errors.As(err, &exit) != (len(found) > 0) {
			t.Fatalf("%s: openssl %v: %v\n%s", c.name, args, err, out)
		}
		for _, f := range found {
			if !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
	}
	return all
}

// javaVerdicts runs all handshakes in one JVM.
func javaVerdicts(t *testing.T, program, top string) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	source, err := filepath.Abs("../java/Judge.java")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, program, "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", source, top)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("java: %v\n%s%s", err, out, stderr.String())
	}
	all := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		name, says, _ := strings.Cut(lines.Text(), " ")
		all[name] = says
	}
	return all
}

func writeCase(t *testing.T, dir, name string, certs []*issued) {
	t.Helper()
	var list []*x509.Certificate
	for _, c := range certs {
		list = append(list, c.cert)
	}
	write(t, filepath.Join(dir, name+".pem"), store.EncodeCertificates(list))
	if name == "good" {
		write(t, filepath.Join(dir, name+".der"), keyDER(t, certs[0]))
	}
}

func keyDER(t *testing.T, c *issued) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func word(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
