package store

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// DamageError says what is wrong with the text of a PEM file, and where.
type DamageError struct {
	Byte int    // offset in the file, from 0
	Line int    // from 1
	What string // in words
	Fix  string // the command that mends it
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("PEM is damaged at line %d, byte %d: %s", e.Line, e.Byte, e.What)
}

// Hint is the command that mends it.
func (e *DamageError) Hint() string { return e.Fix }

const (
	fixMark   = `sed '1s/^\xef\xbb\xbf//' FILE > NEW.pem`
	fixUTF16  = "iconv -f UTF-16 -t UTF-8 FILE | sed '1s/^\\xef\\xbb\\xbf//' > NEW.pem"
	fixNUL    = `tr -d '\000' < FILE > NEW.pem`
	fixReturn = `tr '\r' '\n' < FILE > NEW.pem`
	fixIndent = `sed 's/^[[:space:]]*//' FILE > NEW.pem`
	fixJoined = `sed 's/----------BEGIN/-----\n-----BEGIN/g' FILE > NEW.pem`
	fixDashes = "copy the file anew, as a file and not as text: the lines are -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----"
	fixCopy   = "copy the file anew, as a file and not as text"
)

// border is a line that begins or ends a block, as it has to be.
var border = regexp.MustCompile(`^-----(BEGIN|END) ([A-Z0-9 #]*[A-Z0-9])-----[ \t\r]*$`)

// meantAsBorder is one that is meant to: dashes of any kind around the words.
var meantAsBorder = regexp.MustCompile(`^[^A-Za-z0-9+/=#]*[-–—−]+ ?(BEGIN|END) [A-Z0-9]`)

// diagnose finds the first thing that makes a text no PEM; nil when it sees none.
func diagnose(data []byte) *DamageError {
	at := func(offset int, what, fix string) *DamageError {
		return &DamageError{Byte: offset, Line: bytes.Count(data[:offset], []byte("\n")) + 1, What: what, Fix: fix}
	}
	switch {
	case bytes.HasPrefix(data, []byte{0xef, 0xbb, 0xbf}):
		return at(0, "a byte order mark (EF BB BF) stands before the first line", fixMark)
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}), bytes.HasPrefix(data, []byte("-\x00-\x00")), bytes.HasPrefix(data, []byte("\x00-\x00-")):
		return at(0, "the text is UTF-16, with two bytes for each letter", fixUTF16)
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return at(i, "a NUL byte", fixNUL)
	}
	if i := bytes.IndexByte(data, '\r'); i >= 0 && !bytes.Contains(data, []byte("\n")) {
		return at(i, "lines end with a carriage return alone", fixReturn)
	}
	inside, began, whole := "", 0, 0
	for offset := 0; offset < len(data); {
		line := data[offset:]
		next := len(data)
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			line, next = line[:end], offset+end+1
		}
		if d := judgeLine(line, offset, inside, at); d != nil {
			return d
		}
		if m := border.FindSubmatch(line); m != nil {
			if string(m[1]) == "BEGIN" {
				inside, began = string(m[2]), offset
			} else {
				inside = ""
				whole++
			}
		}
		offset = next
	}
	if inside != "" {
		return at(began, fmt.Sprintf("the %s that begins here has no end: the file is cut off, after %d whole ones", inside, whole), fixCopy+"; its last line is -----END "+inside+"-----")
	}
	return nil
}

// judgeLine looks at one line, which is in a block of a label or, when that is
// empty, between blocks.
func judgeLine(line []byte, offset int, inside string, at func(int, string, string) *DamageError) *DamageError {
	text := string(line)
	trimmed := strings.TrimLeft(text, " \t\u00a0")
	m := border.FindStringSubmatch(text)
	switch {
	case m == nil && border.MatchString(trimmed):
		return at(offset, "the line is indented", fixIndent)
	case m == nil && strings.Contains(text, "-----END ") && strings.Contains(text, "-----BEGIN "):
		return at(offset+max(strings.Index(text, "-----BEGIN "), strings.Index(text, "-----END ")), "the end of a block and the beginning of the next are on one line", fixJoined)
	case m == nil && meantAsBorder.MatchString(trimmed):
		return at(offset, fmt.Sprintf("the line %q is no -----BEGIN ...----- or -----END ...-----", shorten(text)), fixDashes)
	case m != nil && m[1] == "BEGIN" && inside != "":
		return at(offset, "a block begins inside of the "+inside+" before it, which has no end", fixCopy)
	case m != nil && m[1] == "END" && inside == "":
		return at(offset, "a block ends here that does not begin", fixCopy)
	case m != nil && m[1] == "END" && m[2] != inside:
		return at(offset, fmt.Sprintf("a %s ends where a %s began", m[2], inside), fixCopy)
	case m != nil || inside == "" || strings.Contains(text, ": "): // a header of an encrypted key
		return nil
	}
	for i, r := range text {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '+' || r == '/' || r == '=' || r == '\r' || r == ' ' || r == '\t') {
			what := fmt.Sprintf("%q is no letter of base 64", r)
			if r == utf8.RuneError {
				what = fmt.Sprintf("the byte %02X is no letter of base 64", line[i])
			}
			if strings.HasPrefix(text[i:], "-----") {
				return at(offset+i, "the end of the block is on the line of its last data", `sed 's/\(.\)-----END/\1\n-----END/' FILE > NEW.pem`)
			}
			return at(offset+i, what, fixCopy)
		}
	}
	return nil
}

func shorten(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}

// damagedBlock says what is wrong with the first block of a text that the decoder
// passes over although every line of it is in order: its base 64 as a whole.
func damagedBlock(data []byte) *DamageError {
	_, after, ok := bytes.Cut(data, []byte("-----\n"))
	if !ok {
		_, after, ok = bytes.Cut(data, []byte("-----\r\n"))
	}
	body, _, ended := bytes.Cut(after, []byte("-----END "))
	if !ok || !ended {
		return nil
	}
	joined := strings.Join(strings.Fields(string(body)), "")
	_, err := base64.StdEncoding.DecodeString(joined)
	if err == nil {
		return nil
	}
	offset := len(data) - len(after)
	return &DamageError{Byte: offset, Line: bytes.Count(data[:offset], []byte("\n")) + 1,
		What: fmt.Sprintf("the block of %d letters is no whole base 64: letters are missing or too many", len(joined)), Fix: fixCopy}
}
