// Package hsm is a CA's key in a token that it cannot be read out of, reached by
// PKCS#11. That takes C code, so it is built with the tag pkcs11 alone; without it
// every call is a *NotBuiltError.
package hsm

import (
	"crypto"
	"errors"
	"io"
)

// Ref says where a key is. There is no secret in it.
type Ref struct {
	Module string `json:"module"` // path of the token's shared library
	Token  string `json:"token"`  // label of the token
	Label  string `json:"label"`  // of the key in it
}

// Key signs in the token.
type Key interface {
	crypto.Signer
	io.Closer // of the session; the key stays
}

// NotBuiltError says that this program was built without PKCS#11.
type NotBuiltError struct{}

func (*NotBuiltError) Error() string { return "this program was built without PKCS#11" }

// Hint builds one that has it.
func (*NotBuiltError) Hint() string { return "CGO_ENABLED=1 go build -tags pkcs11 -o crossring ." }

// ErrNoKey says that a token has no key of the label.
var ErrNoKey = errors.New("the token has no key of this label")

// ErrKeyExists says that a token has a key of the label already.
var ErrKeyExists = errors.New("the token has a key of this label already")
