// Package failif reads expressions such as certificate.days<30, which a pipeline gives to
// --fail-if, and holds figures against them.
package failif

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"crossring/internal/fail"
)

// Expr is one expression: a figure by its name, and the limit at which it fails.
type Expr struct {
	Text  string
	Name  string
	op    string
	Limit float64
}

// Breach is an expression that holds: what was to be, and what is.
type Breach struct {
	Expression string  `json:"expression"`
	Value      float64 `json:"value"`
	Limit      float64 `json:"limit"`
}

// SyntaxError says what is wrong with an expression.
type SyntaxError struct {
	Text, Why string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("--fail-if: %q: %s", e.Text, e.Why) }

// ExitCode is that of a wrong command line.
func (*SyntaxError) ExitCode() int { return fail.ExitUsage }

// Unit is what a figure is in.
type Unit string

// The units. A limit may stand without; then it is in the figure's own.
const (
	Plain     Unit = ""    // a number
	Millis    Unit = "ms"  // also us, µs, s, m, as Go's durations
	PerSecond Unit = "/s"  // with or without
	Share     Unit = "0–1" // also %
)

// Known are the figures that there are, by name, and what each is in.
type Known struct {
	Units map[string]Unit
	// Absent are those that others have, and why they are not here.
	Absent map[string]string
}

// Names are figures that are plain numbers.
func Names(names ...string) Known {
	k := Known{Units: map[string]Unit{}}
	for _, n := range names {
		k.Units[n] = Plain
	}
	return k
}

// Parse reads expressions: a name, one of < <= > >= == !=, and a number with or without a unit.
// All that are wrong are in the error, a *SyntaxError or a list of them.
func Parse(texts []string, known Known) ([]Expr, error) {
	var all []Expr
	var bad []error
	for _, text := range texts {
		e, err := parse(text, known)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		all = append(all, e)
	}
	return all, errors.Join(bad...)
}

func parse(text string, known Known) (Expr, error) {
	e := Expr{Text: text}
	i := strings.IndexAny(text, "<>=!")
	if i < 0 {
		return e, &SyntaxError{text, "it is written as in certificate.days<30"}
	}
	e.Name, e.op = strings.TrimSpace(text[:i]), text[i:i+1]
	rest := text[i+1:]
	if strings.HasPrefix(rest, "=") {
		e.op, rest = e.op+"=", rest[1:]
	}
	if e.op == "=" || e.op == "!" {
		return e, &SyntaxError{text, "there are <, <=, >, >=, == and !="}
	}
	unit, there := known.Units[e.Name]
	switch why, absent := known.Absent[e.Name]; {
	case there:
	case absent:
		return e, &SyntaxError{text, fmt.Sprintf("this run has no %s: %s", e.Name, why)}
	default:
		return e, &SyntaxError{text, fmt.Sprintf("there is no figure %q here; there are %s", e.Name, strings.Join(slices.Sorted(maps.Keys(known.Units)), ", "))}
	}
	limit, ok := unit.limit(strings.TrimSpace(rest))
	if !ok {
		return e, &SyntaxError{text, fmt.Sprintf("%q is no number%s", strings.TrimSpace(rest), unit.example())}
	}
	e.Limit = limit
	return e, nil
}

// limit reads a number that may have a unit.
func (u Unit) limit(s string) (float64, bool) {
	switch u {
	case Millis:
		if d, err := time.ParseDuration(s); err == nil && strings.ContainsAny(s, "smh") { // "0" alone is one, too
			return float64(d) / float64(time.Millisecond), true
		}
	case PerSecond:
		s = strings.TrimSpace(strings.TrimSuffix(s, string(PerSecond)))
	case Share:
		if percent, ok := strings.CutSuffix(s, "%"); ok {
			v, ok := number(strings.TrimSpace(percent))
			return v / 100, ok
		}
	}
	return number(s)
}

func number(s string) (float64, bool) {
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
}

// example says how a limit may be written.
func (u Unit) example() string {
	switch u {
	case Millis:
		return " or time, as in 20 or 20ms"
	case PerSecond:
		return ", as in 8000 or 8000/s"
	case Share:
		return " or share, as in 0.05 or 5%"
	}
	return ""
}

// UnknownError says that a figure is not known, so that nothing can be held against it.
type UnknownError struct{ Expr Expr }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("--fail-if %s: %s is not known here, so that nothing can be said of it", e.Expr.Text, e.Expr.Name)
}

// ExitCode is that of a failure: what is not known is not fine.
func (*UnknownError) ExitCode() int { return fail.ExitFailure }

// BreachError is that of expressions that hold.
type BreachError struct{ Breaches []Breach }

func (e *BreachError) Error() string {
	var all []string
	for _, b := range e.Breaches {
		all = append(all, fmt.Sprintf("--fail-if %s: it is %s", b.Expression, strconv.FormatFloat(b.Value, 'g', -1, 64)))
	}
	return strings.Join(all, "; ")
}

// ExitCode is the one that was asked for.
func (*BreachError) ExitCode() int { return fail.ExitData }

// Check holds figures against expressions. One that is not known is nil or left out. The
// error is a *BreachError or a *UnknownError.
func Check(exprs []Expr, figures map[string]*float64) ([]Breach, error) {
	return CheckBounds(exprs, figures, nil)
}

// CheckBounds is Check with what is known of figures that are not: that they are at least so
// much. That is enough for > and >= to hold, and never enough for all to be fine.
func CheckBounds(exprs []Expr, figures, atLeast map[string]*float64) ([]Breach, error) {
	breaches := []Breach{}
	var unknown error
	for _, e := range exprs {
		v := figures[e.Name]
		if low := atLeast[e.Name]; v == nil && low != nil && strings.HasPrefix(e.op, ">") && e.holds(*low) {
			v = low
		}
		switch {
		case v == nil && unknown == nil:
			unknown = &UnknownError{e}
		case v != nil && e.holds(*v):
			breaches = append(breaches, Breach{e.Text, *v, e.Limit})
		}
	}
	if len(breaches) > 0 {
		return breaches, &BreachError{breaches}
	}
	return breaches, unknown
}

func (e Expr) holds(v float64) bool {
	switch e.op {
	case "<":
		return v < e.Limit
	case "<=":
		return v <= e.Limit
	case ">":
		return v > e.Limit
	case ">=":
		return v >= e.Limit
	case "==":
		return v == e.Limit
	}
	return v != e.Limit
}
