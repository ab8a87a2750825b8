package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// MinValueBytes is the size of the smallest value: run id, key and checksum.
const MinValueBytes = headBytes + sumBytes

const (
	headBytes = 16 // run id and key, big endian
	sumBytes  = 4  // CRC-32C of everything before it, big endian
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Verdict is what Check finds a value to be.
type Verdict uint8

const (
	ValueOK       Verdict = iota // byte for byte the value of this run and key
	ValueStale                   // whole, but of another run
	ValueOtherKey                // whole and of this run, but of another key
	ValueSize                    // of this run and key, but longer or shorter
	ValueCorrupt                 // neither its checksum nor its bytes hold
)

func (v Verdict) String() string {
	switch v {
	case ValueOK:
		return "ok"
	case ValueStale:
		return "stale_run"
	case ValueOtherKey:
		return "other_key"
	case ValueSize:
		return "wrong_size"
	case ValueCorrupt:
		return "corrupt"
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}

// Fill writes the value of a key in a run over the whole of dst, which must have
// at least MinValueBytes: run id, key, bytes that do not compress, CRC-32C. The
// value depends on run, key and len(dst) alone.
func Fill(dst []byte, run uint64, key int64) {
	if len(dst) < MinValueBytes {
		panic(fmt.Sprintf("stress: a value of %d bytes has no room for its header", len(dst)))
	}
	binary.BigEndian.PutUint64(dst, run)
	binary.BigEndian.PutUint64(dst[8:], uint64(key))
	end := len(dst) - sumBytes
	body := dst[headBytes:end]
	state := seed(run, key)
	for len(body) >= 8 {
		state += gamma
		binary.LittleEndian.PutUint64(body, mix(state))
		body = body[8:]
	}
	if len(body) > 0 {
		var last [8]byte
		state += gamma
		binary.LittleEndian.PutUint64(last[:], mix(state))
		copy(body, last[:])
	}
	binary.BigEndian.PutUint32(dst[end:], crc32.Checksum(dst[:end], castagnoli))
}

// Check compares a value that was read with the one of run, key and size.
func Check(value []byte, run uint64, key int64, size int) Verdict {
	if len(value) < MinValueBytes {
		return ValueCorrupt
	}
	end := len(value) - sumBytes
	if binary.BigEndian.Uint32(value[end:]) != crc32.Checksum(value[:end], castagnoli) {
		return ValueCorrupt
	}
	switch {
	case binary.BigEndian.Uint64(value) != run:
		return ValueStale
	case binary.BigEndian.Uint64(value[8:]) != uint64(key):
		return ValueOtherKey
	case len(value) != size:
		return ValueSize
	}
	body := value[headBytes:end]
	state := seed(run, key)
	for len(body) >= 8 {
		state += gamma
		if binary.LittleEndian.Uint64(body) != mix(state) {
			return ValueCorrupt
		}
		body = body[8:]
	}
	if len(body) > 0 {
		var last [8]byte
		state += gamma
		binary.LittleEndian.PutUint64(last[:], mix(state))
		if string(body) != string(last[:len(body)]) {
			return ValueCorrupt
		}
	}
	return ValueOK
}

// The bytes are those of SplitMix64 (Steele, Lea and Flood, "Fast splittable
// pseudorandom number generators", 2014): each word depends on its position only,
// so a processor works on several at once.
const gamma = 0x9e3779b97f4a7c15

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// seed spreads neighbouring keys and runs over the whole state space, so that
// their streams do not overlap.
func seed(run uint64, key int64) uint64 {
	return mix(mix(run+gamma) ^ uint64(key)*0xd1342543de82ef95)
}
