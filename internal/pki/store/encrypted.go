package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
)

// NoPasswordError says that a private key is encrypted, and that no password was
// given.
type NoPasswordError struct{}

func (*NoPasswordError) Error() string {
	return "its private key is encrypted, and no password was given"
}

// Hint gives it.
func (*NoPasswordError) Hint() string {
	return "add --password-file FILE, with the password in the first line of FILE"
}

// EncryptionError says that a private key is encrypted in a way that is not known here.
type EncryptionError struct{ How string }

func (e *EncryptionError) Error() string { return "its private key is encrypted with " + e.How }

// Hint writes it in a way that is.
func (*EncryptionError) Hint() string {
	return "openssl pkcs8 -topk8 -v2 aes256 -in KEY.pem -out KEY8.pem   # asks for the old password, and for a new one"
}

// Decrypt opens the encrypted private keys of a PEM file with a password, and leaves
// all else of it as it is. It knows PKCS#8 with PBES2, PBKDF2 and AES or 3DES, as
// OpenSSL writes it, and OpenSSL's old way, for keys in their own forms. Without an
// encrypted key the password does not matter.
func Decrypt(data []byte, password string) ([]byte, error) {
	var out bytes.Buffer
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			out.Write(data)
			return out.Bytes(), nil
		}
		old := block.Headers["DEK-Info"] != ""
		if !old && block.Type != "ENCRYPTED PRIVATE KEY" {
			out.Write(data[:len(data)-len(rest)])
			data = rest
			continue
		}
		data = rest
		if password == "" {
			return nil, &NoPasswordError{}
		}
		plain := &pem.Block{Type: "PRIVATE KEY"}
		var err error
		if old {
			plain.Type = block.Type
			// It is not authentic, and does not have to be: it is the user's own file.
			//lint:ignore SA1019 it is for files that are there
			plain.Bytes, err = x509.DecryptPEMBlock(block, []byte(password))
			if errors.Is(err, x509.IncorrectPasswordError) {
				err = &PasswordError{PEM}
			}
		} else {
			plain.Bytes, err = decryptPKCS8(block.Bytes, password)
		}
		if err != nil {
			return nil, err
		}
		if err := pem.Encode(&out, plain); err != nil {
			return nil, fmt.Errorf("write the key that was opened: %w", err)
		}
	}
}

type (
	encryptedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2 struct{ KDF, Cipher pkix.AlgorithmIdentifier }
	kdf   struct {
		Salt   []byte
		Rounds int
		Length int                      `asn1:"optional"`
		PRF    pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

// decryptPKCS8 opens EncryptedPrivateKeyInfo (RFC 5958) with PBES2 (RFC 8018, 6.2).
func decryptPKCS8(der []byte, password string) ([]byte, error) {
	var k encryptedKey
	if _, err := asn1.Unmarshal(der, &k); err != nil {
		return nil, fmt.Errorf("read encrypted key: %w", err)
	}
	if !k.Algorithm.Algorithm.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}) {
		return nil, &EncryptionError{"an old algorithm, " + k.Algorithm.Algorithm.String()}
	}
	var scheme pbes2
	var derive kdf
	if _, err := asn1.Unmarshal(k.Algorithm.Parameters.FullBytes, &scheme); err != nil {
		return nil, fmt.Errorf("read encrypted key: %w", err)
	}
	if !scheme.KDF.Algorithm.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}) {
		return nil, &EncryptionError{"another function than PBKDF2, " + scheme.KDF.Algorithm.String()}
	}
	if _, err := asn1.Unmarshal(scheme.KDF.Parameters.FullBytes, &derive); err != nil {
		return nil, fmt.Errorf("read encrypted key: %w", err)
	}
	prf, err := prfOf(derive.PRF.Algorithm)
	if err != nil {
		return nil, err
	}
	size, open, err := cipherOf(scheme.Cipher.Algorithm)
	if err != nil {
		return nil, err
	}
	var iv []byte
	if _, err := asn1.Unmarshal(scheme.Cipher.Parameters.FullBytes, &iv); err != nil {
		return nil, fmt.Errorf("read encrypted key: %w", err)
	}
	// So many that a file can't keep this side busy for long.
	if derive.Rounds < 1 || derive.Rounds > 50_000_000 {
		return nil, &EncryptionError{fmt.Sprintf("%d rounds of PBKDF2", derive.Rounds)}
	}
	secret, err := pbkdf2.Key(prf, password, derive.Salt, derive.Rounds, size)
	if err != nil {
		return nil, fmt.Errorf("open encrypted key: %w", err)
	}
	block, err := open(secret)
	if err != nil {
		return nil, fmt.Errorf("open encrypted key: %w", err)
	}
	n := block.BlockSize()
	if len(iv) != n || len(k.Data) == 0 || len(k.Data)%n != 0 {
		return nil, errors.New("read encrypted key: it is cut off, or damaged")
	}
	plain := make([]byte, len(k.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, k.Data)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > n || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, &PasswordError{PEM}
	}
	plain = plain[:len(plain)-pad]
	// One wrong password in 256 leaves a padding that is right by chance.
	if _, err := x509.ParsePKCS8PrivateKey(plain); err != nil {
		return nil, errors.Join(&PasswordError{PEM}, err)
	}
	return plain, nil
}

// prfOf is the hash of PBKDF2's HMAC; SHA-1 where none is named.
func prfOf(oid asn1.ObjectIdentifier) (func() hash.Hash, error) {
	switch oid.String() {
	case "", "1.2.840.113549.2.7":
		return sha1.New, nil
	case "1.2.840.113549.2.8":
		return sha256.New224, nil
	case "1.2.840.113549.2.9":
		return sha256.New, nil
	case "1.2.840.113549.2.10":
		return sha512.New384, nil
	case "1.2.840.113549.2.11":
		return sha512.New, nil
	}
	return nil, &EncryptionError{"PBKDF2 with an unknown function, " + oid.String()}
}

// cipherOf is a block cipher in CBC mode, with the length of its key in bytes.
func cipherOf(oid asn1.ObjectIdentifier) (int, func([]byte) (cipher.Block, error), error) {
	switch oid.String() {
	case "2.16.840.1.101.3.4.1.2":
		return 16, aes.NewCipher, nil
	case "2.16.840.1.101.3.4.1.22":
		return 24, aes.NewCipher, nil
	case "2.16.840.1.101.3.4.1.42":
		return 32, aes.NewCipher, nil
	case "1.2.840.113549.3.7":
		return 24, des.NewTripleDESCipher, nil
	}
	return 0, nil, &EncryptionError{"an unknown cipher, " + oid.String()}
}
