package chain

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

var (
	oidCRLNumber   = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidCRLReason   = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidDeltaBase   = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidCRLScope    = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidEntryIssuer = asn1.ObjectIdentifier{2, 5, 29, 29}
)

const (
	reasonRemoved = 8          // removeFromCRL, of RFC 5280, 5.3.1
	mostReasons   = byte(0x7f) // bits 1 to 7 of ReasonFlags; the eighth is in the next byte
)

// revocation looks the leaf up in the list of its issuer and in the answers of
// responders, and the other certificates where a list of theirs is at hand.
func (w *walk) revocation() {
	for i, c := range w.chain {
		if i > 0 && i+1 >= len(w.chain) {
			break // nobody lists a root but itself
		}
		best := w.pickList(i, c)
		switch {
		case best == nil && i == 0 && w.o.CheckCRL:
			w.fail(i, codeNoCRL, w.whyNoList(i, c))
		case best != nil && (i == 0 || best.inScope):
			w.listed(i, c, best)
		}
	}
	w.answers()
}

// list is a revocation list with what its extensions say.
type list struct {
	*x509.RevocationList
	scope    scope
	number   *big.Int
	base     *big.Int // of a delta: the number of the list that it is to
	critical string   // an extension that is critical and that nobody here knows
	invalid  error
}

// scope is the issuing distribution point of RFC 5280, 5.2.5.
type scope struct {
	point                              *pointName // nil: everything
	onlyUsers, onlyCAs, onlyAttributes bool
	indirect, reasons                  bool
	der                                []byte
}

// pointName is a distribution point's: full names, or a part behind the name of
// the list's issuer.
type pointName struct {
	full     []generalName
	relative []byte // DER of a SET, without its header
}

func readList(l *x509.RevocationList) list {
	r := list{RevocationList: l}
	for _, e := range l.Extensions {
		if e.Critical && !contained(e.Id, oidCRLScope, oidAuthorityKey, oidDeltaBase) && r.critical == "" {
			r.critical = e.Id.String()
		}
		var err error
		switch {
		case e.Id.Equal(oidCRLScope):
			r.scope, err = readScope(e.Value)
		case e.Id.Equal(oidCRLNumber):
			_, err = asn1.Unmarshal(e.Value, &r.number)
		case e.Id.Equal(oidDeltaBase):
			_, err = asn1.Unmarshal(e.Value, &r.base)
		}
		r.invalid = errors.Join(r.invalid, err)
	}
	for _, entry := range l.RevokedCertificateEntries {
		for _, e := range entry.Extensions {
			if e.Critical && !e.Id.Equal(oidEntryIssuer) && r.critical == "" {
				r.critical = e.Id.String() + " of an entry"
			}
		}
	}
	return r
}

func contained(oid asn1.ObjectIdentifier, list ...asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(list, oid.Equal)
}

func readScope(der []byte) (scope, error) {
	var v struct {
		Point      asn1.RawValue  `asn1:"optional,tag:0"`
		Users      bool           `asn1:"optional,tag:1"`
		CAs        bool           `asn1:"optional,tag:2"`
		Reasons    asn1.BitString `asn1:"optional,tag:3"`
		Indirect   bool           `asn1:"optional,tag:4"`
		Attributes bool           `asn1:"optional,tag:5"`
	}
	if rest, err := asn1.Unmarshal(der, &v); err != nil || len(rest) > 0 {
		return scope{}, errors.Join(err, asn1.SyntaxError{Msg: "issuing distribution point"})
	}
	s := scope{onlyUsers: v.Users, onlyCAs: v.CAs, onlyAttributes: v.Attributes, indirect: v.Indirect, reasons: v.Reasons.BitLength > 0, der: der}
	var err error
	s.point, err = readPoint(v.Point.Bytes)
	only := 0
	for _, is := range []bool{v.Users, v.CAs, v.Attributes} {
		if is {
			only++
		}
	}
	if only > 1 {
		err = errors.Join(err, errors.New("its scope says two things at once"))
	}
	return s, err
}

// readPoint reads a DistributionPointName; nil is none.
func readPoint(der []byte) (*pointName, error) {
	if len(der) == 0 {
		return nil, nil
	}
	var raw asn1.RawValue
	if _, err := asn1.Unmarshal(der, &raw); err != nil {
		return nil, err
	}
	if raw.Tag == 1 {
		return &pointName{relative: raw.Bytes}, nil
	}
	full, err := generalNames(raw.Bytes)
	return &pointName{full: full}, err
}

// names are the full names of a point; a relative one is put behind the issuer's.
func (p *pointName) names(issuer []byte) []generalName {
	if p.relative == nil {
		return p.full
	}
	var seq asn1.RawValue
	if _, err := asn1.Unmarshal(issuer, &seq); err != nil {
		return nil
	}
	set, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: p.relative})
	if err != nil {
		return nil
	}
	name, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: append(bytes.Clone(seq.Bytes), set...)})
	if err != nil {
		return nil
	}
	return []generalName{{tag: nameDirectory, value: name}}
}

// samePoint says that two points have a name in common.
func samePoint(a, b []generalName) bool {
	for _, x := range a {
		for _, y := range b {
			if x.tag != y.tag {
				continue
			}
			if x.tag == nameDirectory && canonical(x.value) == canonical(y.value) || bytes.Equal(x.value, y.value) {
				return true
			}
		}
	}
	return false
}

// distributionPoint is one that a certificate names.
type distributionPoint struct {
	name    *pointName
	issuers []generalName // of the list, where it is not the certificate's own
	some    bool          // it is for some reasons of revocation only
}

func pointsOf(c *x509.Certificate) []distributionPoint {
	value, ok := extension(c.Extensions, oidCRLPoints)
	if !ok {
		return nil
	}
	var seq []struct {
		Name    asn1.RawValue  `asn1:"optional,tag:0"`
		Reasons asn1.BitString `asn1:"optional,tag:1"`
		Issuer  asn1.RawValue  `asn1:"optional,tag:2"`
	}
	if _, err := asn1.Unmarshal(value, &seq); err != nil {
		return nil
	}
	var all []distributionPoint
	for _, v := range seq {
		p := distributionPoint{some: v.Reasons.BitLength > 0 && (len(v.Reasons.Bytes) < 2 || v.Reasons.Bytes[0]&mostReasons != mostReasons || v.Reasons.Bytes[1]&0x80 == 0)}
		p.name, _ = readPoint(v.Name.Bytes)
		p.issuers, _ = generalNames(v.Issuer.Bytes)
		all = append(all, p)
	}
	return all
}

// choice is a list that can be for a certificate: how well it fits, and who signs
// it.
type choice struct {
	list
	signer  int // index in the chain
	inScope bool
	some    bool // it covers some reasons of revocation only
	score   int
}

// Scores, as OpenSSL adds them up: the best list is the one to be judged.
const (
	scoreCritical = 0x100 // nothing critical that is unknown
	scoreScope    = 0x080
	scoreTime     = 0x040
)

// pickList is the list that fits certificate i best; of two alike the newer one.
// nil when none can be for it at all.
func (w *walk) pickList(i int, c *x509.Certificate) *choice {
	var best *choice
	for _, raw := range w.o.CRLs {
		got, why := w.fits(i, c, readList(raw))
		if why != "" {
			continue
		}
		if best == nil || got.score > best.score || got.score == best.score && got.ThisUpdate.After(best.ThisUpdate) {
			best = &got
		}
	}
	return best
}

// whyNoList says of each list at hand why it is not for certificate i.
func (w *walk) whyNoList(i int, c *x509.Certificate) string {
	var all []string
	for _, raw := range w.o.CRLs {
		_, why := w.fits(i, c, readList(raw))
		all = append(all, "that of "+quoted(raw.RawIssuer)+" "+why)
	}
	if len(all) == 0 {
		return "no list of " + quoted(c.RawIssuer) + " is at hand"
	}
	return "no list of " + quoted(c.RawIssuer) + " will do: " + strings.Join(all, "; ")
}

// fits says how well a list is for certificate i, or why it can't be.
func (w *walk) fits(i int, c *x509.Certificate, l list) (got choice, why string) {
	switch {
	case canonical(l.RawIssuer) != canonical(c.RawIssuer):
		return got, "is another issuer's"
	case l.invalid != nil:
		return got, "has extensions that can't be read: " + l.invalid.Error()
	case l.base != nil:
		return got, "is a delta, which says nothing without the list that it is to"
	case l.scope.indirect:
		return got, "is indirect: it holds the certificates of several CAs, and crossring can't tell whose"
	case l.scope.reasons:
		return got, "is for some reasons of revocation only"
	}
	got = choice{list: l, signer: w.signerOf(i, l)}
	if got.signer < 0 {
		return got, "is signed with another key"
	}
	if l.critical == "" {
		got.score |= scoreCritical
	}
	if !w.o.At.Before(l.ThisUpdate) && (l.NextUpdate.IsZero() || w.o.At.Before(l.NextUpdate)) {
		got.score |= scoreTime
	}
	if got.inScope, got.some = inScope(c, l); got.inScope {
		got.score |= scoreScope
	}
	return got, ""
}

// signerOf finds the signer of a list: the issuer of certificate i, or one of the
// same name above it whose key the list names. -1 is none.
func (w *walk) signerOf(i int, l list) int {
	id, serial, issuer := authorityKey(l.Extensions)
	for k := min(i+1, len(w.chain)-1); k < len(w.chain); k++ {
		above := w.chain[k]
		if k > i+1 && canonical(above.RawSubject) != canonical(l.RawIssuer) {
			continue
		}
		if namesKey(above, id, serial, issuer) == 0 {
			return k
		}
	}
	return -1
}

// inScope says that a list is about a certificate of this kind and from this
// distribution point, and whether about some reasons only.
func inScope(c *x509.Certificate, l list) (in, some bool) {
	s := l.scope
	if s.onlyAttributes || c.IsCA && s.onlyUsers || !c.IsCA && s.onlyCAs {
		return false, false
	}
	for _, p := range pointsOf(c) {
		own := len(p.issuers) == 0 || slices.ContainsFunc(p.issuers, func(n generalName) bool {
			return n.tag == nameDirectory && canonical(n.value) == canonical(l.RawIssuer)
		})
		if own && (s.point == nil || p.name == nil || samePoint(s.point.names(l.RawIssuer), p.name.names(c.RawIssuer))) {
			return true, p.some
		}
	}
	return s.point == nil, false
}

// listed judges a list and looks a certificate up in it.
func (w *walk) listed(i int, c *x509.Certificate, l *choice) {
	signer := w.chain[l.signer]
	if has(signer, oidKeyUsage) && signer.KeyUsage&x509.KeyUsageCRLSign == 0 {
		w.fail(i, codeNoCRLSign, quoted(signer.RawSubject)+" has "+or(strings.Join(keyUsages(signer), ", "), "nothing"))
	}
	if !l.inScope {
		w.fail(i, codeCRLScope, scopeDetail(l.list))
	}
	if w.o.At.Before(l.ThisUpdate) {
		w.fail(i, codeCRLNotYetValid, "made "+stamp(l.ThisUpdate))
	}
	if !l.NextUpdate.IsZero() && !w.o.At.Before(l.NextUpdate) {
		w.fail(i, codeCRLExpired, "the next one was due "+stamp(l.NextUpdate))
	}
	w.listSignature(i, l.list, signer)
	if l.critical != "" {
		w.fail(i, codeCRLCritical, "extension "+l.critical)
	}
	if at, ok := revokedIn(l.list, c); ok {
		w.fail(i, codeRevoked, "on "+at)
	}
	if l.some {
		w.fail(i, codeNoCRL, "the list at hand is for some reasons of revocation only, says the certificate")
	}
	w.deltas(i, c, l)
}

func (w *walk) listSignature(i int, l list, signer *x509.Certificate) {
	var unknown *unjudged
	switch err := signatureOf(l.Raw).verify(keyOf(signer)); {
	case errors.As(err, &unknown):
		w.fail(i, codeApplication, "the revocation list of "+quoted(l.RawIssuer)+": "+unknown.Error())
	case err != nil:
		w.fail(i, codeCRLSignature, "it is not signed by "+quoted(signer.RawSubject))
	}
}

// deltas looks a certificate up in what was revoked since the list. What a delta
// takes back stays revoked, as for OpenSSL unless it is told to use deltas.
func (w *walk) deltas(i int, c *x509.Certificate, l *choice) {
	for _, raw := range w.o.CRLs {
		d := readList(raw)
		if d.base == nil || d.number == nil || l.number == nil || d.invalid != nil || canonical(d.RawIssuer) != canonical(l.RawIssuer) ||
			!bytes.Equal(d.AuthorityKeyId, l.AuthorityKeyId) || !bytes.Equal(d.scope.der, l.scope.der) ||
			d.base.Cmp(l.number) > 0 || d.number.Cmp(l.number) <= 0 || signatureOf(d.Raw).verify(keyOf(w.chain[l.signer])) != nil {
			continue
		}
		if at, ok := revokedIn(d, c); ok {
			w.fail(i, codeRevoked, "on "+at+", by a delta list")
		}
	}
}

// revokedIn looks a serial number up. An entry may be another CA's, which it says.
func revokedIn(l list, c *x509.Certificate) (at string, revoked bool) {
	for _, e := range l.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(c.SerialNumber) != 0 || entryReason(e.Extensions) == reasonRemoved || !entryFor(e.Extensions, c) {
			continue
		}
		return stamp(e.RevocationTime), true
	}
	return "", false
}

func entryReason(extensions []pkix.Extension) int {
	value, ok := extension(extensions, oidCRLReason)
	var reason asn1.Enumerated
	if !ok {
		return 0
	}
	if _, err := asn1.Unmarshal(value, &reason); err != nil {
		return 0
	}
	return int(reason)
}

func entryFor(extensions []pkix.Extension, c *x509.Certificate) bool {
	value, ok := extension(extensions, oidEntryIssuer)
	if !ok {
		return true
	}
	var seq asn1.RawValue
	if _, err := asn1.Unmarshal(value, &seq); err != nil {
		return true // who can't be read is taken for ours
	}
	names, err := generalNames(seq.Bytes)
	return err != nil || slices.ContainsFunc(names, func(n generalName) bool {
		return n.tag == nameDirectory && canonical(n.value) == canonical(c.RawIssuer)
	})
}

func scopeDetail(l list) string {
	s := l.scope
	switch {
	case s.onlyAttributes:
		return "it lists attribute certificates only"
	case s.onlyCAs:
		return "it lists CAs only, and this is none"
	case s.onlyUsers:
		return "it lists no CAs, and this is one"
	}
	if s.point == nil {
		return "the certificate names another issuer for its list"
	}
	names := s.point.names(l.RawIssuer)
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = n.String()
	}
	return fmt.Sprintf("it is the part for %s, which the certificate does not name", strings.Join(words, ", "))
}
