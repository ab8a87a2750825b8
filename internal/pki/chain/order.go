package chain

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
)

// Order says what is wrong with the order of a chain as it was sent, and what is
// missing of it or too much. Empty is a chain that leads from its leaf upwards.
func Order(sent []*x509.Certificate) []string {
	var found []string
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if len(sent) == 0 {
		return []string{"no certificate was sent"}
	}
	leaf := 0
	if sent[0].IsCA {
		if leaf = slices.IndexFunc(sent, func(c *x509.Certificate) bool { return !c.IsCA }); leaf < 0 {
			leaf = 0
			if len(sent) == 1 {
				return []string{"only a CA was sent"}
			}
			say("the first certificate is that of a CA, and there is no leaf")
		} else {
			say("the first certificate is that of a CA: the leaf, certificate %d, comes first", leaf)
		}
	}
	path := upwards(sent, leaf)
	for k := 0; k+1 < len(path); k++ {
		if path[k+1] != path[k]+1 && !between(sent, path[k], path[k+1]) {
			say("out of order: the issuer of certificate %d is certificate %d, not the next one", path[k], path[k+1])
		}
	}
	for i, c := range sent {
		switch {
		case contains(sent[:i], c):
			say("certificate %d was sent before", i)
		case !slices.Contains(path, i):
			say("certificate %d, %s, is not part of the chain: it issued nothing in it", i, quoted(c.RawSubject))
		}
	}
	end := sent[path[len(path)-1]]
	switch self := likelyIssued(end, end) == 0; {
	case self && len(path) > 1:
		say("the root was sent, too: it costs %d bytes in each full handshake, and whoever does not trust it already should not take it from here", len(end.Raw))
	case !self && len(path) == 1 && len(sent) > 1:
		say("missing: the issuer of certificate %d, %s, was not sent", path[0], quoted(end.RawIssuer))
	case !self && len(path) == 1:
		say("the leaf was sent alone: that is right if its issuer, %s, is a root that the other side trusts; the certificate of an intermediate would be missing", quoted(end.RawIssuer))
	}
	return found
}

// upwards are the places of a leaf, its issuer, that one's issuer and so on.
func upwards(sent []*x509.Certificate, leaf int) []int {
	path := []int{leaf}
	for {
		c := sent[path[len(path)-1]]
		if likelyIssued(c, c) == 0 {
			return path
		}
		// The next one is looked at first: of two alike it is the one that was meant.
		next := -1
		for step := 1; step < len(sent) && next < 0; step++ {
			k := (path[len(path)-1] + step) % len(sent)
			if likelyIssued(sent[k], c) == 0 && !slices.ContainsFunc(path, func(i int) bool { return bytes.Equal(sent[i].Raw, sent[k].Raw) }) {
				next = k
			}
		}
		if next < 0 {
			return path
		}
		path = append(path, next)
	}
}

// between says that there is nothing but what was sent before between two places:
// that is said by itself.
func between(sent []*x509.Certificate, from, to int) bool {
	for k := from + 1; k < to; k++ {
		if !contains(sent[:k], sent[k]) {
			return false
		}
	}
	return from < to
}
