package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// event is one of those that go test -json prints: see go doc test2json.
type event struct {
	Action     string
	Package    string
	Test       string
	Output     string
	ImportPath string // of a build
	Elapsed    float64
}

// skip is a test that was skipped.
type skip struct {
	Package, Test, Why string
}

// took is a test that ended, or a package, whose name is then "".
type took struct {
	Package, Test string
	Seconds       float64
}

// pkg is a package whose tests are running.
type pkg struct {
	own    []string            // what it printed outside of tests
	tests  map[string][]string // what those printed that have not ended
	waited map[string]float64  // seconds that tests waited for their turn, their parts included
	parts  []string            // what parts of a test printed that failed; it is shown after the test itself
}

// show turns events into what go test prints without -json, and collects skips.
type show struct {
	out     io.Writer
	verbose bool
	ran     map[string]*pkg
	skips   []skip
	times   []took
}

// events reads to the end. What is no event is shown as it is.
func (s *show) events(r io.Reader) error {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if !bytes.HasPrefix(line, []byte("{")) || json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(s.out, "%s", line)
			} else {
				s.event(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read go test's output: %w", err)
		}
	}
}

// verdict is a line that go test ends a package with.
var verdict = regexp.MustCompile(`^(ok  |FAIL|\?   )\t`)

func (s *show) event(e event) {
	p := s.ran[e.Package]
	if p == nil {
		p = &pkg{tests: map[string][]string{}}
		s.ran[e.Package] = p
	}
	if m := turn.FindStringSubmatch(e.Output); m != nil {
		// A test waits as long as its parts did, and they are in its time.
		seconds, _ := strconv.ParseFloat(m[1], 64) // it is a number
		for name := e.Test; name != ""; name = parent(name) {
			if p.waited == nil {
				p.waited = map[string]float64{}
			}
			p.waited[name] += seconds
		}
	}
	// Of parts of tests only those are timed that stand right below a test.
	if (e.Action == "pass" || e.Action == "fail") && strings.Count(e.Test, "/") < 2 {
		s.times = append(s.times, took{e.Package, e.Test, max(e.Elapsed-p.waited[e.Test], 0)})
	}
	switch {
	case e.Action == "build-output":
		fmt.Fprint(s.out, e.Output)
	case e.Action == "output":
		switch {
		case s.verbose:
			fmt.Fprint(s.out, e.Output)
		case e.Test == "" && verdict.MatchString(e.Output):
			// What led to it comes before it, and only if it failed.
			if strings.HasPrefix(e.Output, "FAIL") {
				s.unfinished(p)
				fmt.Fprint(s.out, strings.Join(p.own, ""))
			}
			p.own = nil
			fmt.Fprint(s.out, e.Output)
		case e.Test == "":
			p.own = append(p.own, e.Output)
		}
		if e.Test != "" {
			p.tests[e.Test] = append(p.tests[e.Test], e.Output)
		}
	case e.Test == "":
		// A package that ends is shown by its verdict.
	case e.Action == "fail":
		text := tidy(p.tests[e.Test])
		delete(p.tests, e.Test)
		switch {
		case s.verbose:
		case strings.Contains(e.Test, "/"):
			p.parts = append(p.parts, text)
		default:
			fmt.Fprint(s.out, text, strings.Join(p.parts, ""))
			p.parts = nil
		}
	case e.Action == "skip":
		s.skips = append(s.skips, skip{e.Package, e.Test, reason(p.tests[e.Test])})
		delete(p.tests, e.Test)
	case e.Action == "pass":
		delete(p.tests, e.Test)
	}
}

// turn is what a test logs that had to wait for others.
var turn = regexp.MustCompile(`waited (\d+\.\d) s for its turn`)

// parent is the test that a part of it belongs to; "" is none.
func parent(test string) string {
	i := strings.LastIndex(test, "/")
	return test[:max(i, 0)]
}

// unfinished shows what tests printed that did not come to an end: they know why.
func (s *show) unfinished(p *pkg) {
	for _, name := range slices.Sorted(maps.Keys(p.tests)) {
		fmt.Fprint(s.out, tidy(p.tests[name]))
	}
	fmt.Fprint(s.out, strings.Join(p.parts, ""))
	clear(p.tests)
	p.parts = nil
}

// marker is a line of the testing package's own about a test's course.
var marker = regexp.MustCompile(`^=== (RUN|PAUSE|CONT|NAME) `)

// tidy is what a test printed, with its result first, as go test has it.
func tidy(lines []string) string {
	var first, rest strings.Builder
	for _, line := range lines {
		switch {
		case marker.MatchString(line):
		case result.MatchString(line):
			first.WriteString(line)
		default:
			rest.WriteString(line)
		}
	}
	return first.String() + rest.String()
}

// place is where in a file a test says something, and result how one ends.
var (
	place  = regexp.MustCompile(`^\s*[\w.-]+\.go:\d+: `)
	result = regexp.MustCompile(`^\s*--- `)
)

// reason is what a test said last before it was skipped.
func reason(lines []string) string {
	var said []string
	for _, line := range lines {
		switch {
		case marker.MatchString(line), result.MatchString(line):
		case place.MatchString(line):
			said = []string{strings.TrimSpace(place.ReplaceAllString(line, ""))}
		default:
			said = append(said, strings.TrimSpace(line))
		}
	}
	if why := strings.TrimSpace(strings.Join(said, " ")); why != "" {
		return why
	}
	return "no reason given"
}
