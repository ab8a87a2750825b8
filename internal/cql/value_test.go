package cql

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
)

func TestValues(t *testing.T) {
	simple := func(kind string) typ { return typ{kind: kind} }
	of := func(kind string, of ...typ) typ { return typ{kind: kind, of: of} }
	class := func(name string) typ {
		return classType(strings.ReplaceAll(strings.ReplaceAll(name, "<", marshalPackage), "%", " , "), false)
	}
	for _, tt := range []struct {
		typ        typ
		data       string // in hex
		text, json string
	}{
		{simple("int"), "fffffffe", "-2", "-2"},
		{simple("bigint"), "8000000000000000", "-9223372036854775808", "-9223372036854775808"},
		{simple("smallint"), "ff00", "-256", "-256"},
		{simple("tinyint"), "80", "-128", "-128"},
		{simple("int"), "", "", `""`},
		{simple("int"), "0001", "0x0001", `"0x0001"`},
		{simple("varint"), "00ffffffffffffffffff", "4722366482869645213695", "4722366482869645213695"},
		{simple("varint"), "ff", "-1", "-1"},
		{simple("decimal"), "00000002" + "0f", "0.15", "0.15"},
		{simple("decimal"), "00000000" + "f1", "-15", "-15"},
		{simple("decimal"), "00000003" + "7b", "0.123", "0.123"},
		{simple("decimal"), "fffffffe" + "0f", "1.5E+3", "1.5E+3"},
		{simple("decimal"), "00000009" + "01", "1E-9", "1E-9"},
		{simple("decimal"), "80000000" + "01", "1E+2147483648", "1E+2147483648"},
		{simple("float"), "3fc00000", "1.5", "1.5"},
		{simple("float"), "3dcccccd", "0.1", "0.1"},
		{simple("double"), "7ff8000000000000", "NaN", `"NaN"`},
		{simple("double"), "fff0000000000000", "-Infinity", `"-Infinity"`},
		{simple("float"), "7f800000", "Infinity", `"Infinity"`},
		{simple("double"), "4415af1d78b58c40", "1e+20", "1e+20"},
		{simple("boolean"), "01", "true", "true"},
		{simple("boolean"), "00", "false", "false"},
		{simple("text"), "", "", `""`},
		{simple("text"), "697427730a", "it's\n", `"it's\n"`},
		{simple("blob"), "", "0x", `"0x"`},
		{simple("blob"), "cafe", "0xcafe", `"0xcafe"`},
		{simple("inet"), "7f000001", "127.0.0.1", `"127.0.0.1"`},
		{simple("inet"), "20010db8000000000000000000000001", "2001:db8::1", `"2001:db8::1"`},
		{simple("uuid"), "00112233445566778899aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff", `"00112233-4455-6677-8899-aabbccddeeff"`},
		{simple("timestamp"), "00000000000003e9", "1970-01-01 00:00:01.001+0000", `"1970-01-01 00:00:01.001+0000"`},
		{simple("date"), "80000001", "1970-01-02", `"1970-01-02"`},
		{simple("date"), "7fffffff", "1969-12-31", `"1969-12-31"`},
		{simple("time"), "000000003b9aca01", "00:00:01.000000001", `"00:00:01.000000001"`},
		{simple("duration"), "020406", "1mo2d3ns", `"1mo2d3ns"`},
		{simple("duration"), "000000", "0s", `"0s"`},
		{simple("duration"), "010305", "-1mo2d3ns", `"-1mo2d3ns"`},
		{of("list", simple("int")), "00000002" + "0000000400000001" + "0000000400000002", "[1, 2]", "[1,2]"},
		{of("list", simple("int")), "00000000", "[]", "[]"},
		{typ{kind: "list", of: []typ{simple("int")}, short: true}, "0001" + "000400000001", "[1]", "[1]"},
		{of("set", simple("text")), "00000001" + "0000000161", "{'a'}", `["a"]`},
		{of("map", simple("int"), simple("text")), "00000001" + "0000000400000001" + "0000000161", "{1: 'a'}", `{"1":"a"}`},
		{of("tuple", simple("int"), simple("text")), "0000000400000001" + "ffffffff", "(1, null)", "[1,null]"},
		{of("tuple", simple("int"), simple("text")), "ffffffffffffffff", "(null, null)", "[null,null]"},
		{typ{kind: "udt", of: []typ{simple("int"), simple("text")}, names: []string{"a", "b"}}, "0000000400000001", "{a: 1, b: null}", `{"a":1,"b":null}`},
		{class("<VectorType(<FloatType%2)"), "3fc00000" + "40000000", "[1.5, 2]", "[1.5,2]"},
		{class("<VectorType(<UTF8Type%2)"), "0161" + "026263", "['a', 'bc']", `["a","bc"]`},
		{class("<VectorType(<VectorType(<Int32Type%1)%2)"), "00000001" + "00000002", "[[1], [2]]", "[[1],[2]]"},
		{class("<FrozenType(<ListType(<DurationType))"), "00000001" + "00000003" + "020000", "[1mo]", `["1mo"]`},
		{class("<UserType(ks,74,61:<Int32Type,62:<TupleType(<BooleanType,<Int32Type))"), "0000000400000007" + "0000000d" + "0000000101" + "0000000400000001",
			"{a: 7, b: (true, 1)}", `{"a":7,"b":[true,1]}`},
		{class("<CompositeType(<Int32Type)"), "01", "0x01", `"0x01"`},
		{class("org.example.Own"), "01", "0x01", `"0x01"`},
		{class("<VectorType(<FloatType%3)"), "3fc00000", "0x3fc00000", `"0x3fc00000"`},
	} {
		data, err := hex.DecodeString(tt.data)
		if err != nil {
			t.Fatal(err)
		}
		v := decode(tt.typ, append([]byte{}, data...))
		out, err := json.Marshal(v)
		if text := Text(v); text != tt.text || err != nil || string(out) != tt.json {
			t.Errorf("%s of %s: %s and %s, %v; want %s and %s", tt.typ.kind, tt.data, text, out, err, tt.text, tt.json)
		}
		if v := decode(tt.typ, nil); v != nil || Text(v) != "null" {
			t.Errorf("%s: a null is shown as %v", tt.typ.kind, v)
		}
	}
}

// Bytes that are no value of the type are shown, whatever they are, and take no memory that
// they don't have.
func FuzzDecode(f *testing.F) {
	classes := []string{
		"ListType(" + marshalPackage + "Int32Type)", "MapType(" + marshalPackage + "UTF8Type," + marshalPackage + "DecimalType)", "DurationType", "DecimalType",
		"IntegerType", "TupleType(" + marshalPackage + "DoubleType," + marshalPackage + "InetAddressType)", "VectorType(" + marshalPackage + "UTF8Type , 3)",
		"UserType(a,61,61:" + marshalPackage + "TimeType)", "SimpleDateType", "TimestampType", "UTF8Type",
	}
	for i := range classes {
		f.Add(uint8(i), []byte("\x00\x00\x00\x01\x00\x00\x00\x04abcd"))
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		v := decode(classType(marshalPackage+classes[int(which)%len(classes)], false), data)
		out, err := json.Marshal(v)
		if err != nil || !json.Valid(out) {
			t.Errorf("%v: %s, %v", v, out, err)
		}
		_ = Text(v)
	})
}
