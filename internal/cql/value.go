package cql

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A cell of an answer is one of these: nil for null, bool, json.Number, string for what CQL
// writes in quotes, Word for what it writes without and JSON has no type for, List, Tuple
// and Object.
type (
	// Word is a uuid, a blob, a duration, or a number that is none to JSON: NaN.
	Word string
	// List is a list, a set or a vector; Open and Close are its brackets.
	List struct {
		Open, Close string
		Items       []any
	}
	// Object is a map, in the server's order, or a user-defined type, with its fields.
	Object []Pair
)

// Pair is an entry of a map; the key of a field is a Word.
type Pair struct{ Key, Value any }

// MarshalJSON makes a list of it, also of a tuple.
func (l List) MarshalJSON() ([]byte, error) {
	if l.Items == nil {
		return []byte("[]"), nil
	}
	return json.Marshal(l.Items)
}

// MarshalJSON makes an object of it, in order. Keys that are not text are written as text.
func (o Object) MarshalJSON() ([]byte, error) {
	b := []byte("{")
	for i, p := range o {
		if i > 0 {
			b = append(b, ',')
		}
		for j, v := range []any{Text(p.Key), p.Value} {
			data, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			if b = append(b, data...); j == 0 {
				b = append(b, ':')
			}
		}
	}
	return append(b, '}'), nil
}

// Text is a cell as cqlsh shows it, near enough: text without quotes, but for what is
// inside something else.
func Text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return literalOf(v)
}

func literalOf(v any) string {
	var parts []string
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	case List:
		for _, item := range v.Items {
			parts = append(parts, literalOf(item))
		}
		return v.Open + strings.Join(parts, ", ") + v.Close
	case Object:
		for _, p := range v {
			parts = append(parts, literalOf(p.Key)+": "+literalOf(p.Value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}

// errShort says that a value has fewer bytes than its type needs.
var errShort = errors.New("fewer bytes than the type needs")

// decode reads a value from its bytes; nil bytes are null. What can't be read as its type is
// shown as the blob that it is.
func decode(t typ, data []byte) any {
	v, err := t.read(data)
	if err != nil {
		return blob(data)
	}
	return v
}

func blob(data []byte) any { return Word("0x" + hex.EncodeToString(data)) }

// read reads a value. An empty one of a type that has none is empty text: servers keep such
// values of old clients.
func (t typ) read(data []byte) (any, error) {
	if data == nil {
		return nil, nil
	}
	switch t.kind {
	case "list", "set", "map":
		return t.collection(data)
	case "tuple", "udt":
		return t.fields(data)
	case "vector":
		return t.vector(data)
	case "text":
		return string(data), nil
	case "blob":
		return blob(data), nil
	case "varint":
		if len(data) > 0 {
			return json.Number(whole(data).String()), nil
		}
	case "decimal":
		if len(data) > 4 {
			return json.Number(decimal(whole(data[4:]), int32(binary.BigEndian.Uint32(data)))), nil
		}
	case "duration":
		if len(data) > 0 {
			return duration(data)
		}
	case "inet":
		if ip, ok := netip.AddrFromSlice(data); ok {
			return ip.String(), nil
		}
	case "":
		return blob(data), nil
	}
	if len(data) == 0 {
		return "", nil
	}
	if need := t.size(); need == 0 || len(data) != need {
		return nil, errShort
	}
	n := int64(0)
	for i, b := range data[:min(len(data), 8)] {
		if n = n<<8 | int64(b); i == 0 {
			n = int64(int8(b))
		}
	}
	switch t.kind {
	case "boolean":
		return data[0] != 0, nil
	case "float":
		f := math.Float32frombits(uint32(n))
		return real(float64(f), fmt.Sprint(f)), nil
	case "double":
		f := math.Float64frombits(uint64(n))
		return real(f, fmt.Sprint(f)), nil
	case "timestamp":
		return time.UnixMilli(n).UTC().Format("2006-01-02 15:04:05.000-0700"), nil
	case "date":
		return time.Unix(0, 0).UTC().AddDate(0, 0, int(int64(uint32(n))-1<<31)).Format(time.DateOnly), nil
	case "time":
		return time.Unix(0, n).UTC().Format("15:04:05.000000000"), nil
	case "uuid":
		h := hex.EncodeToString(data)
		return Word(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]), nil
	}
	return json.Number(strconv.FormatInt(n, 10)), nil
}

// real is a number with a fraction; JSON has no NaN and no infinities.
func real(f float64, text string) any {
	switch {
	case math.IsNaN(f):
		return Word("NaN")
	case math.IsInf(f, 0):
		return Word(strings.TrimPrefix(strings.Replace(text, "Inf", "Infinity", 1), "+"))
	}
	return json.Number(text)
}

// whole is a number in two's complement, big endian.
func whole(data []byte) *big.Int {
	n := new(big.Int).SetBytes(data)
	if data[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(data))*8))
	}
	return n
}

// decimal writes n·10^-scale as Java's BigDecimal does: without an exponent, unless the
// scale is below 0 or the number is below a millionth.
func decimal(n *big.Int, scale int32) string {
	digits := new(big.Int).Abs(n).String()
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
	}
	exponent := int64(len(digits)) - 1 - int64(scale)
	switch {
	case scale == 0:
		return sign + digits
	case scale > 0 && exponent >= -6:
		if missing := int(scale) + 1 - len(digits); missing > 0 {
			digits = strings.Repeat("0", missing) + digits
		}
		at := len(digits) - int(scale)
		return sign + digits[:at] + "." + digits[at:]
	}
	text := sign + digits[:1]
	if len(digits) > 1 {
		text += "." + digits[1:]
	}
	if exponent != 0 {
		text += fmt.Sprintf("E%+d", exponent)
	}
	return text
}

// duration reads months, days and nanoseconds, each a signed vint.
func duration(data []byte) (any, error) {
	var parts [3]int64
	for i := range parts {
		n, rest, err := vint(data)
		if err != nil {
			return nil, err
		}
		parts[i], data = int64(n>>1)^-int64(n&1), rest
	}
	var b strings.Builder
	if parts[0] < 0 || parts[1] < 0 || parts[2] < 0 {
		b.WriteByte('-')
	}
	write := func(n int64, units ...any) {
		left := uint64(n)
		if n < 0 {
			left = -left
		}
		for i := 0; i < len(units); i += 2 {
			size := uint64(units[i].(int))
			if left >= size {
				fmt.Fprintf(&b, "%d%s", left/size, units[i+1])
				left %= size
			}
		}
	}
	write(parts[0], 12, "y", 1, "mo")
	write(parts[1], 1, "d")
	write(parts[2], int(time.Hour), "h", int(time.Minute), "m", int(time.Second), "s", int(time.Millisecond), "ms", int(time.Microsecond), "us", 1, "ns")
	if b.Len() == 0 {
		return Word("0s"), nil
	}
	return Word(b.String()), nil
}

// vint reads a number as Cassandra packs them: the leading ones of the first byte say how
// many bytes follow.
func vint(data []byte) (uint64, []byte, error) {
	if len(data) == 0 {
		return 0, nil, errShort
	}
	first, more := data[0], 0
	for more < 8 && first&(0x80>>more) != 0 {
		more++
	}
	if len(data) < 1+more {
		return 0, nil, errShort
	}
	n := uint64(0)
	if more < 8 {
		n = uint64(first & (0xff >> more))
	}
	for _, b := range data[1 : 1+more] {
		n = n<<8 | uint64(b)
	}
	return n, data[1+more:], nil
}

// cut takes a value off that has its length before it, in four bytes, or in two in
// collections of protocols 1 and 2. Below 0 is null.
func cut(data []byte, short bool) (value, rest []byte, err error) {
	n, rest, err := length(data, short)
	switch {
	case err != nil:
		return nil, nil, err
	case n < 0:
		return nil, rest, nil
	case n > len(rest):
		return nil, nil, errShort
	}
	return rest[:n:n], rest[n:], nil
}

func length(data []byte, short bool) (int, []byte, error) {
	switch {
	case short && len(data) >= 2:
		return int(binary.BigEndian.Uint16(data)), data[2:], nil
	case !short && len(data) >= 4:
		return int(int32(binary.BigEndian.Uint32(data))), data[4:], nil
	}
	return 0, nil, errShort
}

func (t typ) collection(data []byte) (any, error) {
	n, data, err := length(data, t.short)
	if err != nil {
		return nil, err
	}
	if n > len(data) { // an element has its length at least
		return nil, errShort
	}
	list := List{Open: "[", Close: "]", Items: []any{}}
	if t.kind == "set" {
		list.Open, list.Close = "{", "}"
	}
	object := Object{}
	for range max(n, 0) {
		var read [2]any
		for i, of := range t.of {
			var value []byte
			if value, data, err = cut(data, t.short); err != nil {
				return nil, err
			}
			if read[i], err = of.read(value); err != nil {
				return nil, err
			}
		}
		list.Items, object = append(list.Items, read[0]), append(object, Pair{read[0], read[1]})
	}
	if t.kind == "map" {
		return object, nil
	}
	return list, nil
}

// fields reads a tuple or a user-defined type. One that was written before a field was
// added ends early.
func (t typ) fields(data []byte) (any, error) {
	list, object := List{Open: "(", Close: ")"}, Object{}
	for i, of := range t.of {
		var value []byte
		var err error
		if len(data) > 0 {
			if value, data, err = cut(data, false); err != nil {
				return nil, err
			}
		}
		v, err := of.read(value)
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, v)
		if t.kind == "udt" {
			object = append(object, Pair{Word(t.names[i]), v})
		}
	}
	if t.kind == "udt" {
		return object, nil
	}
	return list, nil
}

func (t typ) vector(data []byte) (any, error) {
	list := List{Open: "[", Close: "]"}
	for range t.dimension {
		size := t.of[0].size()
		if !t.of[0].packed() {
			n, rest, err := vint(data)
			if err != nil || n > uint64(len(rest)) {
				return nil, errShort
			}
			size, data = int(n), rest
		}
		if size > len(data) {
			return nil, errShort
		}
		v, err := t.of[0].read(data[:size:size])
		if err != nil {
			return nil, err
		}
		list.Items, data = append(list.Items, v), data[size:]
	}
	if len(data) > 0 {
		return nil, errShort
	}
	return list, nil
}
