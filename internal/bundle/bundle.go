// Package bundle packs the files of a run into one archive to share, and takes out what says
// where it was made, if asked to. It is pure.
package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// File is one file of an archive.
type File struct {
	Name string
	Data []byte
}

// Write packs files into a gzipped tar archive, below a directory, with one time for all.
func Write(w io.Writer, dir string, at time.Time, files []File) error {
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	for _, f := range files {
		err := t.WriteHeader(&tar.Header{Name: dir + "/" + f.Name, Size: int64(len(f.Data)), Mode: 0o644, ModTime: at, Typeflag: tar.TypeReg})
		if err == nil {
			_, err = t.Write(f.Data)
		}
		if err != nil {
			return fmt.Errorf("packing %s: %w", f.Name, err)
		}
	}
	if err := t.Close(); err != nil {
		return fmt.Errorf("packing: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("packing: %w", err)
	}
	return nil
}

// Mask puts other words in the place of addresses, paths and names: the same one has the same
// word wherever it stands.
type Mask struct {
	names []masked
	words map[string]string // by what was there
	count map[string]int    // by kind
}

type masked struct{ name, word string }

// NewMask masks all addresses and absolute paths, and each of names by its word.
func NewMask(names map[string]string) *Mask {
	m := &Mask{words: map[string]string{}, count: map[string]int{}}
	for name, word := range names {
		if name != "" && name != word {
			m.names = append(m.names, masked{name, word})
		}
	}
	// Of two names the one that has the other in it goes first.
	slices.SortFunc(m.names, func(a, b masked) int {
		if d := len(b.name) - len(a.name); d != 0 {
			return d
		}
		return strings.Compare(a.name, b.name)
	})
	return m
}

var (
	// A path begins at the start of a text, or after what is no part of one.
	path = regexp.MustCompile(`(^|[\s"'=(\[,;:])(~?/[^\s"',;:)\]<>]+)`)
	ip4  = regexp.MustCompile(`\d{1,3}(?:\.\d{1,3}){3}`)
	ip6  = regexp.MustCompile(`[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*`)
)

// Text is s without what is masked.
func (m *Mask) Text(s string) string {
	s = path.ReplaceAllStringFunc(s, func(found string) string {
		parts := path.FindStringSubmatch(found)
		return parts[1] + m.word("path", parts[2])
	})
	for _, kind := range []*regexp.Regexp{ip4, ip6} {
		s = kind.ReplaceAllStringFunc(s, func(found string) string {
			if _, err := netip.ParseAddr(found); err != nil {
				return found // of another kind: a time, a version
			}
			return m.word("address", found)
		})
	}
	for _, n := range m.names {
		s = replaceWord(s, n.name, n.word)
	}
	return s
}

// word is what stands for something of a kind, numbered in the order in which they come.
func (m *Mask) word(kind, found string) string {
	if w, there := m.words[found]; there {
		return w
	}
	m.count[kind]++
	w := fmt.Sprintf("%s-%d", kind, m.count[kind])
	m.words[found] = w
	return w
}

// replaceWord replaces a name where it is not part of a longer word. Hyphens end a word: names of
// runs begin with their cluster's.
func replaceWord(s, name, word string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, name)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		end := i + len(name)
		inside := i > 0 && wordly(s[i-1]) || end < len(s) && wordly(s[end])
		b.WriteString(s[:i])
		if inside {
			b.WriteString(name)
		} else {
			b.WriteString(word)
		}
		s = s[end:]
	}
}

func wordly(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// JSON is a document without what is masked. Of keys only addresses are: those of maps by
// address. Numbers stay as they are written.
func (m *Mask) JSON(doc []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("masking a document: %w", err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m.value(v)); err != nil {
		return nil, fmt.Errorf("masking a document: %w", err)
	}
	return b.Bytes(), nil
}

func (m *Mask) value(v any) any {
	switch v := v.(type) {
	case string:
		return m.Text(v)
	case []any:
		for i := range v {
			v[i] = m.value(v[i])
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		keys := make([]string, 0, len(v))
		for key := range v {
			keys = append(keys, key)
		}
		slices.Sort(keys) // so that words are given in the same order each time
		for _, key := range keys {
			to := key
			if _, err := netip.ParseAddr(key); err == nil {
				to = m.word("address", key)
			}
			out[to] = m.value(v[key])
		}
		return out
	}
	return v
}
