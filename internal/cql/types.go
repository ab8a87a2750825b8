package cql

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/gocql/gocql"
)

// typ is a type of CQL. The kind is its name; "text" is ascii, too, "uuid" timeuuid and
// "bigint" counter; "" is one that is not known, and shown as a blob.
type typ struct {
	kind      string
	of        []typ    // of a collection, tuple, user-defined type or vector
	names     []string // of a user-defined type's fields
	dimension int      // of a vector
	short     bool     // a collection with lengths of two bytes
}

var simpleKinds = map[gocql.Type]string{
	gocql.TypeAscii: "text", gocql.TypeText: "text", gocql.TypeVarchar: "text",
	gocql.TypeBigInt: "bigint", gocql.TypeCounter: "bigint", gocql.TypeInt: "int", gocql.TypeSmallInt: "smallint", gocql.TypeTinyInt: "tinyint",
	gocql.TypeVarint: "varint", gocql.TypeDecimal: "decimal", gocql.TypeFloat: "float", gocql.TypeDouble: "double",
	gocql.TypeBoolean: "boolean", gocql.TypeBlob: "blob", gocql.TypeInet: "inet", gocql.TypeUUID: "uuid", gocql.TypeTimeUUID: "uuid",
	gocql.TypeTimestamp: "timestamp", gocql.TypeDate: "date", gocql.TypeTime: "time", gocql.TypeDuration: "duration",
	gocql.TypeList: "list", gocql.TypeSet: "set", gocql.TypeMap: "map",
}

// typeOf is the type of a column as the driver has it.
func typeOf(info gocql.TypeInfo) typ {
	short := info.Version() < 3
	switch info := info.(type) {
	case gocql.CollectionType:
		t := typ{kind: simpleKinds[info.Type()], short: short}
		if info.Key != nil {
			t.of = append(t.of, typeOf(info.Key))
		}
		t.of = append(t.of, typeOf(info.Elem))
		return t
	case gocql.TupleTypeInfo:
		t := typ{kind: "tuple"}
		for _, e := range info.Elems {
			t.of = append(t.of, typeOf(e))
		}
		return t
	case gocql.UDTTypeInfo:
		t := typ{kind: "udt"}
		for _, f := range info.Elements {
			t.of, t.names = append(t.of, typeOf(f.Type)), append(t.names, f.Name)
		}
		return t
	}
	if info.Custom() != "" {
		return classType(info.Custom(), short)
	}
	return typ{kind: simpleKinds[info.Type()]}
}

const marshalPackage = "org.apache.cassandra.db.marshal."

var classKinds = map[string]string{
	"AsciiType": "text", "UTF8Type": "text", "LongType": "bigint", "CounterColumnType": "bigint", "Int32Type": "int",
	"ShortType": "smallint", "ByteType": "tinyint", "IntegerType": "varint", "DecimalType": "decimal", "FloatType": "float",
	"DoubleType": "double", "BooleanType": "boolean", "BytesType": "blob", "InetAddressType": "inet", "UUIDType": "uuid",
	"LexicalUUIDType": "uuid", "TimeUUIDType": "uuid", "TimestampType": "timestamp", "DateType": "timestamp",
	"SimpleDateType": "date", "TimeType": "time", "DurationType": "duration",
	"ListType": "list", "SetType": "set", "MapType": "map", "TupleType": "tuple", "VectorType": "vector", "UserType": "udt",
}

// classType is the type that a server names by its class, as it does for what the protocol
// has no number for: VectorType(org.apache.cassandra.db.marshal.FloatType , 3).
func classType(class string, short bool) typ {
	name, inside, _ := strings.Cut(strings.TrimSpace(class), "(")
	name = strings.TrimPrefix(name, marshalPackage)
	args := arguments(strings.TrimSuffix(inside, ")"))
	t := typ{kind: classKinds[name], short: short}
	switch {
	case (name == "FrozenType" || name == "ReversedType") && len(args) == 1:
		return classType(args[0], short)
	case t.kind == "vector" && len(args) == 2:
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return typ{}
		}
		t.dimension, args = n, args[:1]
	case t.kind == "udt" && len(args) >= 2: // keyspace, name in hex, then field in hex : type
		args = args[2:]
		for i, arg := range args {
			field, class, _ := strings.Cut(arg, ":")
			text, err := hex.DecodeString(field)
			if err != nil {
				return typ{}
			}
			t.names, args[i] = append(t.names, string(text)), class
		}
	}
	switch want := map[string]int{"list": 1, "set": 1, "map": 2, "vector": 1, "udt": len(args), "tuple": len(args)}[t.kind]; {
	case len(args) != want, t.kind == "":
		return typ{}
	}
	for _, arg := range args {
		t.of = append(t.of, classType(arg, short))
	}
	return t
}

// arguments parts at the commas that are in no brackets.
func arguments(text string) []string {
	var list []string
	depth, start := 0, 0
	for i, c := range text {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				list, start = append(list, strings.TrimSpace(text[start:i])), i+1
			}
		}
	}
	if strings.TrimSpace(text[start:]) != "" {
		list = append(list, strings.TrimSpace(text[start:]))
	}
	return list
}

// size is how many bytes a value has, where all have as many; else 0.
func (t typ) size() int {
	switch t.kind {
	case "boolean", "tinyint":
		return 1
	case "smallint":
		return 2
	case "int", "float", "date":
		return 4
	case "bigint", "double", "timestamp", "time":
		return 8
	case "uuid":
		return 16
	case "vector":
		if t.of[0].packed() {
			return t.dimension * t.of[0].size()
		}
	}
	return 0
}

// packed says whether values stand in a vector without their lengths: those that Cassandra
// itself counts as of fixed length, which are not all.
func (t typ) packed() bool {
	return slices.Contains([]string{"boolean", "int", "float", "bigint", "double", "timestamp", "uuid"}, t.kind) ||
		t.kind == "vector" && t.of[0].packed()
}
