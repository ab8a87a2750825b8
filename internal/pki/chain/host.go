package chain

import (
	"bytes"
	"crypto/x509"
	"net/netip"
	"strings"
)

// identity checks name and address against the alternative names. An address is
// never taken from the common name, nor from a DNS name.
func (w *walk) identity() {
	leaf := w.chain[0]
	if w.o.Host != "" && !hostMatches(leaf, w.o.Host) {
		w.fail(0, codeHostnameMismatch, sans(leaf)+"; "+w.o.Host+" is not there")
	}
	if w.o.IP == "" {
		return
	}
	want, err := netip.ParseAddr(w.o.IP)
	for _, ip := range leaf.IPAddresses {
		if err == nil && bytes.Equal(ip, want.AsSlice()) {
			return
		}
	}
	detail := sans(leaf) + "; " + w.o.IP + " is not there"
	for _, n := range leaf.DNSNames {
		if n == w.o.IP {
			detail = "it has " + w.o.IP + " as a DNS name, which does not count for an address"
		}
	}
	w.fail(0, codeIPMismatch, detail)
}

// hostMatches is OpenSSL's X509_check_host without flags: for a certificate without
// any DNS name the common names count.
func hostMatches(c *x509.Certificate, host string) bool {
	names, err := altNames(c)
	if err != nil {
		return false
	}
	found := false
	for _, n := range names {
		if n.tag != nameDNS {
			continue
		}
		found = true
		if matchesHost(string(n.value), host) {
			return true
		}
	}
	if found {
		return false
	}
	for _, v := range subjectValues(c, oidCommonName) {
		if matchesHost(text(v), host) {
			return true
		}
	}
	return false
}

// matchesHost compares a name of a certificate, with a wildcard in it or not.
func matchesHost(pattern, host string) bool {
	pattern, host = lowerASCII(pattern), lowerASCII(host)
	if pattern == "" || strings.ContainsRune(pattern, 0) {
		return false
	}
	star := wildcard(pattern)
	if star < 0 || len(host) > 1 && host[0] == '.' {
		return pattern == host
	}
	prefix, suffix := pattern[:star], pattern[star+1:]
	if len(host) < len(prefix)+len(suffix) || !strings.HasPrefix(host, prefix) || !strings.HasSuffix(host, suffix) {
		return false
	}
	held := host[len(prefix) : len(host)-len(suffix)]
	if prefix == "" && suffix[0] == '.' {
		if held == "" {
			return false
		}
	} else if strings.HasPrefix(host, "xn--") {
		return false // half a label of punycode means nothing
	}
	return held == "*" || strings.IndexFunc(held, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	}) < 0
}

// wildcard is the place of the one star that counts: at the start or the end of
// the first label, with two labels behind it; -1 when there is none.
func wildcard(pattern string) int {
	labels := strings.Split(pattern, ".")
	first := labels[0]
	if strings.Count(pattern, "*") != 1 || len(labels) < 3 {
		return -1
	}
	star := strings.IndexByte(first, '*')
	if star != 0 && star != len(first)-1 || strings.HasPrefix(first, "xn--") {
		return -1
	}
	for _, label := range labels {
		bare := strings.Replace(label, "*", "", 1)
		if label == "" || label[0] == '-' || strings.HasSuffix(bare, "-") {
			return -1
		}
		for _, r := range label {
			if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '*') {
				return -1
			}
		}
	}
	return star
}

func sans(c *x509.Certificate) string {
	names, _ := altNames(c)
	if len(names) == 0 {
		return "it has no alternative names"
	}
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = n.String()
	}
	return "its alternative names are " + strings.Join(all, ", ")
}
