//go:build pkcs11

package hsm

import (
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"
)

// key is a signer with the session that it lives in.
type key struct {
	crypto11.Signer
	ctx *crypto11.Context
}

func (k key) Close() error { return k.ctx.Close() }

// Delete takes the key out of the token.
func (k key) Delete() error { return k.Signer.Delete() }

// session opens a token, and says which of the things that it takes is wrong.
func session(ctx context.Context, r Ref, pin string) (*crypto11.Context, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if pin == "" {
		return nil, &NoPINError{r.Token}
	}
	if _, err := os.Stat(r.Module); err != nil {
		return nil, &ModuleError{r.Module, errors.Unwrap(err)}
	}
	if err := follow(ctx, r.Module); err != nil {
		return nil, &ModuleError{r.Module, err}
	}
	s, err := crypto11.Configure(&crypto11.Config{Path: r.Module, TokenLabel: r.Token, Pin: pin})
	if err == nil {
		return s, nil
	}
	var code pkcs11.Error
	switch errors.As(err, &code); code {
	case pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_ARGUMENTS_BAD:
		return nil, &PINError{Token: r.Token, Err: code}
	case pkcs11.CKR_PIN_LOCKED:
		return nil, &PINError{Token: r.Token, Locked: true, Err: code}
	}
	have, listErr := labels(r.Module)
	switch {
	case listErr != nil:
		return nil, &ModuleError{r.Module, listErr}
	case !slices.Contains(have, r.Token):
		return nil, &TokenError{r.Token, have}
	}
	return nil, fmt.Errorf("open token %q by %s: %w", r.Token, r.Module, err)
}

// labels are those of the tokens that a library has. It begins and ends with the
// library, so nobody else may be using it.
func labels(module string) ([]string, error) {
	lib := pkcs11.New(module)
	if lib == nil {
		return nil, errors.New("it can't be loaded, or it is no PKCS#11 library")
	}
	defer lib.Destroy()
	if err := lib.Initialize(); err != nil {
		return nil, fmt.Errorf("it does not start: %w", err)
	}
	defer func() { _ = lib.Finalize() }()
	slots, err := lib.GetSlotList(true)
	if err != nil {
		return nil, fmt.Errorf("list its tokens: %w", err)
	}
	have := []string{}
	for _, s := range slots {
		// A slot may be there for tokens to come: those have no label yet.
		if info, err := lib.GetTokenInfo(s); err == nil && info.Flags&pkcs11.CKF_TOKEN_INITIALIZED != 0 {
			have = append(have, info.Label)
		}
	}
	return have, nil
}

// Create makes a key of a kind ("ecdsa-p256", "rsa-2048") in a token. It is made
// there, and marked so that it cannot be read out.
func Create(ctx context.Context, r Ref, pin, kind string) (Key, error) {
	s, err := session(ctx, r, pin)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (Key, error) {
		return nil, errors.Join(fmt.Errorf("make key %q in token %q: %w", r.Label, r.Token, err), s.Close())
	}
	switch old, err := s.FindKeyPairs(nil, []byte(r.Label)); {
	case err != nil:
		return fail(err)
	case len(old) > 0:
		return nil, errors.Join(&KeyError{r.Label, r.Token, ErrKeyExists}, s.Close())
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return fail(err)
	}
	var k crypto11.Signer
	switch {
	case kind == "" || kind == "ecdsa-p256":
		k, err = s.GenerateECDSAKeyPairWithLabel(id, []byte(r.Label), elliptic.P256())
	case kind == "ecdsa-p384":
		k, err = s.GenerateECDSAKeyPairWithLabel(id, []byte(r.Label), elliptic.P384())
	case strings.HasPrefix(kind, "rsa-"):
		bits := 0
		if _, err := fmt.Sscanf(kind, "rsa-%d", &bits); err != nil {
			return fail(err)
		}
		k, err = s.GenerateRSAKeyPairWithLabel(id, []byte(r.Label), bits)
	default:
		err = fmt.Errorf("%q is no kind of key", kind)
	}
	if err != nil {
		return fail(err)
	}
	return key{k, s}, nil
}

// Open finds a key in a token.
func Open(ctx context.Context, r Ref, pin string) (Key, error) {
	s, err := session(ctx, r, pin)
	if err != nil {
		return nil, err
	}
	found, err := s.FindKeyPairs(nil, []byte(r.Label))
	if err == nil && len(found) == 0 {
		return nil, errors.Join(&KeyError{r.Label, r.Token, ErrNoKey}, s.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("find key %q in token %q: %w", r.Label, r.Token, err), s.Close())
	}
	return key{found[0], s}, nil
}
