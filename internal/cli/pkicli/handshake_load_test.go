package pkicli

import (
	"testing"

	"crossring/internal/tlsload"
)

// Ratios are to be read and copied: 1,000 connections instead of one are no 1e+03.
func TestRatiosAreWrittenOut(t *testing.T) {
	for want, r := range map[string]tlsload.Ratio{
		"1000 (999 to 12346)": {Median: 1000, Low: 999.4, High: 12345.6},
		"0.708 (0 to 1.08)":   {Median: 0.7081, Low: 0, High: 1.0799},
		"10.4 (9 to 100)":     {Median: 10.44, Low: 9, High: 99.96},
	} {
		if got := spread(&r); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
