package compare

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"crossring/internal/plain"
)

// Text writes a comparison for people.
func (res Result) Text(out io.Writer) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, r := range res.Runs {
		fmt.Fprintf(tw, "%s\t%s\n", letter(i), r.describe())
	}
	if len(res.Runs) > 1 {
		fmt.Fprintln(tw)
		fmt.Fprintln(tw, res.differ())
		for _, d := range res.Differences {
			fmt.Fprintf(tw, "  %s\t%s\n", d.Key, strings.Join(dashed(d.Values), "\t"))
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if len(res.Metrics) > 0 {
		fmt.Fprintln(out)
		if err := res.table(out); err != nil {
			return err
		}
	}
	res.leftOut(out)
	for _, w := range res.Warnings {
		fmt.Fprintf(out, "warning: %s\n", w)
	}
	if len(res.Runs) > 1 && len(res.Metrics) > 0 {
		fmt.Fprintf(out, "\n%s\n", res.Headline())
	}
	return nil
}

// letter stands for a run in tables: A, B, … Z, then numbers.
func letter(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return strconv.Itoa(i + 1)
}

func (r Run) describe() string {
	if len(r.Rounds) <= 1 {
		return plain.Line(r.Label)
	}
	var names []string
	for _, round := range r.Rounds {
		names = append(names, round.Name)
	}
	return fmt.Sprintf("%d rounds: %s", len(names), plain.Line(strings.Join(names, ", ")))
}

// differ introduces the settings that differ.
func (res Result) differ() string {
	if len(res.Differences) == 0 {
		return "Run with the same settings."
	}
	return "What differs:"
}

func dashed(values []string) []string {
	var out []string
	for _, v := range values {
		if v == "" {
			v = "-"
		}
		out = append(out, plain.Line(v))
	}
	return out
}

// table has a line for each figure, and one more for each further run.
func (res Result) table(out io.Writer) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	head := "FIGURE\t"
	for i := range res.Runs {
		head += letter(i) + "\t"
	}
	if len(res.Runs) > 1 {
		head += "CHANGE\tVERDICT"
	}
	fmt.Fprintln(tw, strings.TrimRight(head, "\t"))
	for _, m := range res.Metrics {
		line := m.Name + ", " + m.Unit
		for _, v := range m.Values {
			line += "\t" + v.String()
		}
		for i, c := range m.Changes {
			if i > 0 {
				line = strings.Repeat("\t", len(m.Values))
			}
			words := strings.ReplaceAll(c.Verdict, "_", " ")
			if len(m.Changes) > 1 {
				words = letter(i+1) + ": " + words
			}
			fmt.Fprintln(tw, line+"\t"+c.text()+"\t"+words)
		}
		if len(m.Changes) == 0 {
			fmt.Fprintln(tw, line)
		}
	}
	return tw.Flush()
}

// String is a mean and what it may be off.
func (v Value) String() string {
	if v.HalfWidth95 == nil {
		return number(v.Mean, v.Mean)
	}
	return number(v.Mean, v.Mean) + " ± " + number(*v.HalfWidth95, v.Mean)
}

// number has as many decimals as a figure of the size of like deserves.
func number(v, like float64) string {
	switch like = math.Abs(like); {
	case like >= 1000:
		return strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	case like >= 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func (c Change) text() string {
	if c.Change == nil {
		return "-"
	}
	s := fmt.Sprintf("%+.1f %%", 100**c.Change)
	if c.HalfWidth95 != nil {
		s += fmt.Sprintf(" ± %.1f %%", 100**c.HalfWidth95)
	}
	return s
}

// leftOut says what is not compared, by the reason.
func (res Result) leftOut(out io.Writer) {
	var reasons []string
	of := map[string][]string{}
	for _, l := range res.NotComparable {
		if !slices.Contains(reasons, l.Why) {
			reasons = append(reasons, l.Why)
		}
		of[l.Why] = append(of[l.Why], l.Name)
	}
	if len(reasons) > 0 {
		fmt.Fprintln(out)
	}
	for _, why := range reasons {
		fmt.Fprintf(out, "not compared: %s: %s\n", strings.Join(of[why], ", "), plain.Line(why))
	}
}

// Headline is the comparison in one sentence.
func (res Result) Headline() string {
	v := res.Verdicts
	var parts []string
	add := func(n int, words string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, words))
		}
	}
	add(v.Better, "better")
	add(v.Worse, "worse")
	add(v.NoDifferenceShown, "without a difference shown")
	add(v.TooFew, "with too few samples")
	return fmt.Sprintf("Of %s: %s. Intervals hold with 95 %% each, verdicts with 95 %% for all of them together.",
		plain.Count(v.Better+v.Worse+v.NoDifferenceShown+v.TooFew, "figure"), strings.Join(parts, ", "))
}

// Markdown writes a comparison as a table for a page.
func (res Result) Markdown(out io.Writer) error {
	var b strings.Builder
	for i, r := range res.Runs {
		fmt.Fprintf(&b, "- **%s**: %s\n", letter(i), plain.Cell(r.describe()))
	}
	for _, d := range res.Differences {
		fmt.Fprintf(&b, "- %s: %s\n", plain.Cell(d.Key), plain.Cell(strings.Join(dashed(d.Values), ", ")))
	}
	b.WriteString("\n| figure |")
	rule := "\n| --- |"
	for i := range res.Runs {
		b.WriteString(" " + letter(i) + " |")
		rule += " ---: |"
	}
	if len(res.Runs) > 1 {
		b.WriteString(" change | verdict |")
		rule += " ---: | --- |"
	}
	b.WriteString(rule + "\n")
	for _, m := range res.Metrics {
		fmt.Fprintf(&b, "| %s, %s |", plain.Cell(m.Name), m.Unit)
		for _, v := range m.Values {
			b.WriteString(" " + v.String() + " |")
		}
		var changes, verdicts []string
		for i, c := range m.Changes {
			verdict := strings.ReplaceAll(c.Verdict, "_", " ")
			if len(m.Changes) > 1 {
				verdict = letter(i+1) + ": " + verdict
			}
			changes, verdicts = append(changes, c.text()), append(verdicts, verdict)
		}
		if len(m.Changes) > 0 {
			fmt.Fprintf(&b, " %s | %s |", strings.Join(changes, "<br>"), strings.Join(verdicts, "<br>"))
		}
		b.WriteString("\n")
	}
	for _, w := range res.Warnings {
		fmt.Fprintf(&b, "\n> %s\n", plain.Cell(w))
	}
	_, err := io.WriteString(out, b.String())
	return err
}
