package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

func open(t testing.TB, path string) (*Journal, []Entry) {
	t.Helper()
	j, entries, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() }) // a test may have closed it
	return j, entries
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// filled writes a journal of four entries and returns its bytes.
func filled(t testing.TB, path string) []byte {
	t.Helper()
	j, _ := open(t, path)
	check(t, j.Intent("start", "us-east-1-1", map[string]string{"token": "ab\ncd"}))
	check(t, j.Intent("start", "us-west-2-1", nil))
	check(t, j.Result("start", "us-east-1-1", map[string]int{"pid": 7}, nil))
	check(t, j.Result("start", "us-west-2-1", nil, errors.New("no memory")))
	check(t, j.Close())
	text, err := os.ReadFile(path)
	check(t, err)
	return text
}

func ids(entries []Entry) string {
	var list []string
	for _, e := range entries {
		list = append(list, e.Kind+"/"+e.ID)
	}
	return strings.Join(list, " ")
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	filled(t, path)
	j, entries := open(t, path)
	if len(entries) != 4 || len(j.Pending()) != 0 || j.torn != nil {
		t.Fatalf("got %d entries, pending %v, torn %q", len(entries), j.Pending(), j.torn)
	}
	var data struct{ Token string }
	check(t, json.Unmarshal(entries[0].Data, &data))
	if data.Token != "ab\ncd" || entries[3].Error != "no memory" || entries[3].Seq != 4 || entries[2].Time.IsZero() {
		t.Errorf("got %+v", entries)
	}
	check(t, j.Intent("start", "us-east-1-1", nil)) // again, after its result
	check(t, j.Close())
	j, _ = open(t, path)
	if got := ids(j.Pending()); got != "start/us-east-1-1" {
		t.Errorf("pending %s", got)
	}
}

func TestPendingOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, _ := open(t, path)
	for _, id := range []string{"a", "b", "c"} {
		check(t, j.Intent("start", id, nil))
	}
	check(t, j.Intent("stop", "b", nil)) // the same id of another kind
	before := j.Pending()
	check(t, j.Result("start", "b", nil, nil))
	if got := ids(j.Pending()); got != "start/a start/c stop/b" {
		t.Errorf("pending %s", got)
	}
	if got := ids(before); got != "start/a start/b start/c stop/b" {
		t.Errorf("an earlier answer changed: %s", got)
	}
}

func TestRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, _ := open(t, path)
	check(t, j.Intent("start", "a", nil))
	for name, err := range map[string]error{
		"pending twice":         j.Intent("start", "a", nil),
		"result of nothing":     j.Result("start", "b", nil, nil),
		"result of other kind":  j.Result("stop", "a", nil, nil),
		"data that is not JSON": j.Intent("start", "c", func() {}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	check(t, j.Result("start", "a", nil, nil))
	check(t, j.Close())
	if err := j.Intent("start", "d", nil); err == nil {
		t.Error("closed: no error")
	}
	if _, entries := open(t, path); len(entries) != 2 {
		t.Errorf("refused entries were written: %v", entries)
	}
	if _, _, err := Open(filepath.Join(t.TempDir(), "none", "journal")); !os.IsNotExist(errors.Unwrap(err)) {
		t.Errorf("no directory: got %v", err)
	}
}

func TestAnotherWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	one, _ := open(t, path)
	two, _ := open(t, path)
	check(t, one.Intent("start", "a", nil))
	for range 2 {
		if err := two.Intent("start", "b", nil); !errors.Is(err, ErrChanged) {
			t.Errorf("got %v, want ErrChanged", err)
		}
	}
	check(t, one.Result("start", "a", nil, nil))
	if _, entries := open(t, path); len(entries) != 2 {
		t.Errorf("got %v", entries)
	}
}

func TestFullDisk(t *testing.T) {
	// /dev/full takes no byte, and has no length to be cut to.
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("not possible here: no /dev/full: %v", err)
	}
	j := &Journal{path: "/dev/full", file: full}
	defer j.Close()
	for range 2 {
		if err := j.Intent("start", "a", nil); err == nil {
			t.Error("no error")
		}
	}
	if len(j.Pending()) > 0 {
		t.Errorf("pending %v", j.Pending())
	}
}

func TestGoroutines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, _ := open(t, path)
	var all sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		all.Go(func() {
			id := fmt.Sprint(i)
			if errs[i] = j.Intent("start", id, i); errs[i] == nil && i%2 == 0 {
				errs[i] = j.Result("start", id, nil, nil)
			}
		})
	}
	all.Wait()
	check(t, errors.Join(errs...))
	k, entries := open(t, path)
	if len(entries) != 24 || len(k.Pending()) != 8 {
		t.Errorf("got %d entries, %d pending", len(entries), len(k.Pending()))
	}
}

func TestCorrupt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	text := filled(t, path)
	lines := bytes.SplitAfter(text, []byte("\n"))
	cases := map[string]struct {
		text []byte
		line int
	}{
		"a bad line":      {bytes.Replace(text, []byte(`"intent"`), []byte(`"intend"`), 1), 1},
		"a lost line":     {bytes.Join([][]byte{lines[0], lines[2], lines[3]}, nil), 2},
		"a line twice":    {bytes.Join([][]byte{lines[0], lines[1], lines[1]}, nil), 3},
		"a blank line":    {append([]byte("\n"), text...), 1},
		"another schema":  {bytes.Replace(text, []byte("crossring/v1"), []byte("somebody/v1"), 1), 1},
		"at the end, too": {append(text[:len(text):len(text)], []byte(`{"schema":"somebody/v1"}`+"\n")...), 5},
		"no entry there":  {append(text[:len(text):len(text)], []byte("[1]\n")...), 5},
		"another id":      {bytes.Replace(text, []byte("us-west-2-1"), []byte("us-west-2-7"), 1), 2},
		"in the last one": {bytes.Replace(text, []byte("no memory"), []byte("no reason"), 1), 4},
		"the last is odd": {lines[3], 1},
	}
	for name, c := range cases {
		check(t, os.WriteFile(path, c.text, 0o600))
		_, _, err := Open(path)
		var bad *CorruptError
		if !errors.As(err, &bad) || bad.Line != c.line {
			t.Errorf("%s: got %v, want line %d", name, err, c.line)
		}
		if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, c.text) {
			t.Errorf("%s: the file was touched (%v)", name, err)
		}
	}
}

// What a newer crossring wrote is left as it is, wherever it stands, and also if its end
// is missing.
func TestNewerJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	text := filled(t, path)
	newer := strings.Replace(strings.SplitAfter(string(text), "\n")[3], "crossring/v1", "crossring/v2", 1)
	for name, doc := range map[string]string{
		"first": newer + string(text), "last": string(text) + newer, "without an end": string(text) + strings.TrimSuffix(newer, "\n"),
	} {
		check(t, os.WriteFile(path, []byte(doc), 0o600))
		if _, _, err := Open(path); !IsNewer(err) {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadFile(path); err != nil || string(left) != doc {
			t.Errorf("%s: the file was touched (%v)", name, err)
		}
	}
}

// Journals of before have no checksums, and go on with them.
func TestJournalWithoutChecksums(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	old := regexp.MustCompile(`,"sum":"[0-9a-f]{8}"`).ReplaceAll(filled(t, path), nil)
	check(t, os.WriteFile(path, old, 0o600))
	j, entries := open(t, path)
	if len(entries) != 4 || bytes.Contains(old, []byte("sum")) {
		t.Errorf("%d entries of %s", len(entries), old)
	}
	check(t, j.Intent("start", "a", nil))
	if _, entries := open(t, path); len(entries) != 5 {
		t.Errorf("%d entries", len(entries))
	}
}

// tornAt is the property: a journal cut at any byte, with whatever the file
// system put after the cut, opens with the entries that were whole, says what
// it lost, and goes on from there.
func tornAt(t testing.TB, dir string, text []byte, cut int, junk []byte) {
	t.Helper()
	whole := bytes.Count(text[:cut], []byte("\n"))
	size := bytes.LastIndexByte(text[:cut], '\n') + 1
	path := filepath.Join(dir, "torn")
	check(t, os.WriteFile(path, append(text[:cut:cut], junk...), 0o600))
	j, entries, err := Open(path)
	if err != nil {
		t.Fatalf("cut at %d, junk %q: %v", cut, junk, err)
	}
	defer j.Close()
	if len(entries) != whole || (j.torn != nil) != (cut+len(junk) > size) || len(j.torn) != cut+len(junk)-size {
		t.Fatalf("cut at %d, junk %q: %d entries of %d, torn %q", cut, junk, len(entries), whole, j.torn)
	}
	check(t, j.Intent("next", "x", nil))
	again, entries := open(t, path)
	defer again.Close()
	if len(entries) != whole+1 || entries[whole].Seq != whole+1 || again.torn != nil {
		t.Fatalf("cut at %d, junk %q: after the next append %d entries, torn %q", cut, junk, len(entries), again.torn)
	}
}

func TestTornAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	text := filled(t, filepath.Join(dir, "whole"))
	for cut := range len(text) + 1 {
		tornAt(t, dir, text, cut, nil)
	}
	// A page of zeros, and a line whose end came before its middle.
	tornAt(t, dir, text, len(text)-20, make([]byte, 4096))
	tornAt(t, dir, text, len(text)-20, append(make([]byte, 19), '\n'))
}

func FuzzTorn(f *testing.F) {
	dir := f.TempDir()
	text := filled(f, filepath.Join(dir, "whole"))
	f.Add(len(text), []byte{})
	f.Add(len(text)-1, []byte{0, 0})
	f.Add(0, []byte("{"))
	f.Fuzz(func(t *testing.T, cut int, junk []byte) {
		if cut < 0 || cut > len(text) || bytes.IndexByte(junk, '\n') >= 0 {
			return // not a cut, or more than one line
		}
		tornAt(t, t.TempDir(), text, cut, junk)
	})
}

// FuzzOpen opens anything: it either says what is wrong and leaves the file
// alone, or goes on from what it read.
func FuzzOpen(f *testing.F) {
	f.Add(filled(f, filepath.Join(f.TempDir(), "whole")))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "journal")
		check(t, os.WriteFile(path, text, 0o600))
		j, entries, err := Open(path)
		var bad *CorruptError
		if errors.As(err, &bad) || IsNewer(err) {
			return
		}
		check(t, err)
		defer j.Close()
		for _, e := range j.Pending() {
			check(t, j.Result(e.Kind, e.ID, nil, nil))
		}
		pending := len(j.Pending())
		again, more := open(t, path)
		defer again.Close()
		if pending != 0 || len(again.Pending()) != 0 || len(more) < len(entries) {
			t.Errorf("%d entries, then %d; pending %d", len(entries), len(more), len(again.Pending()))
		}
	})
}
