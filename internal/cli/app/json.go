package app

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

type jsonField struct {
	key   string
	value json.RawMessage
	elems []json.RawMessage // of a list that was encoded an element at a time; then there is no value
}

// LongList is a document one of whose keys holds a long list. The encoder would put
// the whole of it into one piece of memory, which it doubles and copies on the way:
// where that is tens of megabytes, it takes a third of the command's time.
// The encoded elements stay apart for the same reason; joining them costs half of what
// is saved.
type LongList[E any] struct {
	Doc   any // an object that has the key; its own list is left empty, else it is encoded in vain
	Key   string
	Elems []E
}

func (l LongList[E]) fields() ([]jsonField, error) {
	fields, err := jsonFields(l.Doc)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(fields, func(f jsonField) bool { return f.key == l.Key })
	if i < 0 {
		return nil, fmt.Errorf("%T has no key %q", l.Doc, l.Key)
	}
	if len(l.Elems) == 0 {
		fields[i].value = json.RawMessage("[]")
		return fields, nil
	}
	elems := make([]json.RawMessage, len(l.Elems))
	for n, e := range l.Elems {
		if elems[n], err = Marshal(e); err != nil {
			return nil, err
		}
	}
	fields[i] = jsonField{key: l.Key, elems: elems}
	return fields, nil
}

// jsonFields splits a document into its keys and values, in order.
func jsonFields(doc any) ([]jsonField, error) {
	if doc == nil {
		return nil, nil
	}
	if l, ok := doc.(interface{ fields() ([]jsonField, error) }); ok {
		return l.fields()
	}
	data, err := Marshal(doc)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(data, []byte("null")) { // a nil pointer
		return nil, nil
	}
	if data[0] != '{' {
		return nil, fmt.Errorf("%T is not an object", doc)
	}
	var fields []jsonField
	for rest := data[1:]; rest[0] != '}'; {
		end := stringEnd(rest)
		var key string
		if err := json.Unmarshal(rest[:end], &key); err != nil {
			return nil, err
		}
		rest = rest[end+1:] // the colon
		end = valueEnd(rest)
		fields = append(fields, jsonField{key: key, value: json.RawMessage(rest[:end])})
		if rest = rest[end:]; rest[0] == ',' {
			rest = rest[1:]
		}
	}
	return fields, nil
}

// stringEnd is where the string ends that data begins with. Like valueEnd it reads
// what the encoder has just written, without blanks, and does not check it again:
// documents of many nodes are tens of megabytes.
func stringEnd(data []byte) int {
	for i := 1; ; i++ {
		i += bytes.IndexByte(data[i:], '"')
		escapes := 0
		for data[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
}

// valueEnd is where the value ends that data begins with, inside an object.
func valueEnd(data []byte) int {
	depth := 0
	for i := 0; ; {
		switch data[i] {
		case '"':
			i += stringEnd(data[i:])
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
}

// write writes the field's value, set out in lines, inside an object of depth 0.
func (f jsonField) write(w *bufio.Writer) {
	if f.elems == nil {
		indent(w, f.value, 1)
		return
	}
	before := "[\n    "
	for _, e := range f.elems {
		w.WriteString(before)
		before = ",\n    "
		indent(w, e, 2)
	}
	w.WriteString("\n  ]")
}

// indent writes a value as json.Indent does with two blanks, a depth inside. Like
// valueEnd it trusts the encoder: to check a large document again takes longer than to
// make it.
func indent(w *bufio.Writer, value []byte, depth int) {
	line := func() {
		w.WriteByte('\n')
		for range depth {
			w.WriteString("  ")
		}
	}
	for i := 0; i < len(value); i++ {
		switch c := value[i]; c {
		case '"':
			end := i + stringEnd(value[i:])
			w.Write(value[i:end])
			i = end - 1
		case '{', '[':
			w.WriteByte(c)
			if next := value[i+1]; next == '}' || next == ']' {
				w.WriteByte(next)
				i++
				continue
			}
			depth++
			line()
		case '}', ']':
			depth--
			line()
			w.WriteByte(c)
		case ',':
			w.WriteByte(c)
			line()
		case ':':
			w.WriteString(": ")
		default:
			w.WriteByte(c)
		}
	}
}

// Marshal is json.Marshal that leaves <, > and & as they are: the documents
// are read by programs and people, not put into HTML.
func Marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(buf.Bytes()), nil
}
