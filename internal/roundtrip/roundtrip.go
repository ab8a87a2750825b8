// Package roundtrip knows how long the way between AWS' regions is, there and back.
package roundtrip

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
)

// Source is where the figures come from, and of when they are: medians of a year of TCP
// connections between each two regions, as measured in both directions by CloudPing.co. They
// are the mean of both directions here, in whole ms. They are what a program there saw, a
// moment of its own included; the wire alone is a little faster.
const Source = "CloudPing.co, one-year medians (p50) of TCP round trips between AWS regions, as of 2025-05-29"

// aws has a line for each pair: two regions in order, and ms.
//
//go:embed aws.txt
var aws string

// Between is the round trip between two regions in ms; false where it is not known, as
// between a region and itself.
func Between(a, b string) (ms float64, ok bool) {
	if a > b {
		a, b = b, a
	}
	key := "\n" + a + " " + b + " "
	_, rest, found := strings.Cut("\n"+aws, key)
	if !found {
		return 0, false
	}
	text, _, _ := strings.Cut(rest, "\n")
	ms, err := strconv.ParseFloat(text, 64)
	return ms, err == nil
}

// Regions are those that the table knows, in order.
func Regions() []string {
	var all []string
	for line := range strings.Lines(aws) {
		if fields := strings.Fields(line); len(fields) == 3 {
			all = append(all, fields[0], fields[1])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
