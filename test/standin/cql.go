package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
)

// Opcodes of the native protocol that are spoken.
const (
	opError     = 0x00
	opStartup   = 0x01
	opReady     = 0x02
	opOptions   = 0x05
	opSupported = 0x06
	opQuery     = 0x07
	opResult    = 0x08
	opPrepare   = 0x09
	opExecute   = 0x0a
	opRegister  = 0x0b
)

// frame is one request.
type frame struct {
	version byte
	stream  int
	op      byte
	body    *buffer
}

// buffer reads what a frame is made of. A read past the end gives zeros and is noted.
type buffer struct {
	b     []byte
	short bool
}

func (r *buffer) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.short = true
		return make([]byte, max(n, 0)&0xffff)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *buffer) byte() byte       { return r.take(1)[0] }
func (r *buffer) uint16() int      { return int(binary.BigEndian.Uint16(r.take(2))) }
func (r *buffer) int32() int       { return int(int32(binary.BigEndian.Uint32(r.take(4)))) }
func (r *buffer) text() string     { return string(r.take(r.uint16())) }
func (r *buffer) longText() string { return string(r.take(r.int32())) }

func (r *buffer) bytes() []byte {
	if n := r.int32(); n >= 0 {
		return r.take(n)
	}
	return nil
}

// values are those bound to a statement, as each version of the protocol sends them.
func (r *buffer) values(version byte, executed bool) [][]byte {
	read := func() [][]byte {
		var all [][]byte
		for range r.uint16() {
			all = append(all, r.bytes())
		}
		return all
	}
	if version == 1 {
		if executed {
			return read()
		}
		return nil
	}
	r.uint16() // consistency: one copy of a row has no other
	if flags := r.byte(); flags&1 != 0 {
		return read()
	}
	return nil
}

// writer makes a frame.
type writer struct{ b []byte }

func (w *writer) uint16(n int)        { w.b = binary.BigEndian.AppendUint16(w.b, uint16(n)) }
func (w *writer) int32(n int)         { w.b = binary.BigEndian.AppendUint32(w.b, uint32(int32(n))) }
func (w *writer) text(s string)       { w.uint16(len(s)); w.b = append(w.b, s...) }
func (w *writer) shortBytes(b []byte) { w.uint16(len(b)); w.b = append(w.b, b...) }

func (w *writer) bytes(b []byte) {
	if b == nil {
		w.int32(-1)
		return
	}
	w.int32(len(b))
	w.b = append(w.b, b...)
}

// Types of columns.
const (
	typeBigint  = 0x02
	typeBlob    = 0x03
	typeUUID    = 0x0c
	typeVarchar = 0x0d
	typeInet    = 0x10
	typeMap     = 0x21
	typeSet     = 0x22
)

// column has a name and a type; the elements of collections are texts.
type column struct {
	name string
	kind int
}

func (w *writer) kind(kind int) {
	w.uint16(kind)
	for range map[int]int{typeMap: 2, typeSet: 1}[kind] {
		w.uint16(typeVarchar)
	}
}

// metadata writes columns of a table.
func (w *writer) metadata(keyspace, table string, columns []column) {
	w.int32(1) // one table for all
	w.int32(len(columns))
	w.text(keyspace)
	w.text(table)
	for _, c := range columns {
		w.text(c.name)
		w.kind(c.kind)
	}
}

// failure is an error that a client is told, with the protocol's code.
type failure struct {
	code           int
	message        string
	keyspace, name string // of what is there already
}

func (f *failure) Error() string { return f.message }

const (
	codeInvalid       = 0x2200
	codeAlreadyExists = 0x2400
	codeUnprepared    = 0x2500
)

// serveCQL answers clients.
func (n *node) serveCQL(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			if err := n.talk(conn); !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				n.log("WARN client: %v", err)
			}
		}()
	}
}

// client is one connection of a client.
type client struct {
	n        *node
	keyspace string
}

// talk answers a client until it goes, or says what went wrong.
func (n *node) talk(conn net.Conn) error {
	in, out := bufio.NewReaderSize(conn, 1<<16), bufio.NewWriterSize(conn, 1<<16)
	c := &client{n: n}
	for {
		f, err := readFrame(in)
		if err != nil {
			return err
		}
		op, body := c.reply(f)
		head := []byte{f.version | 0x80, 0}
		if f.version < 3 {
			head = append(head, byte(f.stream))
		} else {
			head = binary.BigEndian.AppendUint16(head, uint16(f.stream))
		}
		head = append(head, op)
		head = binary.BigEndian.AppendUint32(head, uint32(len(body)))
		if _, err := out.Write(append(head, body...)); err != nil {
			return err
		}
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

func readFrame(in io.Reader) (frame, error) {
	var f frame
	head := make([]byte, 9)
	if _, err := io.ReadFull(in, head[:1]); err != nil {
		return f, err
	}
	f.version = head[0]
	if f.version < 1 || f.version > 4 {
		return f, fmt.Errorf("version %d of the protocol", f.version)
	}
	rest := head[1:8]
	if f.version > 2 {
		rest = head[1:9]
	}
	if _, err := io.ReadFull(in, rest); err != nil {
		return f, err
	}
	r := &buffer{b: rest[1:]}
	if f.version > 2 {
		f.stream = r.uint16()
	} else {
		f.stream = int(r.byte())
	}
	f.op = r.byte()
	const most = 256 << 20
	size := r.int32()
	if size < 0 || size > most {
		return f, fmt.Errorf("a frame of %d bytes", size)
	}
	body := make([]byte, size)
	_, err := io.ReadFull(in, body)
	f.body = &buffer{b: body}
	return f, err
}

func (c *client) reply(f frame) (byte, []byte) {
	w := &writer{}
	var err error
	op := byte(opResult)
	switch f.op {
	case opOptions:
		op = opSupported
		w.uint16(1)
		w.text("CQL_VERSION")
		w.uint16(1)
		w.text("3.0.0")
	case opStartup, opRegister:
		op = opReady
	case opQuery:
		err = c.query(w, f.version, f.body.longText(), f.body.values(f.version, false))
	case opPrepare:
		err = c.prepare(w, f.version, f.body.longText())
	case opExecute:
		id := f.body.text()
		text, ok := prepared.Load(id)
		if !ok {
			err = &failure{code: codeUnprepared, message: "not prepared here"}
			break
		}
		err = c.query(w, f.version, text.(string), f.body.values(f.version, true))
	default:
		err = fmt.Errorf("opcode %d is not spoken here", f.op)
	}
	if err == nil && f.body.short {
		err = errors.New("the frame ends too early")
	}
	if err == nil {
		return op, w.b
	}
	w = &writer{}
	told := &failure{code: codeInvalid, message: err.Error()}
	errors.As(err, &told)
	w.int32(told.code)
	w.text(told.message)
	switch told.code {
	case codeAlreadyExists:
		w.text(told.keyspace)
		w.text(told.name)
	case codeUnprepared:
		w.shortBytes(nil)
	}
	return opError, w.b
}

// prepared has the text of statements by their id, which is the text.
var prepared sync.Map

func (c *client) prepare(w *writer, version byte, text string) error {
	s, err := parse(text, c.keyspace)
	if err != nil {
		return err
	}
	key := fmt.Sprintf("%s %s", c.keyspace, text)
	prepared.Store(key, text)
	w.int32(4)
	w.text(key)
	if version >= 4 {
		w.int32(1)
		w.int32(len(s.bound))
		w.int32(0) // no columns that a client could route by
		w.text(s.keyspace)
		w.text(s.table)
		for _, b := range s.bound {
			w.text(b.name)
			w.kind(b.kind)
		}
	} else {
		w.metadata(s.keyspace, s.table, s.bound)
	}
	if version >= 2 {
		w.metadata(s.keyspace, s.table, c.n.columns(s))
	}
	return nil
}

func (c *client) query(w *writer, _ byte, text string, values [][]byte) error {
	s, err := parse(text, c.keyspace)
	if err != nil {
		return err
	}
	switch s.verb {
	case "USE":
		c.keyspace = s.keyspace
		w.int32(3)
		w.text(s.keyspace)
		return nil
	case "SELECT":
		rows, err := c.n.rowsOf(s, values)
		if err != nil {
			return err
		}
		w.int32(2)
		w.metadata(s.keyspace, s.table, c.n.columns(s))
		w.int32(len(rows))
		for _, row := range rows {
			for _, cell := range row {
				w.bytes(cell)
			}
		}
		return nil
	}
	if err := c.n.tables.change(s, values); err != nil {
		return err
	}
	if strings.HasPrefix(s.verb, "CREATE") || s.verb == "DROP" {
		w.int32(5)
		w.text("CREATED")
		w.text(s.keyspace)
		w.text(s.table)
		return nil
	}
	w.int32(1)
	return nil
}
