package chain

import (
	"crypto/x509"
	"fmt"
)

// Order says what is wrong with the order of a chain as it was sent, and what is
// missing of it. Empty is a chain that leads from its leaf upwards, a root at its
// end or not.
func Order(sent []*x509.Certificate) []string {
	var found []string
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if len(sent) == 0 {
		return []string{"no certificate was sent"}
	}
	if len(sent) > 1 && sent[0].IsCA {
		say("the first certificate is that of a CA: the leaf comes first")
	}
	for i, c := range sent[:len(sent)-1] {
		next := sent[i+1]
		if contains(sent[:i], c) {
			say("certificate %d was sent before", i)
			continue
		}
		if likelyIssued(next, c) == 0 {
			continue
		}
		at := -1
		for k, other := range sent {
			if k != i && likelyIssued(other, c) == 0 {
				at = k
			}
		}
		switch {
		case at >= 0:
			say("out of order: the issuer of certificate %d is certificate %d, not the next one", i, at)
		case likelyIssued(c, c) == 0:
			say("certificate %d is a root, and certificate %d behind it belongs to nothing", i, i+1)
		default:
			say("missing: the issuer of certificate %d, %s, was not sent", i, quoted(c.RawIssuer))
		}
	}
	last := sent[len(sent)-1]
	switch self := likelyIssued(last, last) == 0; {
	case self && len(sent) > 1:
		say("the root was sent, too: it costs %d bytes in each full handshake, and whoever does not trust it already should not take it from here", len(last.Raw))
	case !self && len(sent) == 1 && last.IsCA:
		say("only a CA was sent")
	}
	return found
}
