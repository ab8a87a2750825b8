package record

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"testing/quick"
)

func TestValueRoundTrip(t *testing.T) {
	round := func(run uint64, key int64, extra uint16) bool {
		size := MinValueBytes + int(extra)%4096
		v := make([]byte, size)
		Fill(v, run, key)
		return Check(v, run, key, size) == ValueOK &&
			Check(v, run+1, key, size) == ValueStale &&
			Check(v, run, key+1, size) == ValueOtherKey &&
			Check(v, run, key, size+1) == ValueSize
	}
	if err := quick.Check(round, nil); err != nil {
		t.Error(err)
	}
}

func TestValueDependsOnNothingElse(t *testing.T) {
	a, b := make([]byte, 2048), bytes.Repeat([]byte{0xff}, 2048)
	Fill(a, 7, 42)
	Fill(b, 7, 42)
	if !bytes.Equal(a, b) {
		t.Error("what was in the buffer before shows in the value")
	}
}

// Each single byte that changes is noticed, wherever it is.
func TestValueEveryByteCounts(t *testing.T) {
	for _, size := range []int{MinValueBytes, 21, 27, 28, 29, 100, 2048} {
		v := make([]byte, size)
		Fill(v, 3, -5)
		for i := range v {
			v[i] ^= 1
			if got := Check(v, 3, -5, size); got == ValueOK {
				t.Errorf("size %d: byte %d may change unnoticed", size, i)
			}
			v[i] ^= 1
		}
	}
}

// A forged value, whose checksum holds over bytes that are not the stream's.
func TestValueBodyIsCompared(t *testing.T) {
	v := make([]byte, 100)
	Fill(v, 3, 4)
	w := make([]byte, 100)
	Fill(w, 3, 5)
	copy(w[:headBytes], v[:headBytes])
	fixSum(w)
	if got := Check(w, 3, 4, 100); got != ValueCorrupt {
		t.Errorf("a value with another key's body is %v", got)
	}
}

func TestValueDoesNotCompress(t *testing.T) {
	var all bytes.Buffer
	v := make([]byte, 2048)
	for key := range int64(64) {
		Fill(v, 1, key)
		all.Write(v)
	}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(all.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	// The headers alone may be found to repeat.
	if packed.Len() < all.Len()*98/100 {
		t.Errorf("%d bytes compress to %d", all.Len(), packed.Len())
	}
}

func TestValueAllocates(t *testing.T) {
	v := make([]byte, 2048)
	n := testing.AllocsPerRun(100, func() {
		Fill(v, 1, 2)
		if Check(v, 1, 2, 2048) != ValueOK {
			t.Fatal("not ok")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCheck(f *testing.F) {
	v := make([]byte, 64)
	Fill(v, 9, 9)
	f.Add(v, uint64(9), int64(9), 64)
	f.Add([]byte{}, uint64(0), int64(0), 0)
	f.Add(v[:19], uint64(9), int64(9), 19)
	f.Fuzz(func(t *testing.T, value []byte, run uint64, key int64, size int) {
		got := Check(value, run, key, size)
		if size < MinValueBytes || size > 1<<16 {
			if got == ValueOK {
				t.Fatalf("a value of %d bytes is ok", size)
			}
			return
		}
		want := make([]byte, size)
		Fill(want, run, key)
		if (got == ValueOK) != bytes.Equal(want, value) {
			t.Fatalf("verdict %v, equal %v", got, bytes.Equal(want, value))
		}
	})
}

func BenchmarkFill(b *testing.B) {
	v := make([]byte, 2048)
	b.SetBytes(2048)
	for i := range b.N {
		Fill(v, 1, int64(i))
	}
}

func BenchmarkCheck(b *testing.B) {
	v := make([]byte, 2048)
	Fill(v, 1, 1)
	b.SetBytes(2048)
	for range b.N {
		if Check(v, 1, 1, 2048) != ValueOK {
			b.Fatal("not ok")
		}
	}
}

func fixSum(v []byte) {
	end := len(v) - sumBytes
	binary.BigEndian.PutUint32(v[end:], crc32.Checksum(v[:end], castagnoli))
}
