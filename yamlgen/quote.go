package yamlgen

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// quoteYAML gives s as a double-quoted YAML scalar on one line. Everything that
// YAML 1.1 does not count as printable is escaped: the parser of Cassandra 1.2
// rejects a file with such a character in it anywhere. basicPlane is for the
// parser that keeps 16 bits of a character and gives another one without a word.
func quoteYAML(s string, basicPlane bool) (string, error) {
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("%q is not UTF-8", s)
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r > 0xffff && basicPlane:
			return "", fmt.Errorf("%q has %q in it, and this series' YAML parser reads characters up to U+FFFF only", s, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08X`, r)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u%04X`, r)
		}
	}
	b.WriteByte('"')
	return b.String(), nil
}

// quoteArg gives s as one quoted argument of a java argument file. In there a
// backslash escapes quote, backslash and the letters n, r, t and f.
func quoteArg(s string) (string, error) {
	if strings.ContainsRune(s, 0) {
		return "", fmt.Errorf("argument %q has a zero byte in it", s)
	}
	return `"` + argEscapes.Replace(s) + `"`, nil
}

var argEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\f", `\f`)

// quoteProperty escapes s as a value of a Java properties file, which is read
// as ISO 8859-1 with \u escapes in UTF-16.
func quoteProperty(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("%q is not UTF-8", s)
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == ' ' && i == 0:
			b.WriteString(`\ `)
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		default:
			for _, u := range utf16.AppendRune(nil, r) {
				fmt.Fprintf(&b, `\u%04X`, u)
			}
		}
	}
	return b.String(), nil
}

// escapeUnit gives s as the whole value of a systemd setting that is not split
// into words: only the specifiers' percent sign is special.
func escapeUnit(s string) (string, error) {
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return "", fmt.Errorf("%q has a control character in it", s)
		}
	}
	return strings.ReplaceAll(s, "%", "%%"), nil
}

// quoteUnit gives s as one word of a systemd setting that is split into words.
func quoteUnit(s string) (string, error) {
	s, err := escapeUnit(s)
	if err != nil {
		return "", err
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`, nil
}

// quoteExec is quoteUnit for a command line, where a dollar sign begins a variable.
func quoteExec(s string) (string, error) {
	s, err := quoteUnit(s)
	return strings.ReplaceAll(s, "$", "$$"), err
}

// fileURL gives an absolute path as Java's URL class reads it: file:///a%20b.
func fileURL(path string) string {
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// quoteXML gives s as text of an XML element.
func quoteXML(s string) (string, error) {
	var b strings.Builder
	err := xml.EscapeText(&b, []byte(s))
	return b.String(), err
}

// quoteAgent gives s as the value of one of the options of a Java agent of Jolokia's,
// which are parted by commas.
func quoteAgent(s string) string {
	return strings.NewReplacer(`\`, `\\`, ",", `\,`, "=", `\=`).Replace(s)
}
