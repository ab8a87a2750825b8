// Package plain is how texts for people and for shells are put together: counts with their
// nouns, commands to type, and what others wrote, made harmless for a terminal.
package plain

import (
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Count is a number and its noun, in the plural unless it is one: "1 node", "2 nodes".
func Count[N int | int64](n N, noun string) string {
	if n != 1 {
		noun = many(noun)
	}
	return strconv.FormatInt(int64(n), 10) + " " + noun
}

func many(noun string) string {
	switch {
	case strings.HasSuffix(noun, "s") || strings.HasSuffix(noun, "x") || strings.HasSuffix(noun, "ch"):
		return noun + "es"
	case strings.HasSuffix(noun, "y") && len(noun) > 1 && !strings.ContainsRune("aeiou", rune(noun[len(noun)-2])):
		return noun[:len(noun)-1] + "ies"
	}
	return noun + "s"
}

// Word is a text as one word of a POSIX shell, in quotes where it needs them.
func Word(s string) string {
	if s != "" && !strings.ContainsFunc(s, special) && s[0] != '~' {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func special(r rune) bool {
	return !(r == '-' || r == '_' || r == '.' || r == '/' || r == ':' || r == '=' || r == ',' || r == '+' || r == '@' || r == '%' || r == '~' ||
		r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
}

// Command is a command to type: its words, each quoted where it needs it. It has no place for
// an option of the shell: what is not a word of the command does not belong here.
func Command(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = Word(w)
	}
	return strings.Join(quoted, " ")
}

// Line is a text that others wrote, on one line and without what drives a terminal: such
// characters are escaped as Go has them.
func Line(s string) string { return escape(s, false) }

// Lines is Line for a text of several lines, which stay; tabs do, too.
func Lines(s string) string { return escape(s, true) }

func escape(s string, lines bool) string {
	fine := func(r rune) bool { return unicode.IsPrint(r) || lines && (r == '\n' || r == '\t') }
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !fine(r) }) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[0])|0x100, 16)[1:])
		case fine(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
		s = s[size:]
	}
	return b.String()
}

// Writer is Lines for what is written through it.
type Writer struct {
	to   io.Writer
	rest []byte // of a character that is not whole yet
}

// NewWriter makes one. Flush ends it.
func NewWriter(to io.Writer) *Writer { return &Writer{to: to} }

// Write writes all but the beginning of a character that the next Write may end.
func (w *Writer) Write(p []byte) (int, error) {
	text := append(w.rest, p...)
	whole := len(text)
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if utf8.RuneStart(text[len(text)-i]) {
			if !utf8.FullRune(text[len(text)-i:]) {
				whole -= i
			}
			break
		}
	}
	w.rest = append([]byte(nil), text[whole:]...)
	if whole == 0 {
		return len(p), nil
	}
	if _, err := io.WriteString(w.to, Lines(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what was kept back.
func (w *Writer) Flush() error {
	_, err := io.WriteString(w.to, Lines(string(w.rest)))
	w.rest = nil
	return err
}

// ErrorText is what an error says; "" for none.
func ErrorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
