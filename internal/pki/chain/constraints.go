package chain

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"strings"
)

// mostChecks is how many comparisons of names with constraints are made at most for
// a certificate and a CA: OpenSSL's limit.
const mostChecks = 1 << 20

// subtree is one name of a name constraint.
type subtree struct {
	base   generalName
	ranged bool // it has a minimum or maximum, which RFC 5280 forbids
}

type nameConstraints struct{ permitted, excluded []subtree }

// constraintsOf reads the name constraints of a CA; nil when it has none. Go's own
// reading of them knows names of four kinds alone.
func constraintsOf(c *x509.Certificate) (*nameConstraints, error) {
	value, ok := extension(c.Extensions, oidNameConstraints)
	if !ok {
		return nil, nil
	}
	var v struct {
		Permitted asn1.RawValue `asn1:"optional,tag:0"`
		Excluded  asn1.RawValue `asn1:"optional,tag:1"`
	}
	if _, err := asn1.Unmarshal(value, &v); err != nil {
		return nil, err
	}
	var nc nameConstraints
	var err error
	if nc.permitted, err = subtrees(v.Permitted.Bytes); err != nil {
		return nil, err
	}
	nc.excluded, err = subtrees(v.Excluded.Bytes)
	return &nc, err
}

func subtrees(der []byte) ([]subtree, error) {
	var all []subtree
	for rest := der; len(rest) > 0; {
		var raw asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &raw); err != nil {
			return nil, err
		}
		var base asn1.RawValue
		more, err := asn1.Unmarshal(raw.Bytes, &base)
		if err != nil {
			return nil, err
		}
		names, err := generalNames(base.FullBytes)
		if err != nil {
			return nil, err
		}
		// A minimum that is written out although it is 0 is harmless.
		ranged := len(more) > 0 && !bytes.Equal(more, []byte{0x80, 1, 0})
		all = append(all, subtree{names[0], ranged})
	}
	return all, nil
}

// constraints checks every name of each certificate against the name constraints
// of those above it: names of any kind, the subject itself, addresses for mail in
// it, and, of a leaf without a DNS name, a common name that looks like one.
func (w *walk) constraints() {
	for i := len(w.chain) - 1; i >= 0; i-- {
		c := w.chain[i]
		if i > 0 && selfIssued(c) {
			continue
		}
		for k := len(w.chain) - 1; k > i; k-- {
			nc, err := constraintsOf(w.chain[k])
			if err != nil {
				w.fail(k, codeConstraintSyntax, "its name constraints can't be read")
				continue
			}
			if nc != nil {
				w.constrain(i, c, nc)
			}
		}
	}
}

func (w *walk) constrain(i int, c *x509.Certificate, nc *nameConstraints) {
	names, err := constrainedNames(c, i == 0)
	if err != nil {
		w.fail(i, codeNameSyntax, "its alternative names can't be read")
		return
	}
	if subtrees := len(nc.permitted) + len(nc.excluded); len(names) > 0 && subtrees > mostChecks/len(names) {
		w.fail(i, codeUnspecified, fmt.Sprintf("%d names under %d constraints, which would take too long", len(names), subtrees))
		return
	}
	for _, n := range names {
		if code := nc.check(n); code != 0 {
			w.fail(i, code, n.String())
			return // as OpenSSL, which is at its next CA then
		}
	}
}

// constrainedNames are all names of a certificate that a constraint can be about.
func constrainedNames(c *x509.Certificate, leaf bool) ([]generalName, error) {
	var all []generalName
	if parts, ok := relativeNames(c.RawSubject); !ok || len(parts) > 0 {
		all = append(all, generalName{tag: nameDirectory, value: c.RawSubject})
	}
	for _, v := range subjectValues(c, oidEmail) {
		if v.Tag != asn1.TagIA5String {
			return nil, asn1.StructuralError{Msg: "address for mail that is no IA5String"}
		}
		all = append(all, generalName{tag: nameEmail, value: v.Bytes})
	}
	alternative, err := altNames(c)
	if err != nil {
		return nil, err
	}
	dns := false
	for _, n := range alternative {
		dns = dns || n.tag == nameDNS
	}
	all = append(all, alternative...)
	if leaf && !dns {
		for _, v := range subjectValues(c, oidCommonName) {
			if name := strings.TrimRight(text(v), "\x00"); looksLikeHost(name) {
				all = append(all, generalName{tag: nameDNS, value: []byte(name)})
			}
		}
	}
	return all, nil
}

// looksLikeHost says that a common name can be meant as a host's: two labels of
// letters, digits, hyphens and underscores at least.
func looksLikeHost(name string) bool {
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
				return false
			}
		}
	}
	return len(labels) > 1
}

// check is 0, or the code of why a name is not allowed.
func (nc *nameConstraints) check(n generalName) int {
	limited, permitted := false, false
	for _, s := range nc.permitted {
		if !s.about(n) {
			continue
		}
		if s.ranged {
			return codeSubtreeMinMax
		}
		limited = true
		if permitted {
			continue
		}
		switch code := s.contains(n); code {
		case 0:
			permitted = true
		case codePermitted:
		default:
			return code
		}
	}
	if limited && !permitted {
		return codePermitted
	}
	for _, s := range nc.excluded {
		if !s.about(n) {
			continue
		}
		if s.ranged {
			return codeSubtreeMinMax
		}
		switch code := s.contains(n); code {
		case 0:
			return codeExcluded
		case codePermitted:
		default:
			return code
		}
	}
	return 0
}

// about says that a subtree is of the kind of a name. A mailbox in UTF-8 is an
// other name, and subtrees for mail bind it (RFC 8398, 6).
func (s subtree) about(n generalName) bool {
	if n.tag == nameOther && n.other.Equal(oidUTF8Mailbox) {
		return s.base.tag == nameEmail
	}
	return n.tag == s.base.tag && (n.tag != nameOther || n.other.Equal(s.base.other))
}

// contains is 0 for a name that is in the subtree, codePermitted for one that is
// not, or the code of why that can't be said.
func (s subtree) contains(n generalName) int {
	in, code := false, 0
	switch n.tag {
	case nameDirectory:
		in, code = inDirectory(n.value, s.base.value)
	case nameDNS:
		in = inDomain(string(n.value), string(s.base.value))
	case nameEmail:
		in, code = isMailOf(string(n.value), string(s.base.value))
	case nameURI:
		in, code = isURIOf(string(n.value), string(s.base.value))
	case nameIP:
		in, code = inRange(n.value, s.base.value)
	case nameOther:
		if !n.other.Equal(oidUTF8Mailbox) {
			return codeConstraintType
		}
		in, code = isMailboxOf(n.value, string(s.base.value))
	default:
		return codeConstraintType
	}
	if code == 0 && !in {
		return codePermitted
	}
	return code
}

// inDirectory says whether a name begins with all parts of another.
func inDirectory(name, base []byte) (bool, int) {
	parts, ok := relativeNames(name)
	prefix, also := relativeNames(base)
	if !ok || !also {
		return false, codeNameSyntax
	}
	if len(prefix) > len(parts) {
		return false, 0
	}
	for i, p := range prefix {
		if parts[i] != p {
			return false, 0
		}
	}
	return true, 0
}

// inDomain says whether a name is a domain or below it: "" is all, and one with a
// leading dot has only what is below.
func inDomain(name, domain string) bool {
	name, domain = lowerASCII(name), lowerASCII(domain)
	if domain == "" || name == domain {
		return true
	}
	return strings.HasSuffix(name, domain) && (domain[0] == '.' || name[len(name)-len(domain)-1] == '.')
}

// isMailOf knows the three forms of a base: a mailbox, a host, and what is below a
// domain.
func isMailOf(address, base string) (bool, int) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return false, codeNameSyntax
	}
	mailbox := strings.LastIndexByte(base, '@')
	if mailbox < 0 && strings.HasPrefix(base, ".") {
		return len(address) > len(base) && strings.HasSuffix(lowerASCII(address), lowerASCII(base)), 0
	}
	if mailbox > 0 {
		if strings.ContainsRune(base[:mailbox], 0) || strings.ContainsRune(address[:at], 0) {
			return false, codeNameSyntax
		}
		if address[:at] != base[:mailbox] { // its case counts
			return false, 0
		}
	}
	return lowerASCII(address[at+1:]) == lowerASCII(base[mailbox+1:]), 0
}

// isMailboxOf holds a mailbox in UTF-8 against a base. A base with punycode would
// have to be translated, which is not done: it can't be judged.
func isMailboxOf(der []byte, base string) (bool, int) {
	var explicit, value asn1.RawValue
	if _, err := asn1.Unmarshal(der, &explicit); err != nil {
		return false, codeNameSyntax
	}
	if _, err := asn1.Unmarshal(explicit.Bytes, &value); err != nil || value.Tag != asn1.TagUTF8String {
		return false, codeNameSyntax
	}
	address := string(value.Bytes)
	at := strings.LastIndexByte(address, '@')
	switch {
	case at < 0 || strings.ContainsRune(base, 0):
		return false, codeNameSyntax
	case strings.Contains(lowerASCII(base), "xn--"):
		return false, codeConstraintType
	case strings.HasPrefix(base, "."):
		return len(address) > len(base) && strings.HasSuffix(lowerASCII(address), lowerASCII(base)), 0
	}
	return lowerASCII(address[at+1:]) == lowerASCII(base), 0
}

// isURIOf holds the host of a URI against a base: a host, or what is below a domain.
func isURIOf(uri, base string) (bool, int) {
	_, rest, ok := strings.Cut(uri, ":")
	if !ok || !strings.HasPrefix(rest, "//") {
		return false, codeNameSyntax
	}
	host := rest[2:]
	if end := strings.IndexByte(host, ':'); end >= 0 {
		host = host[:end]
	} else if end := strings.IndexByte(host, '/'); end >= 0 {
		host = host[:end]
	}
	if host == "" {
		return false, codeNameSyntax
	}
	host, base = lowerASCII(host), lowerASCII(base)
	if strings.HasPrefix(base, ".") {
		return len(host) > len(base) && strings.HasSuffix(host, base), 0
	}
	return host == base, 0
}

// inRange holds an address against an address and its mask.
func inRange(ip, base []byte) (bool, int) {
	if len(ip) != 4 && len(ip) != 16 || len(base) != 8 && len(base) != 32 {
		return false, codeNameSyntax
	}
	if 2*len(ip) != len(base) {
		return false, 0
	}
	address, mask := base[:len(ip)], base[len(ip):]
	for i := range ip {
		if ip[i]&mask[i] != address[i]&mask[i] {
			return false, 0
		}
	}
	return true, 0
}
