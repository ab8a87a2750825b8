package yamlgen

import (
	"strings"
	"testing"
	"unicode/utf8"

	"crossring/internal/release"
	"crossring/internal/release/releasetest"

	"go.yaml.in/yaml/v4"
)

var nasty = []string{
	``, ` `, `plain`, `GK "Cluster"`, `it's: a trap`, "two\nlines", "tab\there", `back\slash`, `#comment`, `a #b`, `- list`, `{a: b}`,
	`no`, `null`, `0x10`, `1e3`, `1:30`, `&anchor`, `*alias`, `%directive`, `!tag`, `@at`, "`tick`", `Zürich`, `東京`, `😀`, "nel\u0085", "ls\u2028ps\u2029",
	"bom\ufeff", "bell\a", "del\x7f", "cr\rlf\r\n", `#{ .ClusterName }#`, `{{ . }}`, `<b>&amp;</b>`, `trailing\`, `${HOME}`, `50%`,
}

func TestClusterNameSurvives(t *testing.T) {
	eachRelease(t, func(t *testing.T, rel release.Release) {
		for _, name := range nasty[1:] {
			inv := gk(rel.Version)
			inv.Plan.ClusterName = name
			if _, err := Render(inv, inv.Nodes[0], gkEnv()); rel.YAMLBasicPlane && strings.ContainsFunc(name, wide) {
				if err == nil {
					t.Errorf("%q would be cut", name)
				}
				continue
			}
			if got := parse(t, render(t, inv, inv.Nodes[0], gkEnv())[CassandraYAML])["cluster_name"]; got != name {
				t.Errorf("%q came back as %q", name, got)
			}
		}
	})
}

func wide(r rune) bool { return r > 0xffff }

func TestNotUTF8IsAnError(t *testing.T) {
	inv := gk(releasetest.Oldest())
	inv.Plan.ClusterName = "\xff"
	if _, err := Render(inv, inv.Nodes[0], gkEnv()); err == nil {
		t.Error("a name that no parser reads was rendered")
	}
}

// What Cassandra 1.2's parser takes for printable; it rejects the file otherwise.
func printable11(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r == 0x85 || r >= 0x20 && r <= 0x7e || r >= 0xa0 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd
}

func FuzzQuoteYAML(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := quoteYAML(s, false)
		if !utf8.ValidString(s) {
			if err == nil {
				t.Fatalf("%q is quoted as %s", s, q)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(q, "\r\n") {
			t.Errorf("%q is on more than one line", q)
		}
		for _, r := range q {
			if !printable11(r) {
				t.Errorf("%q has %U in it", q, r)
			}
		}
		var got map[string]any
		if err := yaml.Unmarshal([]byte("k: "+q+"\n"), &got); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		if got["k"] != s {
			t.Errorf("%q came back as %q", s, got["k"])
		}
	})
}

func FuzzQuoteArg(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := quoteArg(s)
		if strings.ContainsRune(s, 0) {
			if err == nil {
				t.Fatalf("%q is quoted as %s", s, q)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(q, "\r\n") {
			t.Errorf("%q is on more than one line", q)
		}
		if got := argFile(q); len(got) != 1 || got[0] != s {
			t.Errorf("the launcher would read %q as %q", q, got)
		}
		if got := unquoteArg(q); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	})
}

// argFile reads an argument file as the java launcher does: words parted by
// white space, quotes, backslash escapes inside quotes, comments to the end of a line.
func argFile(text string) []string {
	var args []string
	var word strings.Builder
	var quote rune
	inWord, escaped, comment := false, false, false
	for _, b := range []byte(text) {
		r := rune(b)
		switch {
		case comment:
			comment = r != '\n'
		case escaped:
			escaped = false
			if i := strings.IndexRune("nrtf", r); i >= 0 {
				r = rune("\n\r\t\f"[i])
			}
			word.WriteByte(byte(r))
		case quote != 0:
			switch r {
			case quote:
				quote = 0
			case '\\':
				escaped = true
			default:
				word.WriteByte(b)
			}
		case r == '"' || r == '\'':
			quote, inWord = r, true
		case r == '#' && !inWord:
			comment = true
		case strings.ContainsRune(" \t\n\r\f", r):
			if inWord {
				args = append(args, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteByte(b)
			inWord = true
		}
	}
	if inWord {
		args = append(args, word.String())
	}
	return args
}

func TestQuoteProperty(t *testing.T) {
	for in, want := range map[string]string{
		"us-east": "us-east", `a\b`: `a\\b`, " x": `\ x`, "Zürich": `Z\u00FCrich`, "😀": `\uD83D\uDE00`, "a\nb": `a\u000Ab`, "a=b:c#d": "a=b:c#d",
	} {
		if got, err := quoteProperty(in); err != nil || got != want {
			t.Errorf("%q: %s, %v, want %s", in, got, err, want)
		}
	}
	if _, err := quoteProperty("\xff"); err == nil {
		t.Error("bytes that are not UTF-8 were escaped")
	}
}

func TestQuoteUnit(t *testing.T) {
	for in, want := range map[string]string{
		"/opt/java": `"/opt/java"`, "/a b": `"/a b"`, "50%": `"50%%"`, "$HOME": `"$$HOME"`, `q"\`: `"q\"\\"`,
	} {
		if got, err := quoteExec(in); err != nil || got != want {
			t.Errorf("%q: %s, %v, want %s", in, got, err, want)
		}
	}
	if got, err := quoteUnit("$HOME"); err != nil || got != `"$HOME"` {
		t.Errorf("outside a command line: %s, %v", got, err)
	}
	if got, err := escapeUnit("/a b%"); err != nil || got != "/a b%%" {
		t.Errorf("whole value: %s, %v", got, err)
	}
	if _, err := quoteExec("a\nExecStartPre=rm"); err == nil {
		t.Error("a line break got into a unit file")
	}
}

func TestFileURL(t *testing.T) {
	for in, want := range map[string]string{"/a/b": "file:///a/b", "/a b/c#d?e%f": "file:///a%20b/c%23d%3Fe%25f"} {
		if got := fileURL(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// unquoteArg undoes quoteArg.
func unquoteArg(s string) string {
	s = strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`)
	return argUnescapes.Replace(s)
}

var argUnescapes = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n", `\r`, "\r", `\t`, "\t", `\f`, "\f")
