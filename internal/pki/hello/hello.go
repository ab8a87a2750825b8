// Package hello says hello to a server of TLS by messages of its own making, with what
// crypto/tls does not offer, or does not let one choose: suites with DHE, single kinds of
// signatures, X448. It goes as far as the server's certificate, shows nothing of its own,
// and ends the connection there. It trusts nobody: what it hears is for people to judge.
package hello

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// Server is where hello is said to.
type Server struct {
	Address string // HOST:PORT
	Name    string // that is asked for; an address is not
	// Dial connects; nil is plain TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Offer is what a hello offers. Version is the one version of it.
type Offer struct {
	Version    uint16
	Suites     []uint16
	Groups     []tls.CurveID
	Signatures []uint16 // kinds that the server may sign the handshake with
	// noShare has the hello of TLS 1.3 bring no share of a key, so that the server says
	// which group it would have.
	noShare bool
}

// Heard is what a server answered.
type Heard struct {
	Version     uint16
	Suite       uint16
	Group       tls.CurveID // 0 where the key is not agreed on by one
	PrimeBits   int         // of DHE without a named group; 0 is none
	Chain       []*x509.Certificate
	Asked       bool // for a client's certificate
	onlyTheName bool // of the group: it wants another hello
}

// AlertError is a server's refusal.
type AlertError struct{ Code uint8 }

func (e *AlertError) Error() string {
	known := map[uint8]string{
		10: "unexpected message", 20: "bad record", 40: "handshake failure", 42: "bad certificate", 47: "illegal parameter", 48: "unknown CA", 49: "access denied",
		50: "decode error", 51: "decrypt error", 70: "protocol version", 71: "insufficient security", 80: "internal error", 86: "inappropriate fallback",
		109: "missing extension", 110: "unsupported extension", 112: "unrecognized name", 116: "certificate required", 120: "no application protocol",
	}
	if name, ok := known[e.Code]; ok {
		return "the server's alert: " + name
	}
	return fmt.Sprintf("the server's alert: %d", e.Code)
}

// FormatError says that a server's message is not as TLS has it.
type FormatError struct{ What string }

func (e *FormatError) Error() string { return "not as TLS has it: " + e.What }

// wait is how long one hello may take.
const wait = 10 * time.Second

// Say says hello once.
func (s Server) Say(ctx context.Context, o Offer) (Heard, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	dial := s.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", s.Address)
	if err != nil {
		return Heard{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	t := &talk{in: records{from: conn}, to: conn, offer: o, name: s.Name}
	h, err := t.run()
	if ctx.Err() != nil {
		return h, fmt.Errorf("hello to %s: %w", s.Address, context.Cause(ctx))
	}
	return h, err
}

// Extensions by number.
const (
	extName           = 0
	extGroups         = 10
	extPoints         = 11
	extSignatures     = 13
	extMasterSecret   = 23
	extVersions       = 43
	extCookie         = 44
	extPSKModes       = 45
	extCertSignatures = 50
	extKeyShare       = 51
	extRenegotiation  = 0xff01
)

// Signatures by the key that makes them.
func ecdsaSignatures() []uint16 { return []uint16{0x0403, 0x0503, 0x0603, 0x0203} }
func rsaSignatures() []uint16 {
	return []uint16{0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601, 0x0201}
}
func edSignatures() []uint16  { return []uint16{0x0807, 0x0808} }
func dsaSignatures() []uint16 { return []uint16{0x0402, 0x0202} }

func allSignatures() []uint16 {
	return slices.Concat(ecdsaSignatures(), rsaSignatures(), edSignatures(), dsaSignatures())
}

// write makes a ClientHello of an offer, without the header of its record.
func (o Offer) write(name string, random, session []byte, shares []share, cookie []byte) ([]byte, error) {
	var b cryptobyte.Builder
	u16s := func(b *cryptobyte.Builder, list []uint16) {
		for _, v := range list {
			b.AddUint16(v)
		}
	}
	b.AddUint8(msgClientHello)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(min(o.Version, tls.VersionTLS12))
		b.AddBytes(random)
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(session) })
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { u16s(b, o.Suites) })
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(0) }) // no compression
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			ext := func(id uint16, body func(b *cryptobyte.Builder)) {
				b.AddUint16(id)
				b.AddUint16LengthPrefixed(body)
			}
			list := func(id uint16, all []uint16) {
				ext(id, func(b *cryptobyte.Builder) {
					b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { u16s(b, all) })
				})
			}
			if name != "" && net.ParseIP(name) == nil {
				ext(extName, func(b *cryptobyte.Builder) {
					b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
						b.AddUint8(0)
						b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(name)) })
					})
				})
			}
			if len(o.Groups) > 0 {
				var ids []uint16
				for _, g := range o.Groups {
					ids = append(ids, uint16(g))
				}
				list(extGroups, ids)
				ext(extPoints, func(b *cryptobyte.Builder) { b.AddUint8(1); b.AddUint8(0) })
			}
			if o.Version >= tls.VersionTLS12 {
				list(extSignatures, o.Signatures)
				list(extCertSignatures, allSignatures()) // of the chain's own signatures any will do
			}
			if o.Version < tls.VersionTLS13 {
				ext(extMasterSecret, func(*cryptobyte.Builder) {})
				ext(extRenegotiation, func(b *cryptobyte.Builder) { b.AddUint8(0) })
				return
			}
			ext(extVersions, func(b *cryptobyte.Builder) {
				b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint16(o.Version) })
			})
			ext(extPSKModes, func(b *cryptobyte.Builder) { b.AddUint8(1); b.AddUint8(1) })
			if len(cookie) > 0 {
				ext(extCookie, func(b *cryptobyte.Builder) {
					b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(cookie) })
				})
			}
			ext(extKeyShare, func(b *cryptobyte.Builder) {
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
					for _, s := range shares {
						b.AddUint16(uint16(s.group))
						b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s.public) })
					}
				})
			})
		})
	})
	return b.Bytes()
}

// Sent is what a client's hello offered.
type Sent struct {
	Versions []uint16
	Suites   []uint16
	Groups   []tls.CurveID
}

// Read reads a client's hello as it was sent, with the header of its record: what another
// implementation offered.
func Read(record []byte) (Sent, error) {
	var out Sent
	bad := &FormatError{"a client's hello"}
	s := cryptobyte.String(record)
	var kind uint8
	var legacy uint16
	var body, message, session, list, compressions, extensions cryptobyte.String
	if !s.ReadUint8(&kind) || kind != recordHandshake || !s.Skip(2) || !s.ReadUint16LengthPrefixed(&body) || !body.ReadUint8(&kind) || kind != msgClientHello ||
		!body.ReadUint24LengthPrefixed(&message) || !message.ReadUint16(&legacy) || !message.Skip(32) || !message.ReadUint8LengthPrefixed(&session) ||
		!message.ReadUint16LengthPrefixed(&list) || !message.ReadUint8LengthPrefixed(&compressions) {
		return out, bad
	}
	out.Versions = []uint16{legacy}
	read16 := func(list cryptobyte.String, each func(uint16)) bool {
		var v uint16
		for !list.Empty() {
			if !list.ReadUint16(&v) {
				return false
			}
			if v&0x0f0f != 0x0a0a || v>>8 != v&0xff { // those only keep servers awake
				each(v)
			}
		}
		return true
	}
	if !read16(list, func(v uint16) { out.Suites = append(out.Suites, v) }) {
		return out, bad
	}
	if message.Empty() {
		return out, nil
	}
	if !message.ReadUint16LengthPrefixed(&extensions) {
		return out, bad
	}
	for !extensions.Empty() {
		var id uint16
		var ext, in cryptobyte.String
		if !extensions.ReadUint16(&id) || !extensions.ReadUint16LengthPrefixed(&ext) {
			return out, bad
		}
		ok := true
		switch id {
		case extGroups:
			ok = ext.ReadUint16LengthPrefixed(&in) && read16(in, func(v uint16) { out.Groups = append(out.Groups, tls.CurveID(v)) })
		case extVersions:
			out.Versions = nil
			ok = ext.ReadUint8LengthPrefixed(&in) && read16(in, func(v uint16) { out.Versions = append(out.Versions, v) })
		}
		if !ok {
			return out, bad
		}
	}
	return out, nil
}
