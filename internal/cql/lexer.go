package cql

import (
	"fmt"
	"strings"
)

// UnendedError says that something that began in a text of statements does not end in it.
type UnendedError struct {
	What string // "a string", "a batch"
	Line int    // on which it begins, from 1
}

func (e *UnendedError) Error() string {
	return fmt.Sprintf("%s that begins on line %d does not end", e.What, e.Line)
}

// Split takes a text apart into its statements, as Cassandra's own lexer would read it: a
// semicolon ends one, but for those in strings, quoted names, $$ bodies, comments and
// batches. Blanks stand in the statements for comments, so that positions in a server's
// errors hold; what is nothing but comments is no statement. What does not end is an
// *UnendedError.
func Split(text string) ([]string, error) {
	l := lexer{text: text, out: []byte(text)}
	var all []string
	start := 0
	flush := func(end int) {
		if s := strings.TrimSpace(string(l.out[start:end])); s != "" {
			all = append(all, s)
		}
	}
	var block block
	for {
		t, err := l.next()
		if err != nil {
			return all, err
		}
		switch {
		case t.kind == ended && block.until != "":
			return all, &UnendedError{"a " + block.name, l.line(block.at)}
		case t.kind == ended:
			flush(len(text))
			return all, nil
		case t.kind == semicolon && block.until == "":
			flush(t.at)
			start = t.at + 1
			block.words = nil
		default:
			block.see(t)
		}
	}
}

// block follows the words of a statement, for one that has statements in it.
type block struct {
	name, until string // "batch", and the word before the name that ends it; "" outside
	at          int
	words       []string // the first two of the statement; in a block, the last one
}

func (b *block) see(t token) {
	switch word := strings.ToUpper(t.text); {
	case b.until != "":
		if len(b.words) == 1 && b.words[0] == b.until && strings.EqualFold(word, b.name) {
			b.until, b.words = "", []string{"", "", ""} // the rest of the statement is no block
			return
		}
		b.words = []string{word}
	case len(b.words) < 3:
		if len(b.words) == 0 {
			b.at = t.at
		}
		b.words = append(b.words, word)
		if b.words[0] != "BEGIN" || len(b.words) < 2 {
			return
		}
		switch b.words[len(b.words)-1] {
		case "BATCH":
			b.name, b.until = "batch", "APPLY"
		case "TRANSACTION":
			b.name, b.until = "transaction", "COMMIT"
		}
	}
}

type kind int

const (
	ended kind = iota
	semicolon
	word
	other // a string, a quoted name, a body, a sign
)

type token struct {
	kind kind
	at   int
	text string // of a word
}

// lexer reads tokens. out is the text with its comments blanked.
type lexer struct {
	text string
	out  []byte
	at   int
}

func (l *lexer) line(at int) int { return 1 + strings.Count(l.text[:at], "\n") }

// quotes are what a text may stand in. A doubled quote inside reads as two texts side by
// side, which comes to the same here.
var quotes = []struct{ begin, end, what string }{
	{"'", "'", "a string"},
	{`"`, `"`, "a quoted name"},
	{"$$", "$$", "a body in $$"},
}

// comments are what is passed over.
var comments = []struct{ begin, end, what string }{
	{"--", "\n", ""}, // ends with the text, too
	{"//", "\n", ""},
	{"/*", "*/", "a comment"},
}

func (l *lexer) next() (token, error) {
next:
	for l.at < len(l.text) {
		at, rest := l.at, l.text[l.at:]
		for _, c := range comments {
			if !strings.HasPrefix(rest, c.begin) {
				continue
			}
			n := strings.Index(rest[len(c.begin):], c.end)
			switch {
			case n >= 0:
				l.at += len(c.begin) + n + len(c.end)
			case c.what != "":
				return token{}, &UnendedError{c.what, l.line(at)}
			default:
				l.at = len(l.text)
			}
			for i := at; i < l.at; i++ {
				if l.out[i] != '\n' {
					l.out[i] = ' '
				}
			}
			continue next
		}
		for _, q := range quotes {
			if !strings.HasPrefix(rest, q.begin) {
				continue
			}
			n := strings.Index(rest[len(q.begin):], q.end)
			if n < 0 {
				return token{}, &UnendedError{q.what, l.line(at)}
			}
			l.at += len(q.begin) + n + len(q.end)
			return token{kind: other, at: at}, nil
		}
		switch c := rest[0]; {
		case c == ';':
			l.at++
			return token{kind: semicolon, at: at}, nil
		case letter(c):
			for l.at < len(l.text) && (letter(l.text[l.at]) || '0' <= l.text[l.at] && l.text[l.at] <= '9') {
				l.at++
			}
			return token{kind: word, at: at, text: l.text[at:l.at]}, nil
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			l.at++
		default:
			l.at++
			return token{kind: other, at: at}, nil
		}
	}
	return token{kind: ended, at: len(l.text)}, nil
}

func letter(c byte) bool { return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' || c >= 0x80 }
