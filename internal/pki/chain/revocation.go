package chain

import (
	"bytes"
	"crypto/x509"
	"net/netip"
	"strings"
)

// revocation looks the leaf up in the list of its issuer, and the other
// certificates where a list of theirs is at hand.
func (w *walk) revocation() {
	for i, c := range w.chain {
		if reason, ok := w.o.Revoked[c.SerialNumber.String()]; ok && i == 0 {
			w.fail(i, codeRevoked, reason)
		}
		if i+1 >= len(w.chain) && i > 0 {
			break
		}
		var list *x509.RevocationList
		for _, l := range w.o.CRLs {
			if w.mayList(l, i) && (list == nil || l.ThisUpdate.After(list.ThisUpdate)) {
				list = l
			}
		}
		switch {
		case list == nil && i == 0 && w.o.CheckCRL:
			w.fail(i, codeNoCRL, "no list of "+quoted(c.RawIssuer)+" is at hand")
		case list != nil:
			w.listed(i, c, list)
		}
	}
}

// mayList says whether a list is of the issuer of certificate i, by name and by
// key identifier.
func (w *walk) mayList(l *x509.RevocationList, i int) bool {
	if canonical(l.RawIssuer) != canonical(w.chain[i].RawIssuer) {
		return false
	}
	if i+1 >= len(w.chain) || len(l.AuthorityKeyId) == 0 {
		return true
	}
	id := w.chain[i+1].SubjectKeyId
	return len(id) == 0 || bytes.Equal(id, l.AuthorityKeyId)
}

func (w *walk) listed(i int, c *x509.Certificate, list *x509.RevocationList) {
	if i+1 < len(w.chain) {
		if list.CheckSignatureFrom(w.chain[i+1]) != nil {
			w.fail(i, codeCRLSignature, "it is not signed by "+quoted(w.chain[i+1].RawSubject))
		}
	}
	if w.o.At.Before(list.ThisUpdate) {
		w.fail(i, codeCRLNotYetValid, "made "+stamp(list.ThisUpdate))
	}
	if !list.NextUpdate.IsZero() && w.o.At.After(list.NextUpdate) {
		w.fail(i, codeCRLExpired, "the next one was due "+stamp(list.NextUpdate))
	}
	for _, e := range list.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(c.SerialNumber) == 0 {
			w.fail(i, codeRevoked, "on "+stamp(e.RevocationTime))
		}
	}
}

// constraints checks the DNS names and addresses of each certificate against the
// name constraints of those above it.
func (w *walk) constraints() {
	for i := len(w.chain) - 1; i >= 0; i-- {
		c := w.chain[i]
		if i > 0 && canonical(c.RawSubject) == canonical(c.RawIssuer) {
			continue
		}
		for _, ca := range w.chain[min(i+1, len(w.chain)):] {
			for _, name := range c.DNSNames {
				w.constrain(i, "DNS:"+name, len(ca.PermittedDNSDomains) > 0, anyDNS(name, ca.PermittedDNSDomains), anyDNS(name, ca.ExcludedDNSDomains))
			}
			for _, raw := range c.IPAddresses {
				in := func(ranges int, contains func(int) bool) bool {
					for k := range ranges {
						if contains(k) {
							return true
						}
					}
					return false
				}
				ip, _ := netip.AddrFromSlice(raw)
				permitted := in(len(ca.PermittedIPRanges), func(k int) bool { return ca.PermittedIPRanges[k].Contains(raw) })
				excluded := in(len(ca.ExcludedIPRanges), func(k int) bool { return ca.ExcludedIPRanges[k].Contains(raw) })
				w.constrain(i, "IP:"+ip.String(), len(ca.PermittedIPRanges) > 0, permitted, excluded)
			}
		}
	}
}

func (w *walk) constrain(i int, name string, limited, permitted, excluded bool) {
	if excluded {
		w.fail(i, codeExcluded, name)
	} else if limited && !permitted {
		w.fail(i, codePermitted, name)
	}
}

// anyDNS says whether a name is in one of the domains: "" is all; a domain has
// itself and what is below it, with a leading dot only the latter.
func anyDNS(name string, domains []string) bool {
	name = strings.ToLower(name)
	for _, d := range domains {
		d = strings.ToLower(d)
		if d == "" || name == d || strings.HasSuffix(name, "."+strings.TrimPrefix(d, ".")) {
			return true
		}
	}
	return false
}
