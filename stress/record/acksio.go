package record

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// AcksPart is what became of some writes, by the clock of whoever made them.
type AcksPart struct {
	Acks *Acks
	// Shift is what that clock has to be put forward by to be the reader's.
	Shift time.Duration
}

// acksMark begins a stream of acknowledgements.
const acksMark = "crossring acks 1\n"

// WriteAcks sends to another computer what became of the writes of some keys,
// with the times on that computer's clock. It takes two or three bytes a row.
func WriteAcks(w io.Writer, keys Keys, parts ...AcksPart) error {
	z := gzip.NewWriter(w)
	out := bufio.NewWriter(z)
	_, err := out.WriteString(acksMark)
	put := func(v int64) {
		if err == nil {
			_, err = out.Write(binary.AppendVarint(nil, v))
		}
	}
	for _, p := range parts {
		for _, r := range p.Acks.ranges {
			for _, k := range keys {
				first := max(r.first, k.First)
				last := min(r.first+int64(len(r.at)), k.End())
				if first >= last {
					continue
				}
				put(last - first)
				put(first)
				var before int64
				for _, at := range r.at[first-r.first : last-r.first] {
					switch at {
					case ackNone, ackFailed, ackUnknown:
						put(at)
					default:
						// Of neighbours the times are close; three numbers are taken.
						at += p.Shift.Microseconds()
						d := at - before
						if before = at; d >= 0 {
							d++
						} else {
							d += ackUnknown
						}
						put(d)
					}
				}
			}
		}
	}
	put(0)
	if err = errors.Join(err, out.Flush(), z.Close()); err != nil {
		return fmt.Errorf("sending acknowledgements: %w", err)
	}
	return nil
}

// ReadAcks reads what WriteAcks wrote, and nothing of what follows where r is an
// io.ByteReader, too.
func ReadAcks(r io.Reader) (*Acks, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("reading acknowledgements: %w", err)
	}
	z.Multistream(false)
	in := bufio.NewReader(z)
	mark := make([]byte, len(acksMark))
	if _, err := io.ReadFull(in, mark); err != nil {
		return nil, fmt.Errorf("reading acknowledgements: %w", err)
	}
	if string(mark) != acksMark {
		return nil, fmt.Errorf("reading acknowledgements: they begin with %q, not with %q", mark, acksMark)
	}
	a := &Acks{}
	get := func() (v int64) {
		if err == nil {
			v, err = binary.ReadVarint(in)
		}
		return v
	}
	for n := get(); n != 0 && err == nil; n = get() {
		if n < 0 {
			return nil, errors.New("reading acknowledgements: a range of no length")
		}
		rg := ackRange{first: get()}
		var before int64
		for range n {
			v := get()
			if err != nil {
				break
			}
			switch v {
			case ackNone, ackFailed, ackUnknown:
				rg.at = append(rg.at, v)
				continue
			}
			if v > 0 {
				v--
			} else {
				v -= ackUnknown
			}
			before += v
			rg.at = append(rg.at, before)
		}
		a.ranges = append(a.ranges, rg)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, in) // to the checksum at the end
	}
	if err != nil {
		return nil, fmt.Errorf("reading acknowledgements: %w", err)
	}
	return a, nil
}
