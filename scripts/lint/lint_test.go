package main

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What this Go's vet looks for is looked for here: the tool takes the place of it.
func TestVetIsWhole(t *testing.T) {
	out, err := exec.Command("go", "tool", "vet", "help").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(out), "Registered analyzers:\n")
	if !found {
		t.Fatalf("go vet lists no analyzers:\n%s", out)
	}
	list, _, _ = strings.Cut(list, "\nBy default")
	var want, got []string
	for _, m := range regexp.MustCompile(`(?m)^    (\w+) `).FindAllStringSubmatch(list, -1) {
		want = append(want, m[1])
	}
	for _, a := range vets {
		got = append(got, a.Name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < 20 || !slices.Equal(got, want) {
		t.Errorf("the table has\n%q\ngo vet has\n%q", got, want)
	}
}

func TestReasons(t *testing.T) {
	for _, m := range more {
		if m.why == "" || slices.Contains(vets, m.analyzer) {
			t.Errorf("%s is here without a reason, or is go vet's own", m.analyzer.Name)
		}
	}
	for symbol, why := range excluded {
		if why == "" {
			t.Errorf("%s is left out without a reason", symbol)
		}
	}
}
