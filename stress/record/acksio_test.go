package record

import (
	"bytes"
	"compress/gzip"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestAcksTravel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	a := &Acks{}
	for _, first := range []int64{0, 1000, 5000} {
		rg := ackRange{first: first}
		at := time.Now().UnixMicro()
		for range 1000 {
			at += r.Int64N(2000) - 1000
			rg.at = append(rg.at, []int64{ackNone, ackFailed, ackUnknown, at, at, at, at}[r.IntN(7)])
		}
		a.ranges = append(a.ranges, rg)
	}
	var buf bytes.Buffer
	const shift = 1234 * time.Millisecond
	keys := Keys{{500, 3000}, {3600, 1900}}
	if err := WriteAcks(&buf, keys, AcksPart{Acks: a, Shift: shift}); err != nil {
		t.Fatal(err)
	}
	got, err := ReadAcks(bytes.NewReader(buf.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for key := range int64(7000) {
		was, at := a.Lookup(key)
		if keys.Find(key) < 0 {
			was, at = 0, time.Time{}
		}
		if !at.IsZero() {
			at = at.Add(shift)
		}
		if is, now := got.Lookup(key); is != was || !now.Equal(at) {
			t.Fatalf("key %d: %v at %v, want %v at %v", key, is, now, was, at)
		}
	}
	for _, cut := range []int{0, 5, buf.Len() / 2, buf.Len() - 9} {
		if _, err := ReadAcks(bytes.NewReader(buf.Bytes()[:cut])); err == nil {
			t.Errorf("%d of %d bytes were taken for all", cut, buf.Len())
		}
	}
}

func TestAcksOfNothing(t *testing.T) {
	var buf bytes.Buffer
	if err := WriteAcks(&buf, Keys{{0, 10}}); err != nil {
		t.Fatal(err)
	}
	got, err := ReadAcks(&buf)
	if err != nil || !reflect.DeepEqual(got, &Acks{}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// Something else is told from acknowledgements, and the message is whole.
func TestAcksThatAreNone(t *testing.T) {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write([]byte("something else altogether")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := ReadAcks(&buf)
	if err == nil || strings.Contains(err.Error(), "%!") || !strings.Contains(err.Error(), `"someth`) {
		t.Errorf("%v", err)
	}
}
