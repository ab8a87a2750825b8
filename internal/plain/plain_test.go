package plain

import (
	"os/exec"
	"strings"
	"testing"
	"unicode"
)

func TestCount(t *testing.T) {
	for want, got := range map[string]string{
		"0 nodes": Count(0, "node"), "1 node": Count(1, "node"), "2 nodes": Count(int64(2), "node"), "1 address": Count(1, "address"),
		"3 addresses": Count(3, "address"), "2 retries": Count(2, "retry"), "2 days": Count(2, "day"), "2 matches": Count(2, "match"),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A shell reads a command as the words that it was made of.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{"", "plain", "a b", "it's", "$HOME", "`id`", "a\"b", "~", "~/x", "*", "a\nb", "-n", "!x", "#", "ü", "\\", ";"} {
		f.Add(s, "x y")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsRune(a+b, 0) {
			return // no argument has one
		}
		out, err := exec.Command("sh", "-c", Command("printf", `%s|`, a, b)).Output()
		if err != nil || string(out) != a+"|"+b+"|" {
			t.Errorf("%q, %q: %s came out as %q, %v", a, b, Command(a, b), out, err)
		}
	})
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{"", "plain ü 日本", "\x1b]0;title\x07", "a\nb\tc", "\xff\x1b[2J", "\u202e", "\u009b1m"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := Line(s); strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q came out as %q", s, got)
		}
		got := Lines(s)
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }) || strings.Count(got, "\n") != strings.Count(s, "\n") {
			t.Errorf("%q came out as %q", s, got)
		}
	})
}

// However a text is cut into writes, it comes out as it does in one.
func FuzzWriter(f *testing.F) {
	f.Add("a\x1b[31m日本\xff\xe6\n", uint8(3))
	f.Fuzz(func(t *testing.T, s string, size uint8) {
		var b strings.Builder
		w := NewWriter(&b)
		for rest := s; rest != ""; {
			n := min(len(rest), 1+int(size)%5)
			if k, err := w.Write([]byte(rest[:n])); k != n || err != nil {
				t.Fatal(k, err)
			}
			rest = rest[n:]
		}
		if err := w.Flush(); err != nil || b.String() != Lines(s) {
			t.Errorf("%q came out as %q, want %q", s, b.String(), Lines(s))
		}
	})
}

func TestCell(t *testing.T) {
	if got := Cell("a|b\n<c> `d`\x1b[2J"); got != `a\|b; &lt;c> 'd'\x1b[2J` {
		t.Errorf("%q", got)
	}
}
