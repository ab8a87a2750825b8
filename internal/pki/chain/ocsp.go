package chain

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// Status is what a responder says of a certificate.
type Status int

// Statuses, as RFC 6960 numbers them.
const (
	Good Status = iota
	Revoked
	Unknown
)

// Answer is what an OCSP response says of one certificate.
type Answer struct {
	Status     Status
	RevokedAt  time.Time // zero unless revoked
	Reason     int       // of RFC 5280, 5.3.1
	ThisUpdate time.Time
	NextUpdate time.Time // zero when the responder gives none
}

// String is the status in words.
func (a Answer) String() string {
	switch a.Status {
	case Good:
		return "good"
	case Revoked:
		return fmt.Sprintf("revoked on %s (reason %d)", a.RevokedAt.UTC().Format(time.DateTime), a.Reason)
	}
	return "unknown"
}

// AnswerError says why a response is not believed.
type AnswerError struct{ Why string }

func (e *AnswerError) Error() string { return "the OCSP answer is not believed: " + e.Why }

// How far the clock of a responder may be ahead, and how long an answer holds that
// does not say when the next one comes.
const (
	answerAhead = 5 * time.Minute
	answerHolds = 7 * 24 * time.Hour
)

// responseData is RFC 6960's, 4.2.1.
type responseData struct {
	Version    int           `asn1:"explicit,optional,tag:0,default:0"`
	Responder  asn1.RawValue // [1] a name, or [2] the hash of a key
	Produced   time.Time     `asn1:"generalized"`
	Responses  []singleResponse
	Extensions []pkix.Extension `asn1:"explicit,optional,tag:1"`
}

type singleResponse struct {
	ID struct {
		Hash              pkix.AlgorithmIdentifier
		NameHash, KeyHash []byte
		Serial            *big.Int
	}
	Status     asn1.RawValue
	ThisUpdate time.Time        `asn1:"generalized"`
	NextUpdate time.Time        `asn1:"generalized,explicit,optional,tag:0"`
	Extensions []pkix.Extension `asn1:"explicit,optional,tag:1"`
}

// ReadAnswer judges an OCSP response, DER, about a certificate: it is the issuer's
// own or that of somebody to whom the issuer gave the signing of answers, it is
// about this very certificate, and it is fresh. Nonces are not looked at. The error
// is an *AnswerError.
func ReadAnswer(der []byte, c, issuer *x509.Certificate, at time.Time) (Answer, error) {
	a, why := readAnswer(der, c, issuer, at)
	if why != nil {
		return Answer{Status: Unknown}, &AnswerError{why.Error()}
	}
	return a, nil
}

func readAnswer(der []byte, c, issuer *x509.Certificate, at time.Time) (Answer, error) {
	basic, err := openResponse(der)
	if err != nil {
		return Answer{}, err
	}
	var data responseData
	if rest, err := asn1.Unmarshal(basic.Data.FullBytes, &data); err != nil || len(rest) > 0 {
		return Answer{}, errors.New("it can't be read")
	}
	var certs []*x509.Certificate
	for _, raw := range basic.Certificates {
		if cert, err := x509.ParseCertificate(raw.FullBytes); err == nil {
			certs = append(certs, cert)
		}
	}
	signed := readSignature(signedObject{Signed: basic.Data, Algorithm: basic.Algorithm, Value: basic.Signature})
	if err := answerSigner(signed, data.Responder, certs, issuer, at); err != nil {
		return Answer{}, err
	}
	if critical(data.Extensions) {
		return Answer{}, errors.New("it has a critical extension that is not known")
	}
	return pickAnswer(data.Responses, c, issuer, at)
}

// basicResponse is RFC 6960's.
type basicResponse struct {
	Data         asn1.RawValue
	Algorithm    pkix.AlgorithmIdentifier
	Signature    asn1.BitString
	Certificates []asn1.RawValue `asn1:"explicit,optional,tag:0"`
}

func openResponse(der []byte) (basicResponse, error) {
	var basic basicResponse
	var outer struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type     asn1.ObjectIdentifier
			Response []byte
		} `asn1:"explicit,optional,tag:0"`
	}
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) > 0 {
		return basic, errors.New("it can't be read")
	}
	if outer.Status != 0 {
		words := map[asn1.Enumerated]string{1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired", 6: "unauthorized"}
		return basic, fmt.Errorf("the responder refuses to answer: %s", or(words[outer.Status], fmt.Sprintf("status %d", outer.Status)))
	}
	if outer.Bytes.Type.String() != "1.3.6.1.5.5.7.48.1.1" {
		return basic, errors.New("it is of a kind that is rare")
	}
	if rest, err := asn1.Unmarshal(outer.Bytes.Response, &basic); err != nil || len(rest) > 0 {
		return basic, errors.New("it can't be read")
	}
	return basic, nil
}

// answerSigner checks who signed a response.
func answerSigner(s signature, responder asn1.RawValue, certs []*x509.Certificate, issuer *x509.Certificate, at time.Time) error {
	why := errors.New("its signer is neither the issuer nor in the answer")
	for _, c := range append([]*x509.Certificate{issuer}, certs...) {
		if !isResponder(responder, c) {
			continue
		}
		if err := s.verify(keyOf(c)); err != nil {
			why = fmt.Errorf("signed by %s: %w", quoted(c.RawSubject), err)
			continue
		}
		if bytes.Equal(c.RawSubjectPublicKeyInfo, issuer.RawSubjectPublicKeyInfo) && canonical(c.RawSubject) == canonical(issuer.RawSubject) {
			return nil
		}
		if err := delegate(c, issuer, at); err != nil {
			why = fmt.Errorf("signed by %s, %w", quoted(c.RawSubject), err)
			continue
		}
		return nil
	}
	return why
}

// isResponder says that a certificate is the one that a response names, by name or
// by the SHA-1 of its key.
func isResponder(id asn1.RawValue, c *x509.Certificate) bool {
	var inner asn1.RawValue
	if _, err := asn1.Unmarshal(id.Bytes, &inner); err != nil || id.Class != asn1.ClassContextSpecific {
		return false
	}
	switch id.Tag {
	case 1:
		return canonical(inner.FullBytes) == canonical(c.RawSubject)
	case 2:
		h := crypto.SHA1.New()
		h.Write(keyBits(c))
		return bytes.Equal(inner.Bytes, h.Sum(nil))
	}
	return false
}

// keyBits is the key without its algorithm, which is what is hashed.
func keyBits(c *x509.Certificate) []byte {
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &spki); err != nil {
		return nil
	}
	return spki.Key.RightAlign()
}

// delegate says why a certificate may not sign answers for an issuer: it has to be
// that issuer's own, good at this time, and for the signing of answers by name.
func delegate(c, issuer *x509.Certificate, at time.Time) error {
	switch code := likelyIssued(issuer, c); {
	case code != 0:
		return errors.New("which another CA issued")
	case !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return errors.New("which lacks the extended key usage OCSPSigning")
	case at.Before(c.NotBefore) || at.After(c.NotAfter):
		return errors.New("which is not valid at this time")
	}
	for _, e := range c.Extensions {
		if e.Critical && !slices.Contains(handled(), e.Id.String()) {
			return errors.New("which has a critical extension that is not known")
		}
	}
	if err := signatureOf(c.Raw).verify(keyOf(issuer)); err != nil {
		return fmt.Errorf("which the issuer did not sign: %w", err)
	}
	if key := keyOf(c); key.bits() < level {
		return fmt.Errorf("whose key is %s", key.name)
	}
	return nil
}

func critical(extensions []pkix.Extension) bool {
	return slices.ContainsFunc(extensions, func(e pkix.Extension) bool { return e.Critical })
}

// pickAnswer finds what a response says of a certificate; of several the worst.
func pickAnswer(all []singleResponse, c, issuer *x509.Certificate, at time.Time) (Answer, error) {
	var found *Answer
	why := errors.New("it is about another certificate")
	for _, r := range all {
		if !r.about(c, issuer) {
			continue
		}
		a, err := r.read(at)
		if err != nil {
			why = err
			continue
		}
		if found == nil || a.Status == Revoked || a.Status == Unknown && found.Status == Good {
			found = &a
		}
	}
	if found == nil {
		return Answer{}, why
	}
	return *found, nil
}

// about says that an answer is about a certificate: its number, its issuer's name
// and its issuer's key. The number alone is any CA's.
func (r singleResponse) about(c, issuer *x509.Certificate) bool {
	hash := hashOf(r.ID.Hash.Algorithm)
	if hash == 0 || r.ID.Serial == nil || r.ID.Serial.Cmp(c.SerialNumber) != 0 {
		return false
	}
	sum := func(data []byte) []byte {
		h := hash.New()
		h.Write(data)
		return h.Sum(nil)
	}
	return bytes.Equal(r.ID.NameHash, sum(issuer.RawSubject)) && bytes.Equal(r.ID.KeyHash, sum(keyBits(issuer)))
}

func (r singleResponse) read(at time.Time) (Answer, error) {
	a := Answer{Status: Status(r.Status.Tag), ThisUpdate: r.ThisUpdate, NextUpdate: r.NextUpdate}
	switch {
	case critical(r.Extensions):
		return a, errors.New("it has a critical extension that is not known")
	case at.Add(answerAhead).Before(r.ThisUpdate):
		return a, errors.New("it holds from " + stamp(r.ThisUpdate) + " on, and it is " + stamp(at))
	case !r.NextUpdate.IsZero() && (at.After(r.NextUpdate) || r.NextUpdate.Before(r.ThisUpdate)):
		return a, errors.New("it is stale: the next one was due " + stamp(r.NextUpdate) + ", and it is " + stamp(at))
	case r.NextUpdate.IsZero() && at.Sub(r.ThisUpdate) > answerHolds:
		return a, errors.New("it is stale: it is of " + stamp(r.ThisUpdate) + " and does not say how long it holds")
	case r.Status.Class != asn1.ClassContextSpecific || a.Status > Unknown:
		return a, errors.New("its status can't be read")
	}
	if a.Status != Revoked {
		return a, nil
	}
	var info struct {
		At     time.Time       `asn1:"generalized"`
		Reason asn1.Enumerated `asn1:"explicit,optional,tag:0"`
	}
	sequence, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: r.Status.Bytes})
	if err == nil {
		_, err = asn1.Unmarshal(sequence, &info)
	}
	if err != nil { // revoked it is, whenever it was
		return a, nil
	}
	a.RevokedAt, a.Reason = info.At, int(info.Reason)
	return a, nil
}

// answers holds the leaf against what responders said: revoked is what one says,
// and good is what has to be said by one.
func (w *walk) answers() {
	if !w.o.CheckOCSP && len(w.o.Answers) == 0 {
		return
	}
	if len(w.chain) < 2 {
		w.fail(0, codeOCSPFailed, "the issuer's certificate is not at hand, so no answer can be checked")
		return
	}
	said, unknown := false, false
	var refused []string
	for _, der := range w.o.Answers {
		switch a, err := ReadAnswer(der, w.chain[0], w.chain[1], w.o.At); {
		case err != nil:
			refused = append(refused, err.Error())
		case a.Status == Revoked:
			w.fail(0, codeRevoked, "the responder says: "+a.String())
			said = true
		case a.Status == Unknown:
			unknown = true
		default:
			said = true
		}
	}
	switch {
	case said:
	case unknown:
		w.fail(0, codeOCSPUnknown, "")
	case len(refused) > 0:
		w.fail(0, codeOCSPFailed, refused[0])
	default:
		w.fail(0, codeOCSPFailed, "no responder answered")
	}
}
