package record

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Acks is what became of each write, from the raw results of a write phase. It
// takes eight bytes a row.
type Acks struct {
	ranges []ackRange
}

type ackRange struct {
	first int64
	at    []int64 // by key - first: µs since the epoch of the acknowledgement, or one of the following
}

const (
	ackNone    = 0 // not attempted
	ackFailed  = -1
	ackUnknown = -2
)

// LoadAcks reads raw results of writes, as far as they go. Results that contradict
// themselves give a *ContradictionError.
func LoadAcks(raws ...io.Reader) (*Acks, error) {
	a := &Acks{}
	var all []Range
	for _, raw := range raws {
		rd, err := NewReader(raw)
		var cut *TruncatedError
		if errors.As(err, &cut) {
			continue // nothing is on record there
		}
		if err != nil {
			return nil, err
		}
		p := rd.Phase()
		if p.Op != OpWrite {
			return nil, errors.New("acknowledgements are in the raw results of a write, not of a " + p.Op)
		}
		all = append(all, p.Asked()...)
		if _, ok := Join(all); !ok {
			return nil, &ContradictionError{OpWrite, "the results of two loaders, or of two phases, have keys in common"}
		}
		first := len(a.ranges)
		for _, r := range p.Asked() {
			a.ranges = append(a.ranges, ackRange{first: r.First})
		}
		keys, start := p.Asked(), p.Start.UnixMicro()
		var rec Record
		for {
			err := rd.Next(&rec)
			if errors.Is(err, io.EOF) || errors.As(err, &cut) {
				break
			}
			if err != nil {
				return nil, err
			}
			at := keys.Find(rec.Key)
			if at < 0 {
				return nil, &ContradictionError{OpWrite, fmt.Sprintf("key %d is on record, and was not among those asked for", rec.Key)}
			}
			r := &a.ranges[first+at]
			i := rec.Key - r.first
			for int64(len(r.at)) <= i {
				r.at = append(r.at, ackNone)
			}
			if r.at[i] != ackNone {
				return nil, &ContradictionError{OpWrite, fmt.Sprintf("key %d is on record twice", rec.Key)}
			}
			switch rec.Outcome {
			case Acknowledged:
				r.at[i] = start + (rec.Start + rec.Service).Microseconds()
			case Failed:
				r.at[i] = ackFailed
			default:
				r.at[i] = ackUnknown
			}
		}
	}
	return a, nil
}

// Keys are those whose write is on record, however it ended.
func (a *Acks) Keys() Keys { return a.where(func(at int64) bool { return at != ackNone }) }

// Acknowledged are the keys whose write was acknowledged.
func (a *Acks) Acknowledged() Keys { return a.where(func(at int64) bool { return at > ackNone }) }

func (a *Acks) where(wanted func(at int64) bool) Keys {
	if a == nil {
		return nil
	}
	var ranges []Range
	for _, r := range a.ranges {
		for i, at := range r.at {
			key := r.first + int64(i)
			switch last := len(ranges) - 1; {
			case !wanted(at):
			case last >= 0 && ranges[last].End() == key:
				ranges[last].Rows++
			default:
				ranges = append(ranges, Range{key, 1})
			}
		}
	}
	keys, _ := Join(ranges)
	return keys
}

// Lookup gives the outcome of the write of a key, and the time of its
// acknowledgement if it was acknowledged. The outcome is 0 if the key was not
// written. A nil Acks knows of no writes.
func (a *Acks) Lookup(key int64) (Outcome, time.Time) {
	if a == nil {
		return 0, time.Time{}
	}
	for _, r := range a.ranges {
		i := key - r.first
		if i < 0 || i >= int64(len(r.at)) {
			continue
		}
		switch at := r.at[i]; at {
		case ackNone:
			continue
		case ackFailed:
			return Failed, time.Time{}
		case ackUnknown:
			return Unknown, time.Time{}
		default:
			return Acknowledged, time.UnixMicro(at)
		}
	}
	return 0, time.Time{}
}
