package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The beginnings of the two kinds of reasons that are in order; see CONTRIBUTING.md.
// What is skipped for any other reason lacks something that could be made or installed.
const (
	elsewhere = "runs "              // in another target of make, or by hand
	never     = "not possible here:" // this computer, or its user, can't have it
)

// note is a line of the file: one of the two.
type note struct {
	Skip *skip `json:",omitempty"`
	Took *took `json:",omitempty"`
}

func readNotes(r io.Reader) (skips []skip, times []took, err error) {
	for d := json.NewDecoder(r); ; {
		var n note
		if err := d.Decode(&n); errors.Is(err, io.EOF) {
			return skips, times, nil
		} else if err != nil {
			return nil, nil, err
		}
		if n.Skip != nil {
			skips = append(skips, *n.Skip)
		}
		if n.Took != nil {
			times = append(times, *n.Took)
		}
	}
}

// slowest prints the tests that took the most, each with the slowest of its parts.
// Tests that run side by side add up to more than the clock says.
func slowest(w io.Writer, times []took) {
	const most, least = 30, 1.0 // a second
	tests, all := map[string][]took{}, 0
	var list []took
	for _, t := range times {
		name, part, _ := strings.Cut(t.Test, "/")
		switch at := t.Package + " " + name; {
		case t.Test == "":
		case part != "":
			tests[at] = append(tests[at], took{t.Package, part, t.Seconds})
		default:
			all++
			list = append(list, t)
		}
	}
	// Parts that ran side by side have waited longer together than their test has.
	for i, t := range list {
		for _, p := range tests[t.Package+" "+t.Test] {
			list[i].Seconds = max(list[i].Seconds, p.Seconds)
		}
	}
	list = slices.DeleteFunc(list, func(t took) bool { return t.Seconds < least })
	if len(list) == 0 {
		return
	}
	bySeconds := func(a, b took) int { return cmp.Compare(b.Seconds, a.Seconds) }
	slices.SortStableFunc(list, bySeconds)
	list = list[:min(most, len(list))]
	fmt.Fprintf(w, "the slowest of %d tests, in seconds:\n", all)
	for _, t := range list {
		fmt.Fprintf(w, "%7.1f  %s: %s", t.Seconds, strings.TrimPrefix(t.Package, "crossring/"), t.Test)
		parts := tests[t.Package+" "+t.Test]
		slices.SortStableFunc(parts, bySeconds)
		for i, p := range parts {
			if i == 4 || p.Seconds < least {
				break
			}
			fmt.Fprintf(w, "; %s %.1f", p.Test, p.Seconds)
		}
		fmt.Fprintln(w)
	}
}

// list prints what was skipped, by reason, and returns how many tests lacked something
// that could be made or installed. Of what runs elsewhere the number is enough.
func list(w io.Writer, skips []skip) (missing int) {
	if len(skips) == 0 {
		fmt.Fprintln(w, "nothing was skipped")
		return 0
	}
	byWhy := map[string][]string{}
	for _, s := range skips {
		byWhy[s.Why] = append(byWhy[s.Why], strings.TrimPrefix(s.Package, "crossring/")+": "+s.Test)
	}
	rank := func(why string) int {
		switch {
		case strings.HasPrefix(why, elsewhere):
			return 0
		case strings.HasPrefix(why, never):
			return 1
		}
		return 2
	}
	fmt.Fprintf(w, "skipped (%d tests, and parts of tests), and why:\n", len(skips))
	reasons := make([]string, 0, len(byWhy))
	for why := range byWhy {
		reasons = append(reasons, why)
	}
	slices.SortFunc(reasons, func(a, b string) int {
		return cmp.Or(rank(a)-rank(b), len(byWhy[b])-len(byWhy[a]), strings.Compare(a, b))
	})
	for _, why := range reasons {
		names := byWhy[why]
		fmt.Fprintf(w, "%4d  %s\n", len(names), why)
		if rank(why) == 0 {
			continue
		}
		for _, name := range names {
			fmt.Fprintf(w, "        %s\n", name)
		}
		if rank(why) == 2 {
			missing += len(names)
		}
	}
	if missing > 0 {
		fmt.Fprintf(w, "%d of them lacked what could be made or installed here\n", missing)
	}
	return missing
}
