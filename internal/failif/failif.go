// Package failif reads expressions such as certificate.days<30, which a pipeline gives to
// --fail-if, and holds figures against them.
package failif

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

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

// Parse reads expressions: a name, one of < <= > >= == !=, and a number. known are the
// names that there are.
func Parse(texts, known []string) ([]Expr, error) {
	var all []Expr
	for _, text := range texts {
		e, err := parse(text, known)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func parse(text string, known []string) (Expr, error) {
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
	if !slices.Contains(known, e.Name) {
		return e, &SyntaxError{text, fmt.Sprintf("there is no figure %q here; there are %s", e.Name, strings.Join(slices.Sorted(slices.Values(known)), ", "))}
	}
	var err error
	if e.Limit, err = strconv.ParseFloat(strings.TrimSpace(rest), 64); err != nil || math.IsNaN(e.Limit) || math.IsInf(e.Limit, 0) {
		return e, &SyntaxError{text, fmt.Sprintf("%q is no number", strings.TrimSpace(rest))}
	}
	return e, nil
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
	breaches := []Breach{}
	var unknown error
	for _, e := range exprs {
		v := figures[e.Name]
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
