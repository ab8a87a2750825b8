package hello

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"math/big"
	"slices"
)

// x448 is a group that crypto/tls does not have.
const x448 = tls.CurveID(30)

// share is this side's part of a key.
type share struct {
	group  tls.CurveID
	public []byte
	agree  func(theirs []byte) ([]byte, error)
}

// NoGroupError says that a server wants to agree on a key by a group that is not here.
type NoGroupError struct{ Group tls.CurveID }

func (e *NoGroupError) Error() string {
	return fmt.Sprintf("the server agrees on keys by group 0x%04x, which is not here", uint16(e.Group))
}

func newShare(group tls.CurveID) (share, error) {
	if group == x448 {
		scalar := make([]byte, 56)
		if _, err := rand.Read(scalar); err != nil {
			return share{}, err
		}
		base := make([]byte, 56)
		base[0] = 5
		public, err := multiply448(scalar, base)
		return share{group, public, func(theirs []byte) ([]byte, error) { return multiply448(scalar, theirs) }}, err
	}
	curve, ok := map[tls.CurveID]ecdh.Curve{tls.X25519: ecdh.X25519(), tls.CurveP256: ecdh.P256(), tls.CurveP384: ecdh.P384(), tls.CurveP521: ecdh.P521()}[group]
	if !ok {
		return share{}, &NoGroupError{group}
	}
	key, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		return share{}, err
	}
	return share{group, key.PublicKey().Bytes(), func(theirs []byte) ([]byte, error) {
		public, err := curve.NewPublicKey(theirs)
		if err != nil {
			return nil, err
		}
		return key.ECDH(public)
	}}, nil
}

// multiply448 is the function X448 of RFC 7748, 5. Its time depends on the scalar, which
// is thrown away with the connection, and which guards nothing.
func multiply448(scalar, u []byte) ([]byte, error) {
	if len(u) != 56 {
		return nil, &FormatError{fmt.Sprintf("a share of X448 of %d bytes", len(u))}
	}
	number := func(little []byte) *big.Int {
		b := slices.Clone(little)
		slices.Reverse(b)
		return new(big.Int).SetBytes(b)
	}
	one := big.NewInt(1)
	p := new(big.Int).Lsh(one, 448)
	p.Sub(p, new(big.Int).Lsh(one, 224)).Sub(p, one)
	clamped := slices.Clone(scalar)
	clamped[0] &= 252
	clamped[55] |= 128
	k := number(clamped)
	x1 := number(u)
	x1.Mod(x1, p)
	mod := func(z *big.Int) *big.Int { return z.Mod(z, p) }
	add := func(a, b *big.Int) *big.Int { return mod(new(big.Int).Add(a, b)) }
	sub := func(a, b *big.Int) *big.Int { return mod(new(big.Int).Sub(a, b)) }
	mul := func(a, b *big.Int) *big.Int { return mod(new(big.Int).Mul(a, b)) }
	a24 := big.NewInt(39081)
	x2, z2, x3, z3 := big.NewInt(1), new(big.Int), new(big.Int).Set(x1), big.NewInt(1)
	swap := uint(0)
	for t := 447; t >= 0; t-- {
		bit := k.Bit(t)
		if swap ^= bit; swap == 1 {
			x2, x3, z2, z3 = x3, x2, z3, z2
		}
		swap = bit
		a, b := add(x2, z2), sub(x2, z2)
		aa, bb := mul(a, a), mul(b, b)
		e := sub(aa, bb)
		c, d := add(x3, z3), sub(x3, z3)
		da, cb := mul(d, a), mul(c, b)
		s, f := add(da, cb), sub(da, cb)
		x3, z3 = mul(s, s), mul(x1, mul(f, f))
		x2, z2 = mul(aa, bb), mul(e, add(aa, mul(a24, e)))
	}
	if swap == 1 {
		x2, z2 = x3, z3
	}
	out := mul(x2, new(big.Int).Exp(z2, new(big.Int).Sub(p, big.NewInt(2)), p)).FillBytes(make([]byte, 56))
	slices.Reverse(out)
	return out, nil
}
