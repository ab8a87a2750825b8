package compare

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// recorded are the figures of runs that crossring made, by stretches of each: of stress write and
// stress read of 20,000 rows of 200 bytes at ONE on 1 + 1 nodes of 5.0, sides a and b in turns
// with the same settings ("same"), and of stress write of 4,000 rows at ALL with --rate 400 and
// --rate 440 ("apart"). The computer, of 2 processors, was busy with other work all the time: its
// load average was from 8 to 30.
func recorded(t *testing.T, kind string) map[string]Round {
	t.Helper()
	f, err := os.Open("testdata/recorded.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string][]struct {
		Name   string
		Busy   bool
		Series map[string][]float64
	}
	if err := json.NewDecoder(z).Decode(&all); err != nil {
		t.Fatal(err)
	}
	out := map[string]Round{}
	for _, r := range all[kind] {
		out[r.Name] = Round{Name: r.Name, Busy: r.Busy, Series: r.Series}
	}
	return out
}

// rounds is a sample of those called format, filled with the numbers from first on.
func rounds(t *testing.T, of map[string]Round, format string, first, n int) Sample {
	t.Helper()
	s := Sample{Label: format}
	for i := first; i < first+n; i++ {
		r, there := of[fmt.Sprintf(format, i)]
		if !there {
			t.Fatalf("there is no run "+format, i)
		}
		s.Rounds = append(s.Rounds, r)
	}
	return s
}

// Of 20 pairs of rounds of one configuration 19 or more show no difference in any figure.
func TestRecordedRunsOfTheSame(t *testing.T) {
	all := recorded(t, "same")
	for _, tt := range []struct{ pairs, rounds, most int }{{20, 3, 1}, {30, 2, 1}} {
		differ := 0
		for i := range tt.pairs {
			res := compared(t, rounds(t, all, "a%d", 1+i*tt.rounds, tt.rounds), rounds(t, all, "b%d", 1+i*tt.rounds, tt.rounds))
			if n := len(res.Metrics); n != 14 {
				t.Fatalf("%d figures", n)
			}
			if res.Verdicts.Better+res.Verdicts.Worse > 0 {
				differ++
			}
		}
		t.Logf("%d pairs of %d rounds: %d seem to differ", tt.pairs, tt.rounds, differ)
		if differ > tt.most {
			t.Errorf("%d pairs of %d rounds: %d seem to differ", tt.pairs, tt.rounds, differ)
		}
	}
	// Each alone would not do: that is why one run of each is too few on such a computer.
	single, seem := 0, 0
	for i := 1; i <= 60; i++ {
		a, b := rounds(t, all, "a%d", i, 1), rounds(t, all, "b%d", i, 1)
		if a.Rounds[0].Busy || b.Rounds[0].Busy {
			if res := compared(t, a, b); res.Verdicts.TooFew != len(res.Metrics) {
				t.Errorf("one run of each on a busy computer: %+v", res.Verdicts)
			}
			single++
		}
		a.Rounds[0].Busy, b.Rounds[0].Busy = false, false
		if v := compared(t, a, b).Verdicts; v.Better+v.Worse > 0 {
			seem++
		}
	}
	t.Logf("one run of each: %d of 60 pairs on a busy computer; by the course alone %d would seem to differ", single, seem)
	if single < 50 {
		t.Errorf("%d of 60 pairs were on a busy computer", single)
	}
}

// What is 10 % apart is found, with the right sign, and nothing else is.
func TestRecordedRunsApart(t *testing.T) {
	all := recorded(t, "apart")
	slow, fast := rounds(t, all, "r400-%d", 1, 6), rounds(t, all, "r440-%d", 1, 6)
	for want, pair := range map[string][2]Sample{Better: {slow, fast}, Worse: {fast, slow}} {
		res := compared(t, pair[0], pair[1])
		m := metricOf(t, res, "write.rate")
		if m.Verdict != want || *m.HalfWidth95 > 0.1 || *m.Change-*m.HalfWidth95 > 0.11 || *m.Change+*m.HalfWidth95 < -0.11 {
			t.Errorf("%s: %+.3f ± %.3f, want %s", m.Verdict, *m.Change, *m.HalfWidth95, want)
		}
		for _, other := range res.Metrics {
			if !strings.HasSuffix(other.Name, "rate") && other.Verdict != NoDifferenceShown {
				t.Errorf("%s: %s", other.Name, other.Verdict)
			}
		}
	}
}
