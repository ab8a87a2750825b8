package record

import (
	"reflect"
	"testing"
	"testing/quick"
)

func TestKeysAreSplit(t *testing.T) {
	even := func(gaps []uint8, loaders uint8) bool {
		var all Keys
		at := int64(-300)
		for _, g := range gaps {
			at += int64(g) + 1
			all = append(all, Range{at, int64(g%7) + 1})
			at += int64(g%7) + 1
		}
		n := max(1, int64(loaders))
		var keys []int64
		x := NewIndex(all)
		for _, part := range all.Split(int(loaders)) {
			rows := part.Count()
			if part.Check() != nil || rows < all.Count()/n || rows > all.Count()/n+1 {
				return false
			}
			for i, px := int64(0), NewIndex(part); i < rows; i++ {
				keys = append(keys, px.Key(i))
			}
		}
		for i, key := range keys {
			if key != x.Key(int64(i)) || all.Find(key) < 0 {
				return false
			}
		}
		return int64(len(keys)) == all.Count() && all.Check() == nil
	}
	if err := quick.Check(even, nil); err != nil {
		t.Error(err)
	}
}

func TestKeysThatAreNone(t *testing.T) {
	for _, bad := range []Keys{{{1, 0}}, {{1<<63 - 2, 10}}, {{1, 5}, {6, 1}}, {{1, 5}, {3, 1}}, {{5, 1}, {1, 1}}} {
		if bad.Check() == nil {
			t.Errorf("%v are keys", bad)
		}
	}
	if got, ok := Join([]Range{{5, 5}, {0, 5}, {20, 1}, {12, 0}}); !ok || !reflect.DeepEqual(got, Keys{{0, 10}, {20, 1}}) {
		t.Errorf("joined: %v, %t", got, ok)
	}
	if _, ok := Join([]Range{{0, 5}, {4, 5}}); ok {
		t.Error("ranges that overlap were joined")
	}
	if (Keys{}).Find(1) != -1 || len((Keys{{0, 5}}).FirstN(0)) != 0 {
		t.Error("no keys have one")
	}
}

// Each run has keys of its own, with room for as many rows as a run may have.
func TestRunsHaveKeysOfTheirOwn(t *testing.T) {
	own := func(a, b uint64) bool {
		x, y := FirstKey(a), FirstKey(b)
		return x >= MaxRows && x+MaxRows > x && x%MaxRows == 0 && (x == y) == (a%9_223_372_035 == b%9_223_372_035)
	}
	if err := quick.Check(own, nil); err != nil {
		t.Error(err)
	}
	if !own(0, 1<<64-1) || !own(9_223_372_034, 9_223_372_035) {
		t.Error("the ends of the space are not its own")
	}
}
