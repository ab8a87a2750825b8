//go:build pkcs11

package hsm

import (
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/ThalesGroup/crypto11"
)

// key is a signer with the session that it lives in.
type key struct {
	crypto11.Signer
	ctx *crypto11.Context
}

func (k key) Close() error { return k.ctx.Close() }

func session(r Ref, pin string) (*crypto11.Context, error) {
	ctx, err := crypto11.Configure(&crypto11.Config{Path: r.Module, TokenLabel: r.Token, Pin: pin})
	if err != nil {
		return nil, fmt.Errorf("open token %q by %s: %w", r.Token, r.Module, err)
	}
	return ctx, nil
}

// Create makes a key of a kind ("ecdsa-p256", "rsa-2048") in a token. It is made
// there, and marked so that it cannot be read out.
func Create(r Ref, pin, kind string) (Key, error) {
	ctx, err := session(r, pin)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (Key, error) {
		return nil, errors.Join(fmt.Errorf("make key %q in token %q: %w", r.Label, r.Token, err), ctx.Close())
	}
	switch old, err := ctx.FindKeyPairs(nil, []byte(r.Label)); {
	case err != nil:
		return fail(err)
	case len(old) > 0:
		return fail(ErrKeyExists)
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return fail(err)
	}
	var s crypto11.Signer
	switch {
	case kind == "" || kind == "ecdsa-p256":
		s, err = ctx.GenerateECDSAKeyPairWithLabel(id, []byte(r.Label), elliptic.P256())
	case kind == "ecdsa-p384":
		s, err = ctx.GenerateECDSAKeyPairWithLabel(id, []byte(r.Label), elliptic.P384())
	case strings.HasPrefix(kind, "rsa-"):
		bits := 0
		if _, err := fmt.Sscanf(kind, "rsa-%d", &bits); err != nil {
			return fail(err)
		}
		s, err = ctx.GenerateRSAKeyPairWithLabel(id, []byte(r.Label), bits)
	default:
		err = fmt.Errorf("%q is no kind of key", kind)
	}
	if err != nil {
		return fail(err)
	}
	return key{s, ctx}, nil
}

// Open finds a key in a token.
func Open(r Ref, pin string) (Key, error) {
	ctx, err := session(r, pin)
	if err != nil {
		return nil, err
	}
	found, err := ctx.FindKeyPairs(nil, []byte(r.Label))
	if err == nil && len(found) == 0 {
		err = ErrNoKey
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("find key %q in token %q: %w", r.Label, r.Token, err), ctx.Close())
	}
	return key{found[0], ctx}, nil
}
