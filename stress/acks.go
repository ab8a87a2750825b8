package stress

import (
	"errors"
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

// LoadAcks reads raw results of writes, as far as they go.
func LoadAcks(raws ...io.Reader) (*Acks, error) {
	a := &Acks{}
	for _, raw := range raws {
		rd, err := NewReader(raw)
		if err != nil {
			return nil, err
		}
		p := rd.Phase()
		if p.Op != OpWrite {
			return nil, errors.New("acknowledgements are in the raw results of a write, not of a " + p.Op)
		}
		r := ackRange{first: p.FirstKey}
		start := p.Start.UnixMicro()
		var rec Record
		for {
			err := rd.Next(&rec)
			var cut *TruncatedError
			if errors.Is(err, io.EOF) || errors.As(err, &cut) {
				break
			}
			if err != nil {
				return nil, err
			}
			i := rec.Key - p.FirstKey
			if i < 0 || i >= p.Rows {
				return nil, errRecord
			}
			for int64(len(r.at)) <= i {
				r.at = append(r.at, ackNone)
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
		a.ranges = append(a.ranges, r)
	}
	return a, nil
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
