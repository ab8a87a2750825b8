package results

import (
	"fmt"
	"sort"

	"crossring/stress/record"
)

// state is what became of one row in a phase.
type state uint8

const (
	unseen     state = iota // not attempted, as far as is on record
	wrote                   // acknowledged
	refusedOne              // the write failed
	unclear                 // the write has no known outcome
	seenFirst               // found by the first read
	seenLate                // found by a later one
	notThere                // missing whenever it was read so far
	stale                   // another run's row was seen in its place, and its own not so far
	seenWrong
	unreadable
	states
)

// firstState is what a first attempt makes of a row; unseen where the operation
// has no such outcome.
func firstState(op string, r *record.Record) state {
	if op == record.OpWrite {
		switch r.Outcome {
		case record.Acknowledged:
			return wrote
		case record.Failed:
			return refusedOne
		case record.Unknown:
			return unclear
		}
		return unseen
	}
	switch r.Outcome {
	case record.Found:
		return seenFirst
	case record.Missing:
		return notThere
	case record.Failed:
		return unreadable
	case record.Wrong:
		if r.Stale() {
			return stale
		}
		return seenWrong
	}
	return unseen
}

// span is the state of the rows of a range of keys.
type span struct {
	record.Range
	state []state // by key - First; as long as is needed
}

// ledger has the state of each row of a phase, a byte a row.
type ledger struct {
	op    string
	spans []*span // ascending
	last  *span   // that the last key was in
}

// contradiction is what the results are refused for.
func (l *ledger) contradiction(format string, args ...any) error {
	return &record.ContradictionError{Op: l.op, Reason: fmt.Sprintf(format, args...)}
}

// admit takes the keys of another stream in. They must be new.
func (l *ledger) admit(k record.Keys) error {
	for _, r := range k {
		at := sort.Search(len(l.spans), func(i int) bool { return l.spans[i].First >= r.First })
		before, after := at-1, at
		if before >= 0 && l.spans[before].End() > r.First || after < len(l.spans) && r.End() > l.spans[after].First {
			return l.contradiction("the results of two loaders, or of two phases, have keys from %d on", r.First)
		}
		l.spans = append(l.spans, nil)
		copy(l.spans[at+1:], l.spans[at:])
		l.spans[at] = &span{Range: r}
	}
	return nil
}

// of is the place of a key; nil if nobody asked for it.
func (l *ledger) of(key int64) *state {
	s := l.last
	if s == nil || key < s.First || key >= s.End() {
		at := sort.Search(len(l.spans), func(i int) bool { return l.spans[i].End() > key })
		if at == len(l.spans) || key < l.spans[at].First {
			return nil
		}
		s = l.spans[at]
		l.last = s
	}
	i := key - s.First
	for int64(len(s.state)) <= i {
		s.state = append(s.state, unseen)
	}
	return &s.state[i]
}

// first notes a first attempt.
func (l *ledger) first(r *record.Record) error {
	at, now := l.of(r.Key), firstState(l.op, r)
	switch {
	case at == nil:
		return l.contradiction("key %d is on record, and was not among those asked for", r.Key)
	case *at != unseen:
		return l.contradiction("key %d is on record twice", r.Key)
	case now == unseen:
		return l.contradiction("key %d is on record as %s", r.Key, r.Outcome)
	}
	*at = now
	return nil
}

// again notes a further attempt at a row that is not there so far, and says
// whether it was found now.
func (l *ledger) again(r *record.Record) (found bool, err error) {
	at := l.of(r.Key)
	if at == nil || *at != notThere && *at != stale {
		return false, l.contradiction("key %d was read again without having been missing", r.Key)
	}
	switch {
	case r.Stale():
		*at = stale
	case r.Outcome == record.Found:
		*at = seenLate
		return true, nil
	case r.Outcome == record.Wrong:
		*at = seenWrong
	}
	return false, nil
}

// counts is how many rows are in each state.
func (l *ledger) counts() (n [states]int64) {
	for _, s := range l.spans {
		for _, st := range s.state {
			n[st]++
		}
	}
	return n
}

// Reads is what became of some rows at the read. Each counts once.
type Reads struct {
	Found   int64 `json:"found"`   // by the first read
	Late    int64 `json:"late"`    // by a later one
	Missing int64 `json:"missing"` // never, up to the deadline
	Wrong   int64 `json:"wrong"`   // other bytes, another run's among them
	Failed  int64 `json:"failed"`  // the read had no answer
	Unread  int64 `json:"unread"`  // not read, or not yet
}

// Rows is how many rows they are.
func (r Reads) Rows() int64 {
	return r.Found + r.Late + r.Missing + r.Wrong + r.Failed + r.Unread
}

// There is how many of them are there, with the right bytes.
func (r Reads) There() int64 { return r.Found + r.Late }

// Outcomes has each row of a run once, by the outcome of its write and of its read.
type Outcomes struct {
	Acknowledged Reads `json:"acknowledged"`
	Failed       Reads `json:"failed"`
	Unknown      Reads `json:"unknown"`
}

// Account is what became of the rows of a run. Every sentence about rows is made
// from it.
type Account struct {
	// Outcomes is null where the results of the write are not at hand.
	Outcomes *Outcomes `json:"outcomes"`
	// Lost are the acknowledged rows that are missing, or have another run's bytes,
	// at the deadline. Null where that can't be known: without the results of the
	// write or of a read, or where those of the write are damaged.
	Lost *int64 `json:"lost"`
}

// account holds the rows of a write against those of a read, which may be nil.
// Strangers is how many rows were read that are not on record as written.
func account(write, read *ledger) (o Outcomes, lost, strangers int64) {
	of := func(s state) *Reads {
		switch s {
		case wrote:
			return &o.Acknowledged
		case refusedOne:
			return &o.Failed
		case unclear:
			return &o.Unknown
		}
		return nil
	}
	for _, w := range write.spans {
		for _, s := range w.state {
			if rows := of(s); rows != nil {
				rows.Unread++
			}
		}
	}
	if read == nil {
		return o, 0, 0
	}
	put := func(written, seen state) {
		rows := of(written)
		if seen == unseen {
			return
		}
		if rows == nil {
			strangers++
			return
		}
		rows.Unread--
		switch seen {
		case seenFirst:
			rows.Found++
		case seenLate:
			rows.Late++
		case notThere:
			rows.Missing++
		case stale, seenWrong:
			rows.Wrong++
		case unreadable:
			rows.Failed++
		}
		if written == wrote && (seen == notThere || seen == stale) {
			lost++
		}
	}
	for _, r := range read.spans {
		// Both ascend, so what is at hand is where the next key is, or before it.
		at := sort.Search(len(write.spans), func(j int) bool { return write.spans[j].End() > r.First })
		for i, seen := range r.state {
			key := r.First + int64(i)
			for at < len(write.spans) && write.spans[at].End() <= key {
				at++
			}
			written := unseen
			if at < len(write.spans) {
				if w := write.spans[at]; key >= w.First && key-w.First < int64(len(w.state)) {
					written = w.state[key-w.First]
				}
			}
			put(written, seen)
		}
	}
	return o, lost, strangers
}
