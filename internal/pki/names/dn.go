// Package names reads and checks the names that certificates are issued to:
// distinguished names, host names and addresses. What somebody who checks a
// certificate would refuse, or read as something else, is refused here, before it
// is signed.
package names

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DN templates: what is between braces is filled in.
const (
	DefaultRootDN = "CN={cluster} CA,O=crossring"
	DefaultNodeDN = "CN={node},OU={region},O={cluster}"
)

// attribute is a type of a distinguished name.
type attribute struct {
	name string
	oid  asn1.ObjectIdentifier
	max  int // characters: the upper bounds of RFC 5280, appendix A.1
}

func attributes() []attribute {
	return []attribute{
		{"CN", asn1.ObjectIdentifier{2, 5, 4, 3}, 64},
		{"O", asn1.ObjectIdentifier{2, 5, 4, 10}, 64},
		{"OU", asn1.ObjectIdentifier{2, 5, 4, 11}, 64},
		{"C", asn1.ObjectIdentifier{2, 5, 4, 6}, 2},
		{"ST", asn1.ObjectIdentifier{2, 5, 4, 8}, 128},
		{"L", asn1.ObjectIdentifier{2, 5, 4, 7}, 128},
	}
}

// ParseDN reads a distinguished name such as "CN={node},OU={region},O=Example" and
// fills in its braces. It is written as RFC 4514 has it, the most specific part
// first, and every part of it is kept: a type may occur more than once. A
// backslash takes the meaning from the character behind it, or stands before two
// hexadecimal digits. A part whose braces there is no value for is left out.
func ParseDN(template string, values map[string]string) (pkix.Name, error) {
	var name pkix.Name
	bad := func(format string, args ...any) (pkix.Name, error) {
		return pkix.Name{}, fmt.Errorf("distinguished name %q: %w", template, fmt.Errorf(format, args...))
	}
	parts, err := splitDN(template)
	if err != nil {
		return bad("%w", err)
	}
	for _, p := range parts {
		value := p.value
		for k, v := range values {
			value = strings.ReplaceAll(value, "{"+k+"}", v)
		}
		if i := strings.IndexByte(value, '{'); i >= 0 && strings.Contains(p.value, "{") && !filled(p.value, values) {
			return bad("nothing is known of %s", value[i:])
		}
		if value == "" && p.value != "" {
			continue // a template's part that there is no value for
		}
		at := slices.IndexFunc(attributes(), func(a attribute) bool { return a.name == strings.ToUpper(p.key) })
		if at < 0 {
			return bad("type %q is none of CN, O, OU, C, ST, L", p.key)
		}
		a := attributes()[at]
		if err := checkValue(a, value); err != nil {
			return bad("%w", err)
		}
		if a.name == "CN" && name.CommonName == "" {
			name.CommonName = value
		}
		name.ExtraNames = append(name.ExtraNames, pkix.AttributeTypeAndValue{Type: a.oid, Value: value})
	}
	if name.CommonName == "" {
		return bad("it has no CN")
	}
	// Of a name as it is written the last part is the first on the wire.
	slices.Reverse(name.ExtraNames)
	return name, nil
}

// filled says that each brace of a template has a value.
func filled(template string, values map[string]string) bool {
	for k := range values {
		template = strings.ReplaceAll(template, "{"+k+"}", "")
	}
	return !strings.Contains(template, "{")
}

// Below is a name like another, with more text at the end of its first CN.
func Below(name pkix.Name, more string) (pkix.Name, error) {
	cn := attributes()[0]
	below := pkix.Name{CommonName: name.CommonName + more, ExtraNames: slices.Clone(name.ExtraNames)}
	if err := checkValue(cn, below.CommonName); err != nil {
		return pkix.Name{}, err
	}
	for i := len(below.ExtraNames) - 1; i >= 0; i-- {
		if below.ExtraNames[i].Type.Equal(cn.oid) {
			below.ExtraNames[i].Value = below.CommonName
			break
		}
	}
	return below, nil
}

func checkValue(a attribute, value string) error {
	switch n := utf8.RuneCountInString(value); {
	case value == "":
		return fmt.Errorf("%s has no value", a.name)
	case !utf8.ValidString(value):
		return fmt.Errorf("%s is no UTF-8: %q", a.name, value)
	case strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%s has characters that can't be seen: %q", a.name, value)
	case strings.TrimSpace(value) != value:
		return fmt.Errorf("%s begins or ends with a blank: %q", a.name, value)
	case a.name == "C" && !country(value):
		return fmt.Errorf("country %q: C is the two letters of one, such as US", value)
	case n > a.max:
		return fmt.Errorf("%s is at most %d characters, not %d: %q", a.name, a.max, n, value)
	}
	return nil
}

func country(s string) bool {
	letter := func(b byte) bool { return b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' }
	return len(s) == 2 && letter(s[0]) && letter(s[1])
}

type part struct{ key, value string }

// splitDN takes a name apart. Blanks around a part, a type and a value do not count.
func splitDN(s string) ([]part, error) {
	var parts []part
	var key string
	var b strings.Builder
	hasKey := false
	keep := 0 // bytes of b that were escaped, so that blanks there count
	end := func() error {
		if !hasKey {
			return fmt.Errorf("%q is not of the form TYPE=value", b.String())
		}
		text := b.String()
		parts = append(parts, part{key, text[:keep] + strings.TrimRight(text[keep:], " ")})
		b.Reset()
		key, hasKey, keep = "", false, 0
		return nil
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			if i+1 == len(s) {
				return nil, fmt.Errorf("it ends with a backslash")
			}
			if raw, err := hex.DecodeString(s[i+1 : min(i+3, len(s))]); err == nil && len(raw) == 1 {
				b.Write(raw)
				i += 2
			} else {
				_, size := utf8.DecodeRuneInString(s[i+1:])
				b.WriteString(s[i+1 : i+1+size])
				i += size
			}
			keep = b.Len()
		case c == '=' && !hasKey:
			key, hasKey = strings.TrimSpace(b.String()), true
			b.Reset()
			keep = 0
		case c == ',':
			if err := end(); err != nil {
				return nil, err
			}
		case strings.IndexByte(`+;"<>`, c) >= 0, c == '#' && hasKey && strings.TrimSpace(b.String()) == "":
			return nil, fmt.Errorf(`%q has a meaning of its own in names: write \%c`, c, c)
		case c == ' ' && b.Len() == 0: // before a type or a value
		default:
			b.WriteByte(c)
		}
	}
	return parts, end()
}
