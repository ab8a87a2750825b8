// Package hsm is a CA's key in a token that it cannot be read out of, reached by
// PKCS#11. That takes C code, so it is built with the tag pkcs11 alone; without it
// every call is a *NotBuiltError.
package hsm

import (
	"crypto"
	"errors"
	"fmt"
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
	// Delete takes the key out of the token for good.
	Delete() error
}

// Check says what a Ref lacks.
func (r Ref) Check() error {
	lacks := func(flag, what string) error { return fmt.Errorf("%s: %s", flag, what) }
	var errs []error
	if r.Module == "" {
		errs = append(errs, lacks("--pkcs11-module", "the token's library is not named"))
	}
	if r.Token == "" {
		errs = append(errs, lacks("--pkcs11-token", "the token is not named, by its label"))
	}
	if r.Label == "" {
		errs = append(errs, lacks("--pkcs11-key", "the key has no label"))
	}
	return errors.Join(errs...)
}

// NoPINError says that a token was to be opened without a PIN.
type NoPINError struct{ Token string }

func (e *NoPINError) Error() string { return "token " + e.Token + " has a PIN, and none was given" }

// Hint gives it.
func (*NoPINError) Hint() string {
	return "add --passphrase-file FILE, with the PIN in the first line of FILE"
}

// PINError says that a token did not take a PIN.
type PINError struct {
	Token  string
	Locked bool // after too many wrong ones
	Err    error
}

func (e *PINError) Error() string {
	if e.Locked {
		return "token " + e.Token + " is locked, after too many wrong PINs: " + e.Err.Error()
	}
	return "token " + e.Token + " does not take this PIN: " + e.Err.Error()
}

func (e *PINError) Unwrap() error { return e.Err }

// Hint is where it came from, or who can help.
func (e *PINError) Hint() string {
	if e.Locked {
		return "softhsm2-util --init-token, or your token's tool   # its security officer sets a new PIN"
	}
	return "the PIN is the first line of the file that --passphrase-file names"
}

// ModuleError says that a file is no PKCS#11 library, or is not there.
type ModuleError struct {
	Path string
	Err  error
}

func (e *ModuleError) Error() string { return "PKCS#11 library " + e.Path + ": " + e.Err.Error() }

func (e *ModuleError) Unwrap() error { return e.Err }

// Hint looks for one.
func (*ModuleError) Hint() string {
	return "ls /usr/lib/softhsm/*.so /usr/lib/*/pkcs11/*.so   # then name it with --pkcs11-module"
}

// TokenError says that a library has no token of a label.
type TokenError struct {
	Label string
	Have  []string // labels of those that it has
}

func (e *TokenError) Error() string {
	if len(e.Have) == 0 {
		return fmt.Sprintf("there is no token %q: the library has none at all", e.Label)
	}
	return fmt.Sprintf("there is no token %q; there are %q", e.Label, e.Have)
}

// Hint names one of them, or makes one.
func (e *TokenError) Hint() string {
	if len(e.Have) == 0 {
		return "softhsm2-util --init-token --free --label lab   # or your token's own tool"
	}
	return fmt.Sprintf("--pkcs11-token %q", e.Have[0])
}

// KeyError is ErrNoKey or ErrKeyExists of a key by its label.
type KeyError struct {
	Label, Token string
	Err          error
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("key %q in token %q: %v", e.Label, e.Token, e.Err)
}

func (e *KeyError) Unwrap() error { return e.Err }

// Hint is the flag that names another.
func (e *KeyError) Hint() string {
	if errors.Is(e.Err, ErrKeyExists) {
		return "--pkcs11-key ANOTHER"
	}
	return "pkcs11-tool --list-objects   # is it another token, or was the key deleted?"
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
