package app

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/report"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// plainEvery is how often progress makes a line where there is no terminal.
const plainEvery = 10 * time.Second

var _ cluster.Reporter = (*Screen)(nil)

// Screen is stderr as everyone writes to it: it reports progress, and it is a
// Writer that takes the bar away first, so that lines and bar do not mix. Stages
// may nest, and Progress may be called as often as one likes; its total may be
// 0, unknown.
type Screen struct {
	w        io.Writer
	terminal bool
	quiet    bool // no stages and no progress; what is written still appears
	now      func() time.Time

	mu      sync.Mutex
	bar     *progressbar.ProgressBar
	total   int64     // of the bar, or of the lines
	began   time.Time // of the progress under way; zero when there is none
	said    time.Time // of its last line
	pending string    // a stage's line that is still open: only a terminal has it
}

// NewScreen is a screen on w. On a terminal progress is a bar, elsewhere a line
// now and then.
func NewScreen(w io.Writer, terminal bool, now func() time.Time) *Screen {
	return &Screen{w: w, terminal: terminal, now: now}
}

// isTerminal says whether w is a terminal that can move its cursor.
func isTerminal(w io.Writer, lookup func(string) (string, bool)) bool {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false
	}
	kind, _ := lookup("TERM")
	return kind != "dumb"
}

// Write passes p on, on lines of its own.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	return s.w.Write(p)
}

// clear takes the bar away and ends an open line.
func (s *Screen) clear() {
	if s.bar != nil {
		_ = s.bar.Clear() // an unwritable stderr is nobody's error
	}
	if s.pending != "" {
		fmt.Fprintln(s.w)
		s.pending = ""
	}
}

// Stage begins a stage of the work; what it returns ends it.
func (s *Screen) Stage(text string) func(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	start := s.now()
	if !s.quiet {
		s.clear()
		fmt.Fprintf(s.w, "%s ...", text)
		if s.terminal {
			s.pending = text
		} else {
			fmt.Fprintln(s.w)
		}
	}
	var once sync.Once
	return func(err error) {
		once.Do(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.endProgress()
			if s.quiet {
				return
			}
			if s.pending == text {
				fmt.Fprint(s.w, "\r\033[K") // write over the line that opened the stage
				s.pending = ""
			}
			s.clear()
			how := "done"
			if err != nil {
				how = "failed"
			}
			fmt.Fprintf(s.w, "%s: %s (%s)\n", text, how, Brief(s.now().Sub(start)))
		})
	}
}

// Progress says how far something is.
func (s *Screen) Progress(done, total int64, note string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.quiet {
		return
	}
	now := s.now()
	if s.began.IsZero() || total != s.total {
		s.endProgress()
		s.began, s.said, s.total = now, now, total
	}
	if s.terminal {
		s.drawBar(done, note)
	} else if now.Sub(s.said) >= plainEvery {
		s.said = now
		fmt.Fprintln(s.w, progressLine(done, total, now.Sub(s.began), note))
	}
	if total > 0 && done >= total {
		s.endProgress()
	}
}

// drawBar draws the bar with count, rate and time left, at most ten times a second.
func (s *Screen) drawBar(done int64, note string) {
	if s.bar == nil {
		s.clear()
		length := s.total
		if length <= 0 {
			length = -1 // a spinner
		}
		s.bar = progressbar.NewOptions64(length,
			progressbar.OptionSetWriter(s.w), progressbar.OptionSetWidth(30),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("op"),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionUseANSICodes(true),
			progressbar.OptionClearOnFinish())
		s.bar.Describe(note)
	}
	if note != s.bar.State().Description {
		s.bar.Describe(note)
	}
	_ = s.bar.Set64(done) // its errors are those of writing to the terminal
}

// endProgress removes the bar. Its numbers stand in the answer.
func (s *Screen) endProgress() {
	if s.bar != nil {
		_ = s.bar.Clear()
		_ = s.bar.Exit()
		s.bar = nil
	}
	s.began = time.Time{}
}

// progressLine is progress in words: count, share, rate, time left.
func progressLine(done, total int64, elapsed time.Duration, note string) string {
	var b strings.Builder
	if note != "" {
		b.WriteString(note + ": ")
	}
	b.WriteString(report.Count(done))
	if total > 0 {
		fmt.Fprintf(&b, " of %s (%d %%)", report.Count(total), done*100/total)
	}
	if seconds := elapsed.Seconds(); seconds > 0 {
		rate := float64(done) / seconds
		fmt.Fprintf(&b, ", %s/s", report.Count(int64(rate)))
		if left := total - done; left > 0 && rate > 0 {
			fmt.Fprintf(&b, ", %s left", Brief(time.Duration(float64(left)/rate*float64(time.Second))))
		}
	}
	return b.String()
}

// Brief is a duration to a tenth of a second, and from a minute on to a second.
func Brief(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
