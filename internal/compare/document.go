package compare

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"crossring/internal/topology"
)

// Round is one run.
type Round struct {
	Name string
	Path string
	// Started and Host are nil where they are not known.
	Started *time.Time
	Host    *topology.Computer
	// Settings are what was run, in the order of a table.
	Settings []Setting
	// Series are the figures of stretches of the run, in the order of time, by name: write.rate,
	// read.p99. One that there is only of the whole has that alone.
	Series map[string][]float64
	// Busy says that other things took a good part of the computer.
	Busy bool
}

// Setting is one thing that was asked for.
type Setting struct{ Key, Value string }

// Sample is what is compared: rounds of the same.
type Sample struct {
	Label  string
	Rounds []Round
}

// Result is the document of a comparison.
type Result struct {
	Schema string `json:"schema"`
	Runs   []Run  `json:"runs"`
	// Settings are what all have in common, and Differences what they have not.
	Settings    map[string]string `json:"settings"`
	Differences []Difference      `json:"differences"`
	// NotComparable are the figures that are left out, and why.
	NotComparable []LeftOut `json:"not_comparable"`
	Metrics       []Metric  `json:"metrics"`
	Verdicts      Verdicts  `json:"verdicts"`
	Warnings      []string  `json:"warnings"`
}

// Run is one sample of a Result.
type Run struct {
	Label  string     `json:"label"`
	Rounds []RoundRow `json:"rounds"`
}

// RoundRow is one of its rounds.
type RoundRow struct {
	Name    string             `json:"name"`
	Path    string             `json:"path"`
	Started *time.Time         `json:"started"`
	Host    *topology.Computer `json:"host"`
}

// Difference is a setting that the runs do not have in common.
type Difference struct {
	Key    string   `json:"key"`
	Values []string `json:"values"` // in the order of the runs; "" where it is not known
}

// LeftOut is a figure that is not compared.
type LeftOut struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Value is a figure of one sample. N are the batches that it is made of, by which
// HalfWidth95 is known; that is nil where there are too few.
type Value struct {
	Mean        float64  `json:"mean"`
	HalfWidth95 *float64 `json:"half_width_95"`
	N           int      `json:"n"`
	Rounds      int      `json:"rounds"`
}

// Change is a sample against the first one. Change and HalfWidth95 are shares of the first
// one's mean: 0.1 is 10 % more. PValue is of Welch's test; PAdjusted is by Holm for all figures
// of the comparison, and Verdict by that.
type Change struct {
	Run         string   `json:"run"`
	Change      *float64 `json:"change"`
	HalfWidth95 *float64 `json:"half_width_95"`
	PValue      *float64 `json:"p_value"`
	PAdjusted   *float64 `json:"p_adjusted"`
	Verdict     string   `json:"verdict"`
}

// Metric is a figure of all samples. Its own change is that of the second sample; Changes has
// those of all but the first.
type Metric struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Better string  `json:"better"` // higher or lower
	Values []Value `json:"values"`
	// As in the first of Changes; of one sample alone there is none.
	Change      *float64 `json:"change"`
	HalfWidth95 *float64 `json:"half_width_95"`
	PValue      *float64 `json:"p_value"`
	PAdjusted   *float64 `json:"p_adjusted"`
	Verdict     string   `json:"verdict"`
	Changes     []Change `json:"changes"`
}

// Verdicts counts the changes by their verdict.
type Verdicts struct {
	Better            int `json:"better"`
	Worse             int `json:"worse"`
	NoDifferenceShown int `json:"no_difference_shown"`
	TooFew            int `json:"too_few"`
}

// The verdicts, from the reader's side: a higher rate is better, a lower latency is.
const (
	Better            = "better"
	Worse             = "worse"
	NoDifferenceShown = "no_difference_shown"
	TooFew            = "too_few"
	// Alone is of a sample with nothing to compare it to.
	Alone = ""
)

// NothingError says that no figure of the runs can be held against the other's.
type NothingError struct{ LeftOut []LeftOut }

func (e *NothingError) Error() string {
	var why []string
	for _, l := range e.LeftOut {
		if !slices.Contains(why, l.Why) {
			why = append(why, l.Why)
		}
	}
	if len(why) == 0 {
		why = []string{"they have no figure in common"}
	}
	return "nothing of these runs can be compared: " + strings.Join(why, "; ")
}

// MixedError says that the rounds of one sample are not of the same.
type MixedError struct {
	Label  string
	Key    string
	Values [2]string
	Rounds [2]string
}

func (e *MixedError) Error() string {
	return fmt.Sprintf("%s are not rounds of the same: %s has %s %s, and %s has %s", e.Label, e.Rounds[0], e.Key, orNothing(e.Values[0]), e.Rounds[1], orNothing(e.Values[1]))
}
