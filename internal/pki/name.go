package pki

import (
	"crypto/x509/pkix"
	"fmt"
	"strings"
)

// DN templates: what is between braces is filled in.
const (
	DefaultRootDN = "CN={cluster} CA,O=crossring"
	DefaultNodeDN = "CN={node},OU={region},O={cluster}"
)

// ParseDN reads a distinguished name such as "CN={node},OU={region},O=Example" and
// fills in its braces. Order does not matter, and a type may occur more than once;
// a comma in a value is written \,.
func ParseDN(template string, values map[string]string) (pkix.Name, error) {
	var name pkix.Name
	bad := func(format string, args ...any) (pkix.Name, error) {
		return pkix.Name{}, fmt.Errorf("distinguished name %q: %w", template, fmt.Errorf(format, args...))
	}
	for _, part := range splitDN(template) {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			return bad("%q is not of the form TYPE=value", part)
		}
		for k, v := range values {
			value = strings.ReplaceAll(value, "{"+k+"}", v)
		}
		if i := strings.IndexByte(value, '{'); i >= 0 {
			return bad("nothing is known of %s", value[i:])
		}
		if value = strings.TrimSpace(value); value == "" {
			continue // a template's part that there is no value for
		}
		switch strings.ToUpper(strings.TrimSpace(key)) {
		case "CN":
			name.CommonName = value
		case "O":
			name.Organization = append(name.Organization, value)
		case "OU":
			name.OrganizationalUnit = append(name.OrganizationalUnit, value)
		case "C":
			name.Country = append(name.Country, value)
		case "ST":
			name.Province = append(name.Province, value)
		case "L":
			name.Locality = append(name.Locality, value)
		default:
			return bad("type %q is none of CN, O, OU, C, ST, L", key)
		}
	}
	if name.CommonName == "" {
		return bad("it has no CN")
	}
	return name, nil
}

func splitDN(s string) []string {
	var parts []string
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == ',':
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(parts, b.String())
}
