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

func readSkips(r io.Reader) ([]skip, error) {
	var all []skip
	for d := json.NewDecoder(r); ; {
		var s skip
		if err := d.Decode(&s); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, s)
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
