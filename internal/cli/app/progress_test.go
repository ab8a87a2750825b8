package app

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a clock that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time          { return c.at }
func (c *clock) advance(d time.Duration) { c.at = c.at.Add(d) }

func TestPlainProgress(t *testing.T) {
	var b bytes.Buffer
	c := &clock{at: time.Unix(1_000_000, 0)}
	s := NewScreen(&b, false, c.now)
	done := s.Stage("starting 2 nodes")
	c.advance(12_340 * time.Millisecond)
	done(nil)
	done(errors.New("said twice"))

	done = s.Stage("writing 1,000,000 rows")
	for i := range int64(101) {
		s.Progress(i*10_000, 1_000_000, "writing")
		c.advance(590 * time.Millisecond)
	}
	done(nil)
	done = s.Stage("reading")
	s.Progress(1, 0, "")
	c.advance(20 * time.Second)
	s.Progress(40_000, 0, "")
	c.advance(100 * time.Second)
	done(errors.New("boom"))

	want := `starting 2 nodes ...
starting 2 nodes: done (12.3s)
writing 1,000,000 rows ...
writing: 170,000 of 1,000,000 (17 %), 16,949/s, 49.0s left
writing: 340,000 of 1,000,000 (34 %), 16,949/s, 38.9s left
writing: 510,000 of 1,000,000 (51 %), 16,949/s, 28.9s left
writing: 680,000 of 1,000,000 (68 %), 16,949/s, 18.9s left
writing: 850,000 of 1,000,000 (85 %), 16,949/s, 8.8s left
writing 1,000,000 rows: done (59.6s)
reading ...
40,000, 2,000/s
reading: failed (2m0s)
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestQuiet(t *testing.T) {
	var b bytes.Buffer
	for _, terminal := range []bool{false, true} {
		s := NewScreen(&b, terminal, time.Now)
		s.quiet = true
		done := s.Stage("starting")
		s.Progress(1, 2, "")
		s.Progress(2, 2, "")
		done(nil)
	}
	if b.Len() > 0 {
		t.Errorf("wrote %q", b.String())
	}
	s := NewScreen(&b, false, time.Now)
	s.quiet = true
	printError(s, errors.New("boom"))
	if b.String() != "crossring: error: boom\n" {
		t.Errorf("an error became %q", b.String())
	}
}

// shown is what a terminal shows of what was written to it: a carriage return
// goes to the start of the line, and the erase sequences empty it.
func shown(out string) []string {
	var lines []string
	line := ""
	for out != "" {
		switch {
		case strings.HasPrefix(out, "\033[K"), strings.HasPrefix(out, "\033[2K"):
			line = ""
			out = out[strings.Index(out, "K")+1:]
		case out[0] == '\r':
			line = ""
			out = out[1:]
		case out[0] == '\n':
			lines = append(lines, line)
			line = ""
			out = out[1:]
		default:
			line += out[:1]
			out = out[1:]
		}
	}
	return append(lines, line)
}

func TestTerminalProgress(t *testing.T) {
	var b bytes.Buffer
	c := &clock{at: time.Unix(1_000_000, 0)}
	s := NewScreen(&b, true, c.now)

	done := s.Stage("starting 2 nodes")
	if got := shown(b.String()); fmt.Sprint(got) != "[starting 2 nodes ...]" {
		t.Errorf("a stage under way shows %q", got)
	}
	c.advance(3 * time.Second)
	done(nil)
	done = s.Stage("writing")
	s.Progress(0, 1000, "writing")
	s.Progress(500, 1000, "writing")
	if last := shown(b.String()); !strings.Contains(last[len(last)-1], "/1000") {
		t.Errorf("no bar: %q", last)
	}
	fmt.Fprintln(s, "crossring: a line in between")
	s.Progress(1000, 1000, "writing")
	done(nil)
	outer := s.Stage("outer")
	inner := s.Stage("inner")
	inner(errors.New("boom"))
	outer(nil)

	want := []string{
		"starting 2 nodes: done (3.0s)",
		"writing ...",
		"crossring: a line in between",
		"writing: done (0.0s)",
		"outer ...",
		"inner: failed (0.0s)",
		"outer: done (0.0s)",
		"",
	}
	if got := shown(b.String()); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("shows\n%q\nwant\n%q\nof %q", got, want, b.String())
	}
}

func TestScreenFromManyGoroutines(t *testing.T) {
	var b bytes.Buffer
	for _, terminal := range []bool{false, true} {
		s := NewScreen(&b, terminal, time.Now)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				done := s.Stage(fmt.Sprint("stage ", i))
				for j := range int64(100) {
					s.Progress(j, 100, "note")
				}
				fmt.Fprintln(s, "line", i)
				done(nil)
			})
		}
		wg.Wait()
		for i := range 8 {
			if want := fmt.Sprintf("stage %d: done", i); !strings.Contains(b.String(), want) {
				t.Errorf("no line %q", want)
			}
		}
		b.Reset()
	}
}
