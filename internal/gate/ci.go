package gate

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"

	"crossring/internal/failif"
	"crossring/internal/plain"
)

// Case is one thing that is to hold.
type Case struct {
	Name string
	// Failure says what does not hold, and Error why that is not known; both are "" where all
	// is well.
	Failure, Error string
}

// Cases are the run itself, which went as err says, and each expression.
func Cases(run string, err error, exprs []failif.Expr, breaches []failif.Breach, v Values) []Case {
	first := Case{Name: run}
	if err != nil {
		first.Failure = err.Error()
	}
	cases := []Case{first}
	for _, e := range exprs {
		c := Case{Name: e.Text}
		for _, b := range breaches {
			if b.Expression == e.Text {
				c.Failure = "it is " + number(b.Value)
			}
		}
		if v.Values[e.Name] == nil && c.Failure == "" {
			c.Error = e.Name + " is not known"
		}
		cases = append(cases, c)
	}
	return cases
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// JUnit's XML, as CI servers read it.
type (
	suites struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []suite  `xml:"testsuite"`
	}
	suite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Time     string     `xml:"time,attr"`
		Cases    []testcase `xml:"testcase"`
	}
	testcase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Failure *message `xml:"failure"`
		Error   *message `xml:"error"`
	}
	message struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes cases as a suite of tests; seconds is what it took.
func JUnit(w io.Writer, name string, seconds float64, cases []Case) error {
	s := suite{Name: name, Tests: len(cases), Time: strconv.FormatFloat(seconds, 'f', 3, 64)}
	said := func(text string) *message {
		if text == "" {
			return nil
		}
		first, _, _ := strings.Cut(text, "\n")
		return &message{Message: plain.Line(first), Text: plain.Lines(text)}
	}
	for _, c := range cases {
		t := testcase{Class: name, Name: plain.Line(c.Name), Failure: said(c.Failure), Error: said(c.Error)}
		if t.Failure != nil {
			s.Failures++
		}
		if t.Error != nil {
			s.Errors++
		}
		s.Cases = append(s.Cases, t)
	}
	data, err := xml.MarshalIndent(suites{Suites: []suite{s}}, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, data)
	}
	if err != nil {
		return fmt.Errorf("writing JUnit's XML: %w", err)
	}
	return nil
}

// Markdown writes a heading, what holds and what does not, and then what more has to say, which
// may be nil.
func Markdown(w io.Writer, name string, cases []Case, more func(io.Writer) error) error {
	var b strings.Builder
	word, bad := "as asked", 0
	for _, c := range cases {
		if c.Failure != "" || c.Error != "" {
			bad++
		}
	}
	if bad > 0 {
		word = plain.Count(bad, "thing") + " not as asked"
	}
	fmt.Fprintf(&b, "## %s: %s\n\n| what | |\n| --- | --- |\n", plain.Cell(name), word)
	for _, c := range cases {
		said := "ok"
		switch {
		case c.Failure != "":
			said = "**failed**: " + plain.Cell(c.Failure)
		case c.Error != "":
			said = "**not known**: " + plain.Cell(c.Error)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", plain.Cell(c.Name), said)
	}
	b.WriteString("\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing Markdown: %w", err)
	}
	if more == nil {
		return nil
	}
	return more(w)
}

// Figures writes those of a run as a table, for Markdown.
func Figures(v Values, order []string) func(io.Writer) error {
	return func(w io.Writer) error {
		var b strings.Builder
		b.WriteString("| figure | |\n| --- | ---: |\n")
		for _, name := range order {
			if at := v.Values[name]; at != nil {
				fmt.Fprintf(&b, "| %s | %s |\n", plain.Cell(name), number(*at))
			}
		}
		_, err := io.WriteString(w, b.String())
		return err
	}
}
