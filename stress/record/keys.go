package record

import (
	"fmt"
	"slices"
	"sort"
)

// Range is a range of keys.
type Range struct {
	First int64 `json:"first"`
	Rows  int64 `json:"rows"`
}

// End is the key after the last one.
func (r Range) End() int64 { return r.First + r.Rows }

// Keys are keys as ranges, ascending, none of them empty, no two of them touching.
type Keys []Range

// MaxRows is how many rows a run may have: each run has as many keys for itself.
const MaxRows = 1_000_000_000

// FirstKey is where the keys of a run begin. Runs have keys of their own, so that
// none finds another's rows in the place of its own: of two runs in nine thousand
// million, one would have the keys of the other. The last nine digits of a key are
// the number of its row in the run.
func FirstKey(run uint64) int64 {
	const places = 1<<63/MaxRows - 1 // the first is that of runs that began at key 0
	return int64(run%places+1) * MaxRows
}

// Count is how many keys there are.
func (k Keys) Count() int64 {
	var n int64
	for _, r := range k {
		n += r.Rows
	}
	return n
}

// Find is the number of the range that has a key; -1 if none has.
func (k Keys) Find(key int64) int {
	at := 0
	if len(k) > 1 {
		at = sort.Search(len(k), func(i int) bool { return k[i].End() > key })
	}
	if at == len(k) || key < k[at].First || key >= k[at].End() {
		return -1
	}
	return at
}

// Check says what keeps them from being keys.
func (k Keys) Check() error {
	for i, r := range k {
		switch {
		case r.Rows < 1 || r.End() < r.First:
			return fmt.Errorf("no room for %d keys from %d", r.Rows, r.First)
		case i > 0 && k[i-1].End() >= r.First:
			return fmt.Errorf("keys from %d on are not after those from %d on", r.First, k[i-1].First)
		}
	}
	return nil
}

// FirstN are the first n of them, or all.
func (k Keys) FirstN(n int64) Keys {
	var out Keys
	for _, r := range k {
		if n <= 0 {
			break
		}
		r.Rows = min(r.Rows, n)
		n -= r.Rows
		out = append(out, r)
	}
	return out
}

// Split divides them into parts for loaders, equal but for one row. Loaders that
// would get no rows are left out.
func (k Keys) Split(loaders int) []Keys {
	var out []Keys
	rest := slices.Clone(k)
	n, rows := int64(max(loaders, 1)), k.Count()
	for i := range n {
		size := rows / n
		if i < rows%n {
			size++
		}
		if size == 0 {
			continue
		}
		part := rest.FirstN(size)
		out = append(out, part)
		for _, r := range part {
			if r.Rows == rest[0].Rows {
				rest = rest[1:]
			} else {
				rest[0] = Range{rest[0].First + r.Rows, rest[0].Rows - r.Rows}
			}
		}
	}
	return out
}

// Join puts ranges in order and those that touch together. False says that two
// of them overlap.
func Join(ranges []Range) (Keys, bool) {
	sorted := slices.Clone(ranges)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].First < sorted[j].First })
	var out Keys
	for _, r := range sorted {
		if r.Rows == 0 {
			continue
		}
		last := len(out) - 1
		switch {
		case last < 0 || out[last].End() < r.First:
			out = append(out, r)
		case out[last].End() == r.First:
			out[last].Rows += r.Rows
		default:
			return nil, false
		}
	}
	return out, true
}

// Index finds the i-th key in constant time where there is one range, which is
// nearly always, and by halves where there are more.
type Index struct {
	keys Keys
	ends []int64 // how many keys there are up to the end of each range
}

// NewIndex is the index of some keys.
func NewIndex(k Keys) Index {
	x := Index{keys: k}
	var n int64
	for _, r := range k {
		n += r.Rows
		x.ends = append(x.ends, n)
	}
	return x
}

// Key is the i-th key, from 0.
func (x Index) Key(i int64) int64 {
	at := 0
	if len(x.ends) > 1 {
		at = sort.Search(len(x.ends), func(j int) bool { return x.ends[j] > i })
	}
	r := x.keys[at]
	return r.First + i - (x.ends[at] - r.Rows)
}
