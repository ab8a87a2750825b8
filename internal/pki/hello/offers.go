package hello

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
)

// Offers is what a server has.
type Offers struct {
	Versions []Version
}

// Version is what a server has of one version of TLS.
type Version struct {
	Version   uint16
	Suites    []uint16      // as the server likes them, or as they were asked for where it does not mind
	Groups    []tls.CurveID // likewise
	PrimeBits int           // of its DHE without a named group; 0 where it has none
	Chains    []Chain
}

// Chain is a chain that a server shows for one kind of key.
type Chain struct {
	Key          string // ECDSA, RSA, EdDSA or DSA
	Suite        uint16 // with which it was shown
	Group        tls.CurveID
	Certificates []*x509.Certificate
}

func groups() []tls.CurveID {
	return []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521, x448, tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024,
		26, 27, 28, 22, 31, 32, 33, 256, 257, 258, 259, 260}
}

// ofDHE says that a suite agrees on keys by Diffie-Hellman over a prime.
func ofDHE(id uint16) bool {
	name := SuiteName(id)
	return strings.HasPrefix(name, "TLS_DHE_") || strings.HasPrefix(name, "TLS_DH_")
}

// suitesOf are the suites of a version.
func suitesOf(version uint16) []uint16 {
	var ids []uint16
	for _, id := range slices.Sorted(maps.Keys(suites())) {
		if (id>>8 == 0x13) == (version >= tls.VersionTLS13) {
			ids = append(ids, id)
		}
	}
	// The best first: servers that do not mind take the first that they have.
	rank := func(id uint16) int {
		name := SuiteName(id)
		weak := 1
		if strings.Contains(name, "GCM") || strings.Contains(name, "POLY1305") {
			weak = 0
		}
		switch {
		case strings.Contains(name, "anon") || strings.Contains(name, "NULL"):
			return 6
		case strings.HasPrefix(name, "TLS_ECDHE") || id>>8 == 0x13:
			return weak
		case strings.HasPrefix(name, "TLS_DHE"):
			return 2 + weak
		}
		return 4 + weak
	}
	slices.SortStableFunc(ids, func(a, b uint16) int { return rank(a) - rank(b) })
	return ids
}

// refused says that an error is a server's no to what was offered. Some say it by an
// alert, some by ending the connection.
func refused(err error) bool {
	var alert *AlertError
	var op *net.OpError
	return errors.As(err, &alert) || errors.Is(err, io.EOF) || errors.As(err, &op) && op.Op == "read" && !op.Timeout()
}

// Ask finds out what a server has, by saying hello again and again, each time without
// what it took the time before: some tens of connections, none of which goes further than
// its certificate. Of what it found until an error there is all.
func (s Server) Ask(ctx context.Context) (Offers, error) {
	var o Offers
	for _, version := range []uint16{tls.VersionTLS13, tls.VersionTLS12, tls.VersionTLS11, tls.VersionTLS10} {
		v, err := s.version(ctx, version)
		if len(v.Suites) > 0 {
			o.Versions = append(o.Versions, v)
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

func (s Server) version(ctx context.Context, version uint16) (Version, error) {
	v := Version{Version: version}
	offer := Offer{Version: version, Suites: suitesOf(version), Groups: groups(), Signatures: allSignatures(), noShare: true}
	for len(offer.Suites) > 0 {
		h, err := s.Say(ctx, offer)
		if h.Suite == 0 || h.Version != version {
			if err != nil && !refused(err) {
				return v, err
			}
			break
		}
		i := slices.Index(offer.Suites, h.Suite)
		if i < 0 {
			return v, &FormatError{"the suite " + SuiteName(h.Suite) + " that was not offered"}
		}
		offer.Suites = slices.Delete(slices.Clone(offer.Suites), i, i+1)
		v.Suites = append(v.Suites, h.Suite)
		v.PrimeBits = max(v.PrimeBits, h.PrimeBits)
	}
	if len(v.Suites) == 0 {
		return v, nil
	}
	var err error
	if v.Groups, err = s.groups(ctx, v); err != nil {
		return v, err
	}
	v.Chains, err = s.Chains(ctx, version)
	return v, err
}

// groups finds those by which a server agrees on keys. Up to TLS 1.2 the list also says
// which curves certificates may be on, so the curve of the server's own is never left out:
// where the server likes that best, the others can't be told.
func (s Server) groups(ctx context.Context, v Version) ([]tls.CurveID, error) {
	offer := Offer{Version: v.Version, Groups: groups(), Signatures: allSignatures(), noShare: true}
	for _, id := range v.Suites {
		if v.Version >= tls.VersionTLS13 || strings.HasPrefix(SuiteName(id), "TLS_ECDHE") {
			offer.Suites = append(offer.Suites, id)
		}
	}
	var found []tls.CurveID
	for len(offer.Suites) > 0 && len(offer.Groups) > 0 {
		h, err := s.Say(ctx, offer)
		i := slices.Index(offer.Groups, h.Group)
		if h.Group == 0 || i < 0 {
			if err != nil && !refused(err) {
				return found, err
			}
			break
		}
		last := i == len(offer.Groups)-1
		offer.Groups = slices.Delete(slices.Clone(offer.Groups), i, i+1)
		if v.Version < tls.VersionTLS13 && len(h.Chain) > 0 && curveOf(h.Chain[0]) == h.Group {
			if slices.Contains(found, h.Group) || last {
				if !slices.Contains(found, h.Group) {
					found = append(found, h.Group)
				}
				break
			}
			offer.Groups = append(offer.Groups, h.Group)
		}
		if !slices.Contains(found, h.Group) {
			found = append(found, h.Group)
		}
	}
	return found, nil
}

// curveOf is the group of a certificate's key; 0 where it is on no curve.
func curveOf(c *x509.Certificate) tls.CurveID {
	key, ok := c.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return 0
	}
	return map[string]tls.CurveID{"P-256": tls.CurveP256, "P-384": tls.CurveP384, "P-521": tls.CurveP521}[key.Curve.Params().Name]
}

// Chains asks for the server's chain once for each kind of key, and gives those that
// differ. What the server does not have is left out, and so is what can't be read.
func (s Server) Chains(ctx context.Context, version uint16) ([]Chain, error) {
	var all []Chain
	for _, kind := range []struct {
		signatures []uint16
		auth       []string // in the names of suites before TLS 1.3
	}{
		{ecdsaSignatures(), []string{"_ECDSA_"}}, {rsaSignatures(), []string{"TLS_RSA_", "ECDHE_RSA_", "DHE_RSA_"}},
		{edSignatures(), []string{"_ECDSA_"}}, {dsaSignatures(), []string{"_DSS_"}},
	} {
		offer := Offer{Version: version, Groups: groups(), Signatures: kind.signatures}
		for _, id := range suitesOf(version) {
			if version >= tls.VersionTLS13 || slices.ContainsFunc(kind.auth, func(part string) bool { return strings.Contains(SuiteName(id), part) }) {
				offer.Suites = append(offer.Suites, id)
			}
		}
		if version >= tls.VersionTLS13 {
			offer.Suites = []uint16{0x1301, 0x1302, 0x1303} // which are here
		}
		h, err := s.Say(ctx, offer)
		var group *NoGroupError
		var format *FormatError
		if err != nil && !refused(err) && !errors.As(err, &group) && !errors.As(err, &format) {
			return all, err
		}
		if len(h.Chain) == 0 || slices.ContainsFunc(all, func(c Chain) bool { return bytes.Equal(c.Certificates[0].Raw, h.Chain[0].Raw) }) {
			continue
		}
		all = append(all, Chain{Key: keyKind(h.Chain[0]), Suite: h.Suite, Group: h.Group, Certificates: h.Chain})
	}
	return all, nil
}

func keyKind(c *x509.Certificate) string {
	switch c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA"
	case *rsa.PublicKey:
		return "RSA"
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return c.PublicKeyAlgorithm.String()
}
