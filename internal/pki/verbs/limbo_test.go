package verbs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// limboCase is a test case in the format of C2SP's x509-limbo, version 1: what of it
// a verifier of chains is given and what it is to say. Certificates are PEM.
type limboCase struct {
	ID          string    `json:"id"`
	Features    []string  `json:"features"`
	Kind        string    `json:"validation_kind"` // SERVER or CLIENT
	Trusted     []string  `json:"trusted_certs"`
	Untrusted   []string  `json:"untrusted_intermediates"`
	Peer        string    `json:"peer_certificate"`
	Time        *string   `json:"validation_time"`
	Expected    string    `json:"expected_result"` // SUCCESS or FAILURE
	PeerName    *peerName `json:"expected_peer_name"`
	MaxDepth    *int      `json:"max_chain_depth"`
	CRLs        []string  `json:"crls"`
	ExtKeyUsage []string  `json:"extended_key_usage"`
}

type peerName struct {
	Kind  string `json:"kind"` // DNS, IP or RFC822
	Value string `json:"value"`
}

// limboVerdict is what one verifier says of a case.
type limboVerdict struct {
	ok    bool
	words string
}

// judgeLimbo gives a case to pki verify and to openssl verify. skip is the reason
// why it can't be given to either.
func judgeLimbo(t *testing.T, openssl string, c limboCase) (ours, theirs limboVerdict, skip string) {
	t.Helper()
	dir := t.TempDir()
	file := func(name string, pems []string) string {
		path := filepath.Join(dir, name)
		write(t, path, []byte(strings.Join(pems, "\n")))
		return path
	}
	r := VerifyRequest{Leaf: file("leaf.pem", []string{c.Peer}), Roots: []string{file("roots.pem", c.Trusted)}, Purpose: strings.ToLower(c.Kind)}
	args := []string{"verify", "-auth_level", "2", "-purpose", map[string]string{"SERVER": "sslserver", "CLIENT": "sslclient"}[c.Kind], "-CAfile", r.Roots[0]}
	if len(c.Untrusted) > 0 {
		r.Untrusted = []string{file("untrusted.pem", c.Untrusted)}
		args = append(args, "-untrusted", r.Untrusted[0])
	}
	if len(c.CRLs) > 0 {
		r.CRL = []string{file("crl.pem", c.CRLs)}
		args = append(args, "-crl_check", "-CRLfile", r.CRL[0])
	}
	if c.Time != nil {
		at, err := time.Parse(time.RFC3339, *c.Time)
		if err != nil {
			t.Fatalf("%s: %v", c.ID, err)
		}
		r.At = at
		args = append(args, "-attime", strconv.FormatInt(at.Unix(), 10))
	}
	if c.MaxDepth != nil {
		return ours, theirs, "pki verify has no greatest depth to be set"
	}
	if c.PeerName != nil {
		switch c.PeerName.Kind {
		case "DNS":
			r.Host = c.PeerName.Value
			args = append(args, "-verify_hostname", r.Host)
		case "IP":
			r.IP = c.PeerName.Value
			args = append(args, "-verify_ip", r.IP)
		default:
			return ours, theirs, "pki verify looks for no name of the kind " + c.PeerName.Kind
		}
	}
	res, err := quiet().VerifyChain(t.Context(), r)
	if res.OK != (err == nil) {
		t.Errorf("%s: ok is %t with %v", c.ID, res.OK, err)
	}
	var all []finding
	for _, p := range res.Errors {
		all = append(all, finding{p.Code, p.Depth})
	}
	ours = limboVerdict{res.OK, verdict(all)}
	if err != nil && len(res.Chain) == 0 {
		ours.words = "not readable: " + strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), dir+"/", "")), " ")
	}
	out, err := exec.CommandContext(t.Context(), openssl, append(args, r.Leaf)...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	theirs = limboVerdict{err == nil, "ok"}
	if err != nil {
		theirs.words = verdict(opensslFindings(out))
		if theirs.words == "ok" {
			theirs.words = "not readable"
		}
	}
	return ours, theirs, ""
}

// TestLimboFile runs the suite itself, when CROSSRING_LIMBO names its limbo.json: it
// is not shipped here, being 1 MB and more that changes every week.
func TestLimboFile(t *testing.T) {
	path := os.Getenv("CROSSRING_LIMBO")
	if path == "" {
		t.Skip("runs when CROSSRING_LIMBO names the suite's limbo.json; TestLimboKinds has chains of its kinds")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var suite struct {
		Version int         `json:"version"`
		Cases   []limboCase `json:"testcases"`
	}
	if err := json.Unmarshal(data, &suite); err != nil {
		t.Fatal(err)
	}
	openssl := needOpenSSL(t)
	var table bytes.Buffer
	counts := map[string]int{}
	for _, c := range suite.Cases {
		ours, theirs, skip := judgeLimbo(t, openssl, c)
		if skip != "" {
			counts["not run: "+skip]++
			continue
		}
		counts["run"]++
		want := c.Expected == "SUCCESS"
		if ours.ok == want {
			counts["as the suite expects"]++
		}
		if theirs.ok == want {
			counts["openssl as the suite expects"]++
		}
		if ours.ok == theirs.ok {
			counts["as openssl"]++
		}
		if ours.ok && !theirs.ok {
			counts["ok where openssl is not"]++
			t.Errorf("%s: pki verify says ok, openssl %s", c.ID, theirs.words)
		}
		if ours.ok != theirs.ok || ours.ok != want {
			fmt.Fprintf(&table, "%-70s expected %-7s ours %-40s openssl %s %v\n", c.ID, c.Expected, ours.words, theirs.words, c.Features)
		}
	}
	t.Logf("%v\n%s", counts, table.String())
}
