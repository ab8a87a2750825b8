//go:build !pkcs11

package hsm

// Create makes a key in a token.
func Create(Ref, string, string) (Key, error) { return nil, &NotBuiltError{} }

// Open finds a key in a token.
func Open(Ref, string) (Key, error) { return nil, &NotBuiltError{} }
