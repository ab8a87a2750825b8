package hello

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// Messages and records by number.
const (
	msgClientHello       = 1
	msgServerHello       = 2
	msgCertificate       = 11
	msgServerKeyExchange = 12
	msgCertRequest       = 13
	msgServerDone        = 14
	msgMessageHash       = 254

	recordChangeCipher = 20
	recordAlert        = 21
	recordHandshake    = 22
	recordData         = 23
)

// talk is one hello and what comes of it.
type talk struct {
	in         records
	to         io.Writer
	offer      Offer
	name       string
	shares     []share
	transcript []byte // of the messages so far, as the keys of TLS 1.3 want it
	heard      Heard
}

func (t *talk) run() (Heard, error) {
	random, session := make([]byte, 32), []byte(nil)
	if _, err := rand.Read(random); err != nil {
		return t.heard, err
	}
	if t.offer.Version >= tls.VersionTLS13 {
		session = random // what boxes on the way expect; it means nothing
		if !t.offer.noShare {
			for _, g := range []tls.CurveID{tls.X25519, tls.CurveP256} {
				if slices.Contains(t.offer.Groups, g) {
					s, err := newShare(g)
					if err != nil {
						return t.heard, err
					}
					t.shares = append(t.shares, s)
				}
			}
		}
	}
	if err := t.say(random, session, nil); err != nil {
		return t.heard, err
	}
	first := slices.Clone(t.transcript)
	answer, err := t.serverHello()
	if err != nil {
		return t.heard, err
	}
	if answer.retry {
		t.heard.Group = answer.group
		if t.heard.onlyTheName = t.offer.noShare; t.heard.onlyTheName {
			return t.heard, nil
		}
		s, err := newShare(answer.group)
		if err != nil {
			return t.heard, err
		}
		t.shares = []share{s}
		// The first hello counts by its hash from here on.
		hash := t.heard.hash()
		h := hash()
		h.Write(first)
		sum := h.Sum(nil)
		t.transcript = slices.Concat([]byte{msgMessageHash, 0, 0, byte(len(sum))}, sum, answer.raw)
		if err := t.say(random, session, answer.cookie); err != nil {
			return t.heard, err
		}
		if answer, err = t.serverHello(); err != nil {
			return t.heard, err
		}
		if answer.retry {
			return t.heard, &FormatError{"a second request for another hello"}
		}
	}
	if t.heard.Version >= tls.VersionTLS13 {
		if t.heard.Group == 0 {
			t.heard.Group = answer.group
		}
		if err := t.decrypt(answer); err != nil {
			return t.heard, err
		}
	}
	return t.heard, t.certificate()
}

// say sends a ClientHello.
func (t *talk) say(random, session, cookie []byte) error {
	msg, err := t.offer.write(t.name, random, session, t.shares, cookie)
	if err != nil {
		return err
	}
	t.transcript = append(t.transcript, msg...)
	if len(msg) > 1<<14 {
		return &FormatError{"a hello longer than a record"}
	}
	version := uint16(0x0301)
	_, err = t.to.Write(append([]byte{recordHandshake, byte(version >> 8), byte(version), byte(len(msg) >> 8), byte(len(msg))}, msg...))
	return err
}

// answer is what a ServerHello says.
type answer struct {
	raw    []byte
	retry  bool
	group  tls.CurveID
	public []byte
	cookie []byte
}

// retryRandom marks a ServerHello that asks for another hello.
func retryRandom() []byte {
	return []byte{0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
		0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c}
}

func (t *talk) serverHello() (answer, error) {
	kind, raw, err := t.in.message()
	if err != nil {
		return answer{}, err
	}
	bad := &FormatError{"a server's hello"}
	if kind != msgServerHello {
		return answer{}, &FormatError{fmt.Sprintf("message %d where a server's hello is due", kind)}
	}
	t.transcript = append(t.transcript, raw...)
	a := answer{raw: raw}
	s := cryptobyte.String(raw[4:])
	var random []byte
	var session cryptobyte.String
	if !s.ReadUint16(&t.heard.Version) || !s.ReadBytes(&random, 32) || !s.ReadUint8LengthPrefixed(&session) || !s.ReadUint16(&t.heard.Suite) || !s.Skip(1) {
		return a, bad
	}
	a.retry = slices.Equal(random, retryRandom())
	var extensions cryptobyte.String
	if !s.Empty() && !s.ReadUint16LengthPrefixed(&extensions) {
		return a, bad
	}
	for !extensions.Empty() {
		var id uint16
		var ext, in cryptobyte.String
		if !extensions.ReadUint16(&id) || !extensions.ReadUint16LengthPrefixed(&ext) {
			return a, bad
		}
		ok := true
		switch id {
		case extVersions:
			ok = ext.ReadUint16(&t.heard.Version)
		case extKeyShare:
			var group uint16
			ok = ext.ReadUint16(&group)
			a.group = tls.CurveID(group)
			if ok && !a.retry {
				ok = ext.ReadUint16LengthPrefixed(&in)
				a.public = in
			}
		case extCookie:
			ok = ext.ReadUint16LengthPrefixed(&in)
			a.cookie = in
		}
		if !ok {
			return a, bad
		}
	}
	return a, nil
}

// certificate reads on until all that is to be heard has been.
func (t *talk) certificate() error {
	for {
		kind, raw, err := t.in.message()
		if err != nil {
			return err
		}
		body := cryptobyte.String(raw[4:])
		switch kind {
		case msgCertRequest:
			t.heard.Asked = true
		case msgCertificate:
			if err := t.chain(body); err != nil {
				return err
			}
			if t.heard.Version >= tls.VersionTLS13 {
				return nil
			}
		case msgServerKeyExchange:
			t.keyExchange(body)
		case msgServerDone:
			return nil
		}
	}
}

func (t *talk) chain(s cryptobyte.String) error {
	var list cryptobyte.String
	bad := &FormatError{"a certificate message"}
	if t.heard.Version >= tls.VersionTLS13 {
		var context cryptobyte.String
		if !s.ReadUint8LengthPrefixed(&context) {
			return bad
		}
	}
	if !s.ReadUint24LengthPrefixed(&list) {
		return bad
	}
	for !list.Empty() {
		var der, extensions cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&der) || t.heard.Version >= tls.VersionTLS13 && !list.ReadUint16LengthPrefixed(&extensions) {
			return bad
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("certificate %d of the chain: %w", len(t.heard.Chain), err)
		}
		t.heard.Chain = append(t.heard.Chain, c)
	}
	return nil
}

// keyExchange reads by which group, or by a prime of what size, the key is agreed on.
func (t *talk) keyExchange(s cryptobyte.String) {
	if ofDHE(t.heard.Suite) {
		var prime cryptobyte.String
		if s.ReadUint16LengthPrefixed(&prime) {
			t.heard.PrimeBits = 8 * len(prime)
		}
		return
	}
	const named = 3
	var kind uint8
	var group uint16
	if s.ReadUint8(&kind) && kind == named && s.ReadUint16(&group) {
		t.heard.Group = tls.CurveID(group)
	}
}
