package java

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"crossring/internal/pki/chain"
)

// judgeSource is Judge.java: real handshakes, both sides in one JVM.
//
//go:embed Judge.java
var judgeSource []byte

// MinJava is the oldest Java that runs Judge.java.
const MinJava = 17

// askTime is how long a JVM may take to compile its source and to make a handshake.
const askTime = 2 * time.Minute

// Ask has a JDK judge a chain, in a real handshake. The leaf's key is not needed: another
// one stands for it, and the handshake ends when the chain has been judged. Java asks for
// no revocation, and its clock is this computer's: at another time it can't be asked.
func Ask(ctx context.Context, java string, version int, leaf *x509.Certificate, sent []*x509.Certificate, o chain.Options, report chain.Report) (v Verdict, err error) {
	v = Verdict{Judge: Java, Asked: true, Version: strconv.Itoa(version)}
	dir, err := os.MkdirTemp("", "crossring-judge-") // with mode 0700
	if err != nil {
		return v, fmt.Errorf("ask Java: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := writeCase(dir, "it", append([]*x509.Certificate{leaf}, sent...), o); err != nil {
		return v, fmt.Errorf("ask Java: %w", err)
	}
	all, err := run(ctx, java, dir)
	if err != nil {
		return v, err
	}
	says, ok := all["it"]
	if !ok {
		return v, errors.New("ask Java: it said nothing")
	}
	v.OK = says == "ok"
	if !v.OK {
		v.Message = strings.TrimPrefix(says, "refused ")
	}
	rules := Rules(leaf, sent, o, report)
	switch {
	case v.OK == report.OK:
	case v.OK == rules.OK:
		v.Reason, v.Why = rules.Reason, rules.Why
	default:
		v.Reason, v.Why = "unexplained", "crossring knows no rule of Java's for this"
	}
	return v, nil
}

// writeCase writes what Judge.java reads of a case, and the side that is not asked about.
func writeCase(dir, name string, sent []*x509.Certificate, o chain.Options) error {
	chainOf := func(list []*x509.Certificate) []byte {
		var out []byte
		for _, c := range list {
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
		}
		return out
	}
	purpose := o.Purpose
	if purpose == "" {
		purpose = chain.Server
	}
	at := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	cert, key, err := side()
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
		return err
	}
	var errs []error
	for path, data := range map[string][]byte{
		filepath.Join(name, "case"):      fmt.Appendf(nil, "%s %s %s\n", purpose, at(o.IP), at(o.Host)),
		filepath.Join(name, "sent.pem"):  chainOf(sent),
		filepath.Join(name, "roots.pem"): chainOf(o.Roots),
		"good.pem":                       chainOf([]*x509.Certificate{cert}),
		"good.der":                       key,
		"Judge.java":                     judgeSource,
	} {
		errs = append(errs, os.WriteFile(filepath.Join(dir, path), data, 0o600))
	}
	return errors.Join(errs...)
}

// side is a certificate with its key for the side that is not asked about.
func side() (*x509.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "anybody"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	return cert, secret, err
}

// run runs Judge.java over the cases of a directory.
func run(ctx context.Context, java, dir string) (map[string]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTime, fmt.Errorf("it said nothing for %s", askTime))
	defer cancel()
	cmd := exec.CommandContext(ctx, java, "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", filepath.Join(dir, "Judge.java"), dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ask Java: %s: %w\n%.2000s", java, errors.Join(err, context.Cause(ctx)), strings.TrimSpace(stderr.String()))
	}
	all := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		name, says, _ := strings.Cut(lines.Text(), " ")
		all[name] = says
	}
	return all, nil
}
