package record

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// TruncatedError says that raw results break off: the writer was killed, or the
// rest is damaged. All records before Offset have been read.
type TruncatedError struct {
	Offset int64 // of the block that is not whole
	Reason string
	// Damaged says that the bytes are there and make no sense, as no writer that
	// was killed leaves them.
	Damaged bool
}

func (e *TruncatedError) Error() string {
	if e.Damaged {
		return fmt.Sprintf("the results are damaged at byte %d: %s; what follows is not counted", e.Offset, e.Reason)
	}
	return fmt.Sprintf("the results end early, about a second before the phase was cut short (byte %d: %s)", e.Offset, e.Reason)
}

// ContradictionError says that the raw results of a phase contradict themselves: keys
// that are there twice, or that nobody asked for. No figure can be made of them.
type ContradictionError struct {
	Op     string
	Reason string
}

func (e *ContradictionError) Error() string {
	return fmt.Sprintf("the results of the %s contradict themselves, so nothing can be counted from them: %s", e.Op, e.Reason)
}

// ErrNotRaw says that the input does not begin like raw results.
var ErrNotRaw = errors.New("not raw results of a stress phase, or of another format version")

// Reader reads raw results back.
type Reader struct {
	r      *bufio.Reader
	offset int64 // of the next block
	phase  Phase
	end    *End

	block   []byte // what is left of the current one
	buf     []byte
	key     int64
	start   int64
	hosts   []string
	classes []errorClass
}

type errorClass struct{ name, example string }

// NewReader reads up to the Phase. Input that is not raw results gives ErrNotRaw.
func NewReader(r io.Reader) (*Reader, error) {
	rd := &Reader{r: bufio.NewReaderSize(r, 64<<10), hosts: []string{""}}
	mark := make([]byte, len(rawMark))
	if _, err := io.ReadFull(rd.r, mark); err != nil || string(mark) != rawMark {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("reading raw results: %w", err)
		}
		return nil, ErrNotRaw
	}
	rd.offset = int64(len(rawMark))
	kind, payload, err := rd.next()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = rd.truncated("there is no description of the phase")
		}
		return nil, err
	}
	if kind != blockPhase {
		return nil, ErrNotRaw
	}
	if err := json.Unmarshal(payload, &rd.phase); err != nil {
		return nil, fmt.Errorf("reading raw results: description of the phase: %w", err)
	}
	if p := rd.phase; p.Rows != 0 || len(p.Keys) > 0 {
		err := p.Asked().Check()
		if err == nil && p.Asked().Count() != p.Rows {
			err = fmt.Errorf("%d rows, and %d keys", p.Rows, p.Asked().Count())
		}
		if err != nil {
			return nil, fmt.Errorf("reading raw results: description of the phase: %w", err)
		}
	}
	return rd, nil
}

// Phase is what was asked for.
func (rd *Reader) Phase() Phase { return rd.phase }

// End is what the phase ended with, once Next has given io.EOF; nil if the
// results break off before it.
func (rd *Reader) End() *End { return rd.end }

// Next gives the next record into rec. After the last one it gives io.EOF, or a
// *TruncatedError if the results have no proper end.
func (rd *Reader) Next(rec *Record) error {
	for len(rd.block) == 0 {
		at := rd.offset
		kind, payload, err := rd.next()
		if err != nil {
			if errors.Is(err, io.EOF) && rd.end == nil {
				return rd.truncated("there is no end of the phase")
			}
			return err
		}
		if rd.end != nil {
			return &TruncatedError{at, "there is more after the end of the phase", true}
		}
		switch kind {
		case blockRecords:
			rd.block, rd.key, rd.start = payload, 0, 0
		case blockEnd:
			rd.end = &End{}
			if err := json.Unmarshal(payload, rd.end); err != nil {
				rd.end = nil
				return &TruncatedError{at, "the end of the phase makes no sense", true}
			}
		default:
			return &TruncatedError{at, fmt.Sprintf("a block of unknown kind %q", kind), true}
		}
	}
	return rd.decode(rec)
}

// next reads a block. Blocks that are not whole, or whose checksum does not hold,
// end the reading: what follows cannot be found.
func (rd *Reader) next() (kind byte, payload []byte, err error) {
	var head [blockHead]byte
	n, err := io.ReadFull(rd.r, head[:])
	if errors.Is(err, io.EOF) {
		return 0, nil, io.EOF
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, nil, rd.truncated(fmt.Sprintf("%d bytes of a block head", n))
	}
	if err != nil {
		return 0, nil, fmt.Errorf("reading raw results: %w", err)
	}
	size := binary.LittleEndian.Uint32(head[:])
	if size == 0 || size > blockMax {
		return 0, nil, rd.damaged(fmt.Sprintf("a block of %d bytes", size))
	}
	if cap(rd.buf) < int(size) {
		rd.buf = make([]byte, size)
	}
	b := rd.buf[:size]
	if n, err := io.ReadFull(rd.r, b); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			// No block is much longer than it is when it is full.
			reason := fmt.Sprintf("%d of %d bytes of a block", n, size)
			if size > 2*blockFull {
				return 0, nil, rd.damaged(reason)
			}
			return 0, nil, rd.truncated(reason)
		}
		return 0, nil, fmt.Errorf("reading raw results: %w", err)
	}
	if crc32.Checksum(b, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return 0, nil, rd.damaged("a block with a wrong checksum")
	}
	rd.offset += blockHead + int64(size)
	return b[0], b[1:], nil
}

func (rd *Reader) truncated(reason string) error {
	return &TruncatedError{Offset: rd.offset, Reason: reason}
}

func (rd *Reader) damaged(reason string) error {
	return &TruncatedError{Offset: rd.offset, Reason: reason, Damaged: true}
}

// errRecord: a block whose checksum holds does not decode, so another program
// wrote it.
var errRecord = errors.New("reading raw results: a record that does not decode")

func (rd *Reader) decode(rec *Record) error {
	p := parser{b: rd.block}
	tag := p.byte()
	for tag == 0 && !p.bad {
		switch p.byte() {
		case defineHost:
			rd.hosts = append(rd.hosts, p.string())
		case defineClass:
			rd.classes = append(rd.classes, errorClass{p.string(), p.string()})
		default:
			p.bad = true
		}
		tag = p.byte()
	}
	*rec = Record{Outcome: Outcome(tag & tagOutcome), Lag: -1}
	rd.key += p.varint()
	rd.start += p.varint()
	rec.Key = rd.key
	rec.Start = micros(rd.start)
	rec.Service = micros(int64(p.uvarint()))
	host := p.uvarint()
	if host >= uint64(len(rd.hosts)) {
		p.bad = true
	} else {
		rec.Coordinator = rd.hosts[host]
	}
	if tag&tagDelay != 0 {
		rec.Delay = micros(int64(p.uvarint()))
	}
	if tag&tagClass != 0 {
		class := p.uvarint()
		if class >= uint64(len(rd.classes)) {
			p.bad = true
		} else {
			rec.Class, rec.Example = rd.classes[class].name, rd.classes[class].example
		}
	}
	if tag&tagAttempt != 0 {
		rec.Attempt = int(p.uvarint())
	}
	if tag&tagExtra != 0 {
		extra := p.uvarint()
		if rec.Outcome == Missing || rec.Outcome == Wrong {
			rec.Written = Outcome(extra)
		} else {
			rec.Lag = micros(int64(extra))
		}
	}
	if p.bad || rec.Outcome == 0 || rec.Outcome > Wrong {
		return errRecord
	}
	rd.block = p.b
	return nil
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// parser takes values off the front of a block; bad says that one was not there.
type parser struct {
	b   []byte
	bad bool
}

func (p *parser) byte() byte {
	if len(p.b) == 0 {
		p.bad = true
		return 0
	}
	c := p.b[0]
	p.b = p.b[1:]
	return c
}

func (p *parser) varint() int64 {
	v, n := binary.Varint(p.b)
	return int64(p.took(uint64(v), n))
}

func (p *parser) uvarint() uint64 {
	v, n := binary.Uvarint(p.b)
	return p.took(v, n)
}

func (p *parser) took(v uint64, n int) uint64 {
	if n <= 0 {
		p.bad = true
		p.b = nil
		return 0
	}
	p.b = p.b[n:]
	return v
}

func (p *parser) string() string {
	n := p.uvarint()
	if n > uint64(len(p.b)) {
		p.bad = true
		p.b = nil
		return ""
	}
	s := string(p.b[:n])
	p.b = p.b[n:]
	return s
}
