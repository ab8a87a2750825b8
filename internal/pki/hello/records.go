package hello

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/cryptobyte"
)

// records reads handshake messages out of a server's records.
type records struct {
	from io.Reader
	rest []byte // handshake bytes that are not taken yet
	// Of TLS 1.3 once keys are agreed on; nil before.
	open  cipher.AEAD
	iv    []byte
	count uint64
}

// mostBytes is more than any server's certificates need.
const mostBytes = 1 << 20

// message is the next handshake message, its header of four bytes included.
func (r *records) message() (kind uint8, raw []byte, err error) {
	for {
		if len(r.rest) >= 4 {
			n := 4 + int(r.rest[1])<<16 + int(r.rest[2])<<8 + int(r.rest[3])
			if n > mostBytes {
				return 0, nil, &FormatError{fmt.Sprintf("a message of %d bytes", n)}
			}
			if len(r.rest) >= n {
				raw, r.rest = bytes.Clone(r.rest[:n]), r.rest[n:]
				return raw[0], raw, nil
			}
		}
		if err := r.record(); err != nil {
			return 0, nil, err
		}
	}
}

// record reads one record.
func (r *records) record() error {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r.from, head); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = &FormatError{"the connection ends within a record"}
		}
		return err
	}
	kind, size := head[0], int(binary.BigEndian.Uint16(head[3:]))
	if kind < recordChangeCipher || kind > recordData || head[1] != 3 || size > 1<<14+256 {
		return &FormatError{fmt.Sprintf("a record that begins with %x", head)}
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r.from, body); err != nil {
		return &FormatError{"the connection ends within a record"}
	}
	if kind == recordChangeCipher {
		return nil
	}
	if kind == recordData {
		if r.open == nil {
			return &FormatError{"data before a handshake"}
		}
		nonce := bytes.Clone(r.iv)
		for i := range 8 {
			nonce[len(nonce)-1-i] ^= byte(r.count >> (8 * i))
		}
		r.count++
		plain, err := r.open.Open(nil, nonce, body, head)
		if err != nil {
			return fmt.Errorf("a record of the handshake: %w", err)
		}
		plain = bytes.TrimRight(plain, "\x00")
		if len(plain) == 0 {
			return &FormatError{"an empty record"}
		}
		kind, body = plain[len(plain)-1], plain[:len(plain)-1]
	}
	switch {
	case kind == recordAlert && len(body) >= 2:
		const warning, unrecognizedName = 1, 112
		if body[0] == warning && body[1] == unrecognizedName {
			return nil // it goes on with its default
		}
		return &AlertError{body[1]}
	case kind == recordHandshake:
		r.rest = append(r.rest, body...)
		return nil
	}
	return &FormatError{fmt.Sprintf("a record of kind %d", kind)}
}

// hash is that of a suite of TLS 1.3.
func (h Heard) hash() func() hash.Hash {
	const aes256 = 0x1302
	if h.Suite == aes256 {
		return sha512.New384
	}
	return sha256.New
}

// decrypt makes the keys by which the rest of a server's handshake of TLS 1.3 can be
// read: RFC 8446, 7.1.
func (t *talk) decrypt(a answer) error {
	var secret []byte
	var err error
	found := false
	for _, s := range t.shares {
		if s.group == a.group {
			found = true
			if secret, err = s.agree(a.public); err != nil {
				return err
			}
		}
	}
	if !found {
		return &FormatError{"a share of a group that was not offered"}
	}
	hash := t.heard.hash()
	size := hash().Size()
	sum := func(data []byte) []byte {
		h := hash()
		h.Write(data)
		return h.Sum(nil)
	}
	expand := func(secret []byte, label string, context []byte, n int) []byte {
		var b cryptobyte.Builder
		b.AddUint16(uint16(n))
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte("tls13 " + label)) })
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(context) })
		out, e := hkdf.Expand(hash, secret, string(b.BytesOrPanic()), n)
		err = errors.Join(err, e)
		return out
	}
	early, e := hkdf.Extract(hash, make([]byte, size), nil)
	err = errors.Join(err, e)
	handshake, e := hkdf.Extract(hash, secret, expand(early, "derived", sum(nil), size))
	err = errors.Join(err, e)
	traffic := expand(handshake, "s hs traffic", sum(t.transcript), size)
	keyBytes := map[uint16]int{0x1301: 16, 0x1302: 32, 0x1303: 32}[t.heard.Suite]
	if keyBytes == 0 {
		return &FormatError{"the suite " + SuiteName(t.heard.Suite) + " that was not offered"}
	}
	key := expand(traffic, "key", nil, keyBytes)
	t.in.iv = expand(traffic, "iv", nil, 12)
	if err != nil {
		return fmt.Errorf("make the handshake's keys: %w", err)
	}
	if t.heard.Suite == 0x1303 {
		t.in.open, err = chacha20poly1305.New(key)
		return err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	t.in.open, err = cipher.NewGCM(block)
	return err
}
